"""A broken overlay archive is said and left out; the node boots with its good one."""

from basic import settle
from cluster import LOWER


def run(report, cluster):
    node = cluster.node("n1")
    broken = f"{LOWER}/etc/overlays/{node.boot_mac}.50-broken.tar"
    cluster.master.sh(
        "mkdir /tmp/broken && cd /tmp/broken && echo first >broken-first &&"
        " head -c 20000 /dev/urandom >broken-second && tar -c broken-first broken-second |"
        f" head -c 9000 >{broken}; rm -r /tmp/broken; voidclust hook serve"
    )
    try:
        cluster.up("n1")
        facts = settle(node)
        report.equal("n1: its name, from the good archive", facts["hostname"].split(".")[0], "n1")
        report.equal("n1: its profile's file, from the good archive", facts["profile"], "blue n1")
        left = node.sh("ls /etc/broken-first /etc/broken-second 2>/dev/null; true").strip()
        report.equal("n1: nothing of the broken archive is in /etc", left, "")
        report.check("n1: the log names the broken archive", "50-broken.tar" in facts["overlays"], facts["overlays"])
        said = any("WARNING" in text and "overlays" in text for _, text in node.lines)
        report.check("n1: the console warns", said, node.last_lines())
    finally:
        cluster.master.sh(f"rm -f {broken}; voidclust hook serve", seconds=240)
        cluster.down("n1")
