"""A node without an address in the configuration takes one by DHCP."""

from basic import boot_and_check


def run(report, cluster):
    facts = boot_and_check(report, cluster, "n6")["n6"]
    node = cluster.nodes["n6"]
    addresses = facts["links"][node.boot_mac]["addresses"]
    report.check("n6: it has the address that DHCP gave it",
                 len(addresses) == 1 and addresses[0].startswith("172.23.199."), addresses)
    cluster.down("n6")
