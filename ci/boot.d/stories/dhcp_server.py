"""The master itself gives out the addresses, after one changed key and `apply`."""

from basic import boot_and_check

CONF = "/run/rootfs/lower/etc/voidclust.conf"


def run(report, cluster):
    master = cluster.master
    if cluster.site_dhcp is None:
        report.skip("dhcp server", "the first boot was one with the master's own DHCP")
        return
    cluster.switch.services.remove(cluster.site_dhcp)
    try:
        master.sh(f"cp {CONF} /run/rig/conf && sed -i '/^dhcp = /d; s/^.network.$/&\\n"
                  f'dhcp = "server"\\nrange = "172.23.199.100 - 172.23.199.120"' + f"/' {CONF}")
        status, said = master.sh("voidclust apply", 300, check=False)
        report.check("master: apply on the running system succeeds", status == 0, said)
        found = master.sh("grep -c ^dhcp-host= /etc/dnsmasq.conf; true").strip()
        report.check("master: its own /etc has the new dnsmasq.conf", int(found) > 0, found)
        facts = boot_and_check(report, cluster, "n1", "stranger")
        address = facts["stranger"]["links"][cluster.nodes["stranger"].boot_mac]["addresses"]
        report.check("stranger: its address is of the range", address and ".1" in address[0][-7:], address)
    finally:
        cluster.switch.services.append(cluster.site_dhcp)
        cluster.down("n1", "stranger")
        master.sh(f"cp /run/rig/conf {CONF} && voidclust apply", 300)
