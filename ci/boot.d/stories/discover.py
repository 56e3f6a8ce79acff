"""`voidclust node discover --add --wait` lists a machine that is switched on, and the next boot of that is the node's."""

from basic import settle
from cluster import LOWER, QUICKLY

from stories.status import LOG, NO_LOG

CONFIG = f"{LOWER}/etc/voidclust.conf"
SAID = "/run/discovered"
ADD = f"voidclust node discover --add r01 --address 172.23.199.240 --profile green --wait >{SAID} 2>&1"


def run(report, cluster):
    master, machine = cluster.master, cluster.node("stranger")
    master.sh(f"{LOG}; cp -p {CONFIG} /run/rig.conf")
    try:
        waits = master.tell(ADD, 1500)
        master.eventually(f"grep '1 name left' {SAID}", 60, "the command waits")
        cluster.up("stranger")
        before = settle(machine)
        report.check("the stranger: it is nobody at first", before["hostname"].split(".")[0] != "r01", before["hostname"])
        status, _ = master.answer(waits, 60, ADD)
        said = master.sh(f"cat {SAID}")
        report.check("master: all names are taken, so the command ends", status == 0 and "1 node added" in said, said)
        listed = master.sh("voidclust node list", 60)
        row = ["r01", "172.23.199.240", machine.boot_mac, "green"]
        report.check("master: the machine is listed by its card", row in [line.split() for line in listed.splitlines()], listed)
        report.equal("master: it is no stranger any more", master.sh("voidclust node discover --json", 60).strip(), "[]")

        master.sh(f"{QUICKLY} voidclust apply", 900)
        machine.reboot()
        after = settle(machine)
        report.boot(machine, after)
        report.equal("r01: its name", after["hostname"].split(".")[0], "r01")
        report.equal("r01: the file of its profile", after["profile"], "green r01")
        report.equal("r01: its address", after["links"][machine.boot_mac]["addresses"], ["172.23.199.240/24"])
        found = master.sh("voidclust status r01; true", 60)
        report.check("master: it is up, and a reboot would change nothing",
                     found.startswith("r01  up") and "would change: " not in found, found)
    finally:
        cluster.down("stranger")
        master.sh(f"cp -p /run/rig.conf {CONFIG}; {QUICKLY} voidclust apply", 900)
        master.sh(NO_LOG)
