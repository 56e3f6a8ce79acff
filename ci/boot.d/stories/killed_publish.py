"""The power of the master fails in the middle of a publish: nodes boot the old generation, and the next publish succeeds."""

from basic import boot_and_check
from cluster import LOWER, NEWS, QUICKLY


def run(report, cluster):
    master, old = cluster.master, cluster.generation
    tree = f"{LOWER}/var/lib/voidclust/generations"
    master.tell(f"{NEWS} && {QUICKLY} voidclust publish", 900)
    master.eventually(f"test -n \"$(ls {tree}/.voidclust-*/usr 2>/dev/null)\"", 240, "the publish is in the middle of its copy")
    master.reset()
    cluster.wait_master()
    published = master.sh(f"cat {tree}/published.toml")
    report.check("master: nothing else was published", f"all = {old}\n" in published, published)
    boot_and_check(report, cluster, "n1")
    said = cluster.publish("-m", "at last")
    report.check("master: the next publish succeeds", "published generation" in said, said)
    left = master.sh(f"ls -A {tree}").split()
    report.equal("master: no litter is left", [name for name in left if name.startswith(".")], [])
    cluster.down("n1")
    boot_and_check(report, cluster, "n1")
    cluster.down("n1")
