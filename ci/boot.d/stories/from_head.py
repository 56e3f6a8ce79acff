"""A node that is told to boot the live tree sees it change; nobody else can mount it."""

from basic import boot_and_check
from cluster import LOWER, MASTER


def run(report, cluster):
    master = cluster.master
    status, said = cluster.configure('[profile.tried]\ngeneration = "head"\n')
    report.check("master: apply lets the nodes of a profile boot the live tree", status == 0, said)
    cluster.generations = {"n2": "head"}
    try:
        boot_and_check(report, cluster, "n1", "n2")
        one, two = cluster.node("n1"), cluster.node("n2")
        master.sh(f"mkdir -p {LOWER}/usr/share/rig && echo live >{LOWER}/usr/share/rig/live")
        two.eventually("grep -q live /run/rootfs/lower/usr/share/rig/live", 90, "the live tree changes under the node")
        status, _ = one.sh("test -e /usr/share/rig/live || test -e /run/rootfs/lower/usr/share/rig/live", check=False)
        report.check("n1: its generation did not change", status != 0)
        found = one.sh(f"mkdir -p /run/rig/head; mount -t nfs4 -o ro {MASTER}:/head /run/rig/head && ls -A /run/rig/head;"
                       " umount -l /run/rig/head 2>/dev/null; true", 120).strip()
        report.equal("n1: it cannot mount the live tree", found, "")
    finally:
        cluster.down("n1", "n2")
        cluster.generations = {}
        cluster.configure("")
