"""What a node is to load is not there yet: it asks again until it is, without a key, with a menu and without, by each loader."""

import vm
from cluster import UP

IMAGES = "/srv/tftp/images"


def run(report, cluster):
    # PXELINUX without the virtio card, with which a load may stand still.
    names = ["n2", "n3"] if vm.ovmf() else ["n2"]
    if "n3" not in names:
        report.skip("not_there_yet with UEFI", "no OVMF on this machine")
    nodes = [cluster.node(name) for name in names]
    try:
        for menu in ("", "[boot]\ntimeout = 3\n"):
            if menu:
                cluster.configure(menu)
            _boot_late(report, cluster.master, nodes, "with a menu" if menu else "without a menu")
    finally:
        cluster.configure("")


def _boot_late(report, master, nodes, how):
    def asked(node):
        return [name for _, name in node.seen().files if name.endswith("/vmlinuz")]

    # A mount, for what is moved below an overlay stays as the overlay has seen it.
    master.sh(f"mount -t tmpfs away {IMAGES}")
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait(lambda node=node: len(asked(node)) > 2 or None, 300, f"third request for the kernel, {how}")
            report.check(f"{node.name}: its loader asked for the kernel again, {how}", node.ready is None, node.last_lines())
        master.sh(f"umount {IMAGES}")
        for node in nodes:
            node.wait_ready(UP)
            report.check(f"{node.name}: it boots once the kernel is there, {how}", node.ready is not None)
    finally:
        master.sh(f"! mountpoint -q {IMAGES} || umount {IMAGES}")
        for node in nodes:
            node.stop()
