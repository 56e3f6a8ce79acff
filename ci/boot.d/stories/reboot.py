"""`voidclust reboot` restarts nodes one after the other, waits until each runs what it should, and stops at a failure."""

from basic import settle
from cluster import MACHINES

# The rig's nodes have no sshd: a shell that listens stands in for it, and for ssh what speaks to that.
LISTEN = "exec busybox nc -ll -p 22 -e sh"
SSH = """cat >/usr/local/bin/ssh <<'END' && chmod +x /usr/local/bin/ssh
#!/bin/sh
for word; do host=$command command=$word; done
printf '%s\\n' "$command" | busybox nc -w 10 "$host" 22
END"""
REBOOT = "PATH=/usr/local/bin:$PATH voidclust reboot"


def run(report, cluster):
    master = cluster.master
    heard = []

    def ear(frame):
        heard.append(frame)
        return []

    cluster.switch.services.append(ear)
    try:
        master.sh(f"mkdir -p /usr/local/bin && {SSH}")
        nodes = cluster.up("n1", "n2")
        before = {node.name: settle(node)["boot_id"] for node in nodes}
        cluster.publish("-m", "for reboot")
        for node in nodes:
            node.tell(LISTEN, 1800)

        status, said = master.sh(f"{REBOOT} n3 n1", 120, check=False)
        report.check("n3 is off: that is a failure, and n1 is not told", status == 1 and "1 not rebooted" in said, said)
        report.equal("n1: it did not reboot", nodes[0].facts()["boot_id"], before["n1"])
        said = master.sh(f"{REBOOT} --stale -n; true", 60)
        report.check("both would change the generation", said.count("would change generation") == 2, said)

        for node in nodes:
            node.expect_boot()
        status, said = master.sh(f"{REBOOT} --stale --wait --batch 1", 1500, check=False)
        steps = [line.split(" after")[0] for line in said.splitlines()]
        report.equal("one after the other they are up again", (status, steps),
                     (0, ["n1: reboots", "n1: up again", "n2: reboots", "n2: up again"]))
        for node in nodes:
            node.wait_ready()
            after = settle(node)["boot_id"]
            report.check(f"{node.name}: it did reboot", after != before[node.name], after)
        said = master.sh("voidclust status n1 n2; true", 60)
        report.check("both run the new one", said.count(f"generation {cluster.generation}") == 2 and "change 0" in said, said)

        master.sh("voidclust wake n3", 60)
        mac = bytes.fromhex(MACHINES["n3"]["mac"].replace(":", ""))
        report.check("n3: its card is called", any(b"\xff" * 6 + mac * 16 in frame for frame in heard))
    finally:
        cluster.switch.services.remove(ear)
        cluster.down("n1", "n2")
        master.sh("rm -f /usr/local/bin/ssh")
