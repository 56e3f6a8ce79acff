"""A node that the configuration pins to an older kernel boots that one."""

from basic import boot_and_check


def run(report, cluster):
    if len(cluster.kernels) < 2:
        report.skip("older kernel", "the mirror has one kernel only")
        return
    boot_and_check(report, cluster, "n5")
    cluster.down("n5")
