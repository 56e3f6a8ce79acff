"""A node whose card shows up only after the image gave up waiting for it still gets its name among the NFSv4 clients."""

import hashlib

from basic import settle


def run(report, cluster):
    # No firmware could boot from a card that is not there yet.
    cluster.nodes.pop("n1", None)
    node = cluster.node("n1", direct=cluster.direct("n1"))
    node.late = True
    try:
        node.start()
        node.wait_console("this machine has no network card", 600)
        node.plug()
        node.wait_ready()
        facts = settle(node)
        report.equal("n1: the NFSv4 identifier is that of the card", facts["identifier"],
                     hashlib.md5(f"{node.boot_mac}\n".encode()).hexdigest())
        report.equal("n1: its root is the master's", facts["mounts"]["/run/rootfs/lower"]["type"], "nfs4")
    finally:
        node.stop()
        del cluster.nodes["n1"]
