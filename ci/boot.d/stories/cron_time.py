"""A changed file of an overlay has a new time after a refresh, or cron would not read it again."""

from basic import settle
from cluster import LOWER

JOB = "cron.d/rig"
SOURCE = f"{LOWER}/etc/voidclust/overlays/blue/{JOB}"


def run(report, cluster):
    master = cluster.master
    node, = cluster.up("n1")
    settle(node)
    try:
        found = []
        for text in ("old", "new"):
            master.sh(f"mkdir -p {SOURCE.rpartition('/')[0]} && echo {text} >{SOURCE}")
            cluster.configure("")
            node.sh("voidclust refresh", 120)
            found.append(node.sh(f"cat /etc/{JOB}; stat -c %Y /etc/{JOB}; date +%s").split())
        (old, old_time, _), (new, new_time, now) = found
        report.equal("n1: both texts arrived", (old, new), ("old", "new"))
        report.check("n1: the new text has another time", old_time != new_time, found)
        report.check("n1: which is that of the refresh", 0 <= int(now) - int(new_time) < 300, found)
        node.sh("voidclust refresh", 120)
        report.equal("n1: a file that did not change keeps its time",
                     node.sh(f"stat -c %Y /etc/{JOB}").strip(), new_time)
    finally:
        master.sh(f"rm -f {SOURCE}")
        cluster.configure("")
        cluster.down("n1")
