"""A node whose clock begins at the end of the last century has the time of its root at least, before any service runs."""


def run(report, cluster):
    node = cluster.node("n1")
    node.clock = "1999-12-31T23:00:00"
    try:
        cluster.up("n1")
        made = int(node.sh("stat -c %Y /run/rootfs/lower/.generation-*"))
        now = int(node.sh("date +%s"))
        report.check("dead battery: the clock is not before the root was made", made <= now < made + 7200, f"{made} {now}")
        said = node.console_path.read_text(encoding="utf-8", errors="replace")
        report.check("dead battery: and says so", "before the root was made; is its battery empty?" in said, said[-2000:])
    finally:
        node.clock = "utc"
        cluster.down("n1")
