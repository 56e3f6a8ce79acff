"""A BIOS node boots by TFTP when nothing answers by HTTP, and when what answers has nothing for it."""

from basic import boot_and_check
from cluster import MASTER

OTHER = "/run/rig/other"


def run(report, cluster):
    master = cluster.master
    names = ["n1"]
    try:
        cluster.by_http(True)
        cluster.transfer = "tftp"
        master.sh("sv down darkhttpd")
        boot_and_check(report, cluster, *names)
        for name in names:
            asked = "http" in cluster.nodes[name].seen().loads
            report.equal(f"{name}: HTTP could not even be asked", asked, False)
        cluster.down(*names)
        master.sh(f"mkdir -p {OTHER} && cd {OTHER} && "
                  f"{{ setsid busybox httpd -f -p {MASTER}:80 -h {OTHER} >/dev/null 2>&1 & echo $! >pid; }}")
        boot_and_check(report, cluster, *names)
        for name in names:
            report.check(f"{name}: HTTP was asked first", "http" in cluster.nodes[name].seen().loads)
    finally:
        master.sh(f"kill $(cat {OTHER}/pid); sv up darkhttpd; true", check=False)
        cluster.down(*names)
        cluster.by_http(False)
