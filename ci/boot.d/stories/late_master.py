"""A power cut: the master comes up two minutes after its clients, and all of them boot.

The firmware of real machines either repeats its network boot or is told to; QEMU's does with
an option. The second client has its kernel already when the master goes, and waits by our hook.
"""

import time

from basic import check_client, settle


def run(report, cluster):
    early = cluster.node("n2")
    early.start()
    early.wait_console(r"Linux version|:: running early hook", 300)
    cluster.master.stop()
    cut = time.time()
    late = cluster.node("n1")
    late.retry = True
    try:
        late.start()
        late.wait_console("No bootable device", 240)
        early.wait_console(r"netroot: try \d+ failed", 180)
        report.check("n2: says what it waits for", True)
        time.sleep(max(0, cut + 120 - time.time()))
        cluster.start_master()
        for node in cluster.up("n1", "n2"):
            facts = settle(node)
            check_client(report, cluster, node, facts)
    finally:
        late.retry = False
        cluster.down("n1", "n2")
        if not cluster.master.alive():
            cluster.start_master()
