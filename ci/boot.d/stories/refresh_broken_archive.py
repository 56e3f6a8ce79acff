"""The archive of a running node becomes garbage, a link to nowhere, or short: a refresh takes nothing back."""

from basic import settle
from cluster import LOWER

BROKEN = {
    "garbage": "head -c 20000 /dev/urandom >{new}",
    "a dangling link": "ln -s nowhere {new}",
    # All members are there, and the mark that says so is not.
    "cut between two members": 'head -c $(($(stat -c %s {kept}) - 1024)) {kept} >{new}',
}
# What the node is: its names, its keys and services, by the list of all that is in its /etc.
IDENTITY = ("cat /proc/sys/kernel/hostname /etc/hostname /etc/rig-profile;"
            " find /etc | sort")


def run(report, cluster):
    node, = cluster.up("n1")
    settle(node)
    master = cluster.master
    archive = master.sh(f"ls -d {LOWER}/var/lib/voidclust/nodes/{node.boot_mac}.*").split()[0]
    kept, new = f"{archive}.kept~", f"{LOWER}/var/lib/voidclust/nodes/.rig-new"
    before = node.sh(IDENTITY)
    master.sh(f"cp -a {archive} {kept}")
    try:
        for what, make in BROKEN.items():
            master.sh(f"{make.format(kept=kept, new=new)} && mv -fT {new} {archive} && voidclust hook serve", 240)
            status, said = node.sh("voidclust refresh", 120, check=False)
            report.equal(f"n1: a refresh from an archive that is {what} ends with status 1", status, 1)
            report.check(f"n1: it names the archive that is {what}", archive.rpartition("/")[2] in said, said)
            report.equal(f"n1: it stays what it is when its archive is {what}", node.sh(IDENTITY), before)
    finally:
        # By a rename, as `apply` does.
        master.sh(f"cp -a {kept} {new} && mv -fT {new} {archive}; rm -f {kept}; voidclust hook serve", 240)
    status, said = node.sh("voidclust refresh", 120, check=False)
    report.check("n1: with a sound archive again, a refresh succeeds", status == 0, said)
    report.equal("n1: and changes nothing", node.sh(IDENTITY), before)
    cluster.down("n1")
