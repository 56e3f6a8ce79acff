"""What a node is to load is not there yet: it begins again until it is, without a key, with a menu or not, by each loader."""

import vm
from basic import check_client, settle
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
            _boot_late(report, cluster, nodes, "with a menu" if menu else "without a menu")
    finally:
        cluster.configure("")


def _boot_late(report, cluster, nodes, how):
    def asked(node, name):
        return len([path for _, path in node.seen().files if name in path])

    # A mount, for what is moved below an overlay stays as the overlay has seen it.
    cluster.master.sh(f"mount -t tmpfs away {IMAGES}")
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait(lambda node=node: asked(node, "/vmlinuz") > 2 or None, 300, f"third request for the kernel, {how}")
            # More often than one start asks for it: a new image has another name, which is in the configuration.
            afresh = asked(node, "grubx64.efi" if node.firmware == "uefi" else "pxelinux.cfg/01-")
            report.check(f"{node.name}: it reads its configuration again, {how}", afresh > 2, node.seen().files)
        cluster.master.sh(f"umount {IMAGES}")
        for node in nodes:
            node.wait_ready(UP)
            check_client(report, cluster, node, settle(node))
    finally:
        cluster.master.sh(f"! mountpoint -q {IMAGES} || umount {IMAGES}")
        for node in nodes:
            node.stop()
