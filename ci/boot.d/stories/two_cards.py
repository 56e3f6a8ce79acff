"""A node with two network cards goes on with the one that it booted from."""

from basic import boot_and_check


def run(report, cluster):
    facts = boot_and_check(report, cluster, "n4")["n4"]
    node = cluster.nodes["n4"]
    other = [mac for mac in node.macs if mac != node.boot_mac]
    report.equal("n4: the other card has no address", facts["links"][other[0]]["addresses"], [])
    cluster.down("n4")
