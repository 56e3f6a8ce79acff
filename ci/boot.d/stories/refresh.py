"""A change of the site reaches a running node by `apply` on the master and `refresh`."""

from basic import settle

TEMPLATE = "/run/rootfs/lower/etc/voidclust/overlays/blue/rig-profile.j2"


def run(report, cluster):
    node, = cluster.up("n1")
    before = settle(node)
    master = cluster.master
    try:
        master.sh(f"echo 'new {{{{ node.short }}}}' >{TEMPLATE}")
        status, said = master.sh("voidclust apply", 300, check=False)
        report.check("master: apply on the running system succeeds", status == 0, said)
        report.check("master: apply builds no image for a changed overlay", "building" not in said, said)
        status, said = node.sh("voidclust refresh", 120, check=False)
        report.check("n1: refresh succeeds", status == 0, said)
        report.check("n1: refresh names the file", "rig-profile" in said, said)
        report.equal("n1: the new file is there", node.sh("cat /etc/rig-profile").strip(), "new n1")
        status, said = node.sh("voidclust refresh", 120, check=False)
        report.check("n1: a second refresh changes nothing", status == 0 and "rig-profile" not in said, said)
        report.equal("n1: it did not reboot", node.facts()["boot_id"], before["boot_id"])
        status, said = master.sh("voidclust apply", 300, check=False)
        report.check("master: a second apply changes nothing", status == 0 and "rig" not in said, said)
    finally:
        cluster.down("n1")
        master.sh(f"echo 'blue {{{{ node.short }}}}' >{TEMPLATE}; voidclust apply", 300)
