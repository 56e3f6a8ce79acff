"""A node whose tmpfs is full still answers, refuses to tear its /etc, and recovers."""

from basic import settle


def run(report, cluster):
    node, = cluster.up("n1")
    settle(node)
    try:
        status, said = node.sh("dd if=/dev/zero of=/fill bs=1M 2>&1; echo x >/etc/full", 300, check=False)
        report.check("n1: writing ends with an error", "No space left" in said, said)
        report.equal("n1: it still answers", node.sh("cat /etc/rig-profile").strip(), "blue n1")
        report.equal("n1: /home is not affected",
                     node.sh("cat /proc/self/mounts | grep -c ' /home '").strip(), "1")
        status, said = node.sh("voidclust refresh", 120, check=False)
        report.equal("n1: a refresh leaves its files whole", node.sh("cat /etc/rig-profile").strip(), "blue n1")
        node.sh("rm -f /fill /etc/full")
        status, said = node.sh("voidclust refresh", 120, check=False)
        report.check("n1: a refresh succeeds when there is room again", status == 0, said)
    finally:
        cluster.down("n1")
