"""A file of the site's overlay arrives with its owner and mode, at boot and by a refresh; ours are root's."""

from basic import settle
from cluster import LOWER

SOURCE = f"{LOWER}/etc/voidclust/overlays/blue/rig-secret"
LOOK = "stat -c '%u:%g %a' /etc/rig-secret /etc/hostname"


def run(report, cluster):
    master, node = cluster.master, cluster.node("n1")
    master.sh(f"echo secret >{SOURCE} && chmod 400 {SOURCE} && chown 998:997 {SOURCE}")
    try:
        status, said = cluster.configure("")
        report.check("master: apply succeeds", status == 0, said)
        cluster.up("n1")
        settle(node)
        report.equal("n1: a file of 998:997 and 0400 is that at boot", node.sh(LOOK).split("\n")[:2],
                     ["998:997 400", "0:0 644"])
        found = master.sh("voidclust show n1 | grep rig-secret")
        report.check("master: `show` tells the owner", "998" in found, found)
        master.sh(f"chown 996:0 {SOURCE} && chmod 640 {SOURCE}")
        status, said = master.sh("voidclust diff", 120, check=False)
        report.check("master: `diff` tells another owner", status == 3 and "996" in said, said)
        cluster.configure("")
        node.sh("voidclust refresh", 120)
        report.equal("n1: another owner and mode arrive by a refresh", node.sh(LOOK).split("\n")[0], "996:0 640")
        report.equal("n1: with the text", node.sh("cat /etc/rig-secret").strip(), "secret")
    finally:
        master.sh(f"rm -f {SOURCE}")
        cluster.configure("")
        cluster.down("n1")
