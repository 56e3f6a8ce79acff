"""The master's own card shows up only when its overlays are about to be laid: it waits, and comes up as the master."""

from basic import check_master


def run(report, cluster):
    master = cluster.master
    master.sh("sync")
    master.stop()
    master.late = True
    try:
        master.start()
        master.wait_console("Laying this node's overlays", 600)
        master.plug()
        cluster.wait_master()
        check_master(report, cluster, master.facts())
        said = [text for _, text in master.lines if "WARNING" in text and "overlay" in text]
        report.equal("master: its console warns of no overlay", said, [])
    finally:
        if master.ready:
            master.sh("sync")
        master.stop()
        master.late = False
        cluster.start_master()
