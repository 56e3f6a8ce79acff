"""Somebody runs `voidclust apply` on a client: it says that this is one, and where the master is."""

from basic import settle
from cluster import MASTER


def run(report, cluster):
    node, = cluster.up("n1")
    settle(node)
    for command in ("apply", "image build", "image prune"):
        status, said = node.sh(f"voidclust {command}", 120, check=False)
        report.check(f"n1: `voidclust {command}` fails", status == 1, f"status {status}: {said}")
        report.check("n1: it says that this is a client", "client" in said, said)
        report.check("n1: it names the master", MASTER in said or "master." in said, said)
    cluster.down("n1")
