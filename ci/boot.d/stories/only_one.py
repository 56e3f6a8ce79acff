"""One node tries a generation, the others wait; all go back; a kernel that the live tree has lost boots with modules."""

from basic import boot_and_check
from cluster import LOWER


def run(report, cluster):
    master, first = cluster.master, cluster.generation
    master.sh(f"mkdir -p {LOWER}/usr/share/rig && echo tried >{LOWER}/usr/share/rig/tried")
    cluster.publish("--only", "n1")
    cluster.generation = first
    cluster.generations = {"n1": first + 1}
    boot_and_check(report, cluster, "n1", "n2")
    cluster.down("n1", "n2")
    report.check("n1: tries the new one", cluster.generations["n1"] > cluster.generation)
    status, said = master.sh("voidclust rollback", 600, check=False)
    report.check("master: all go back", status == 0 and f"generation {first} is booted by all" in said, said)
    cluster.generations = {}
    boot_and_check(report, cluster, "n1")
    cluster.down("n1")
    if len(cluster.kernels) < 2:
        report.skip("a kernel that is gone", "the mirror has one kernel only")
        return
    gone = cluster.kernels[0]
    master.sh(f"rm -r {LOWER}/usr/lib/modules/{gone} {LOWER}/boot/vmlinuz-{gone}")
    cluster.publish("-m", "without the older kernel")
    cluster.generations = {"n5": first + 1}
    boot_and_check(report, cluster, "n5")
    node = cluster.node("n5")
    status, said = node.sh("ls /usr/lib/modules/$(uname -r)/modules.dep", check=False)
    report.check("n5: it has the modules of its kernel", status == 0, said)
    cluster.generations = {}
    cluster.down("n5")
