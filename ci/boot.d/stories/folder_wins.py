"""A folder that the administrator made by hand beats the rendered archive."""

from basic import settle
from cluster import LOWER


def run(report, cluster):
    node = cluster.node("n1")
    folder = f"{LOWER}/etc/overlays/{node.boot_mac}"
    cluster.master.sh(f"mkdir -p {folder} && echo by hand >{folder}/rig-profile && echo more >{folder}/rig-more &&"
                      " voidclust hook serve")
    try:
        cluster.up("n1")
        facts = settle(node)
        report.equal("n1: the file of the folder is there", facts["profile"], "by hand")
        report.equal("n1: what only the folder has is there", node.sh("cat /etc/rig-more").strip(), "more")
        report.equal("n1: what only the archive has is there", facts["hostname"].split(".")[0], "n1")
    finally:
        cluster.master.sh(f"rm -r {folder}; voidclust hook serve", seconds=240)
        cluster.down("n1")
