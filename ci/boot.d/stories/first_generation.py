"""A master that boots without a generation makes the first one before it serves."""

from basic import boot_and_check
from cluster import LOWER


def run(report, cluster):
    master = cluster.master
    cluster.clients_off()
    master.sh(f"rm -r {LOWER}/var/lib/voidclust/generations && sync", 240)
    master.reboot()
    master.wait_ready(600)
    cluster.wait_master()
    cluster.generation = 1
    listed = master.sh("voidclust generation list", 60)
    report.check("master: there is a generation", "the first" in listed, listed)
    boot_and_check(report, cluster, "n1")
    cluster.down("n1")
