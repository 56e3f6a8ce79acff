"""`voidclust status` tells who is up, what each runs and what a reboot would change, and asks no node."""

import json

from basic import settle
from cluster import CONSOLE, LOWER

TEMPLATE = f"{LOWER}/etc/voidclust/overlays/blue/rig-profile.j2"
# The rig has no log service.
LOG = "mkdir -p /etc/dnsmasq.d && echo log-facility=/var/log/messages >/etc/dnsmasq.d/rig-log.conf && sv restart dnsmasq"
NO_LOG = "rm -f /etc/dnsmasq.d/rig-log.conf /var/log/messages; sv restart dnsmasq"


def look(cluster, name):
    said = cluster.master.sh(f"voidclust status {name} --json; true", 60)
    return json.loads(said)["nodes"][0]


def run(report, cluster):
    master = cluster.master
    master.sh(LOG)
    try:
        one, six = cluster.up("n1", "n6")
        settle(one)
        settle(six)
        found = look(cluster, "n1")
        report.equal("n1: it is up", found["state"], "up")
        report.equal("n1: its kernel", found["kernel"], cluster.kernel)
        report.equal("n1: its generation", found["generation"], cluster.generation)
        report.equal("n1: its image is the one that it would boot", found["image"], found["boots"]["image"])
        report.equal("n1: a reboot would change nothing, and all is known", (found["changes"], found["unknown"]), ([], []))
        found = look(cluster, "n6")
        report.equal("n6: without an address of its own it is known", (found["state"], found["unknown"]), ("up", []))
        report.equal("n2: it is silent", look(cluster, "n2")["state"], "silent")

        master.sh(f"echo 'other {{{{ node.short }}}}' >{TEMPLATE}; voidclust apply", 300)
        report.equal("n1: a reboot would change the file", look(cluster, "n1")["files"], ["rig-profile"])
        report.equal("n1: to look changes nothing of that", look(cluster, "n1")["changes"], ["1 file"])
        one.sh("voidclust refresh", 120)
        report.equal("n1: after a refresh it would not", look(cluster, "n1")["files"], [])

        cluster.configure(f'[client]\ncmdline = "{CONSOLE} loglevel=4 rig=1"\n')
        report.equal("n1: a reboot would change the command line", look(cluster, "n1")["changes"], ["command line"])
        cluster.publish("-m", "for status")
        report.equal("n1: and the generation", look(cluster, "n1")["changes"], ["generation", "command line"])
        number = master.tell("until voidclust status n1 | grep '^n1 *booting'; do sleep 1; done", 600)
        one.reboot()
        _, said = master.answer(number, 60, "who waits for n1 to boot")
        report.check("n1: it is seen booting, and what it is sent", "sent /srv/tftp" in said, said)
        report.check("n1: it has the new command line", "rig=1" in settle(one)["cmdline"])
        found = look(cluster, "n1")
        report.equal("n1: then it is up with all that is new", (found["state"], found["changes"]), ("up", []))
        report.equal("n1: its generation is the new one", found["generation"], cluster.generation)

        cluster.down("n1", "n6")
        master.eventually("voidclust status n1 | grep -q '^n1 *silent'", 200, "n1 is silent")
        report.check("n1: switched off it is silent", True)
        status, said = master.sh("voidclust status", 60, check=False)
        report.check("master: that wants attention", status == 3 and "silent" in said, said)
    finally:
        cluster.down("n1", "n6")
        master.sh(f"echo 'blue {{{{ node.short }}}}' >{TEMPLATE}")
        cluster.configure("")
        master.sh(NO_LOG)
