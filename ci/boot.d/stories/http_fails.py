"""A node boots by TFTP when HTTP does not answer, and when it has nothing, then with a menu; with UEFI by HTTP before."""

import vm
from basic import boot_and_check
from cluster import MASTER

OTHER = "/run/rig/other"


def run(report, cluster):
    master = cluster.master
    # n2 has no virtio card, with which a load by PXELINUX may stand still.
    names = ["n2"]
    try:
        cluster.by_http(True)
        if vm.ovmf():
            names.append("n3")
            boot_and_check(report, cluster, "n3")
            cluster.down("n3")
        else:
            report.skip("http_fails with UEFI", "no OVMF on this machine")
        cluster.transfer = "tftp"
        master.sh("sv down darkhttpd")
        boot_and_check(report, cluster, *names)
        for name in names:
            asked = "http" in cluster.nodes[name].seen().loads
            report.equal(f"{name}: HTTP could not even be asked", asked, False)
        cluster.down(*names)
        # The menu of PXELINUX has a way back of its own.
        cluster.configure('[boot]\ntransfer = "http"\ntimeout = 3\n')
        master.sh("sv down darkhttpd")
        master.sh(f"mkdir -p {OTHER} && cd {OTHER} && "
                  f"{{ setsid busybox httpd -f -p {MASTER}:80 -h {OTHER} >/dev/null 2>&1 & echo $! >pid; }}")
        boot_and_check(report, cluster, *names)
        for name in names:
            report.check(f"{name}: HTTP was asked first", "http" in cluster.nodes[name].seen().loads)
    finally:
        master.sh(f"kill $(cat {OTHER}/pid); sv up darkhttpd; true", check=False)
        cluster.down(*names)
        cluster.by_http(False)
