"""What is laid on one node comes from a folder that only this node can read, and not by any path another."""

from basic import settle
from cluster import LOWER, MACHINES, MASTER

# Mounts the path $1 of the master, and lists what can be seen there, two folders deep.
LOOK = (f"mkdir -p /run/rig/look && mount -t nfs4 -o ro {MASTER}:$1 /run/rig/look &&"
        " find /run/rig/look -mindepth 1 -maxdepth 3 ! -path '*/.from' | sort; umount -lf /run/rig/look")
# The names in the folder that the node fetched, and who may look into it.
OWN = "stat -c %a%u /run/voidclust/own && ls /run/voidclust/own"


def look(node, path):
    found = node.sh(f"set -- {path}; {LOOK}", 120, check=False)[1]
    return [line.removeprefix("/run/rig/look") for line in found.splitlines() if line.startswith("/run/rig/look/")]


def run(report, cluster):
    master = cluster.master
    one, two = cluster.node("n1"), cluster.node("n2")
    folder = f"{LOWER}/etc/overlays/{two.boot_mac}"
    secret = f"{folder}/secret"
    master.sh(f"mkdir -p -m 700 {folder} && echo of two >{secret} && chmod 600 {secret} && voidclust hook serve")
    try:
        cluster.up("n1", "n2")
        settle(one)
        settle(two)
        report.equal("n2: what is kept for it is laid", two.sh("cat /etc/secret; stat -c %a /etc/secret").split("\n"),
                     ["of two", "600"])
        found = one.sh(OWN).split()
        report.check("n1: it fetched its own, which only root may read",
                     found[0] == "7000" and all(name.startswith(one.boot_mac) for name in found[1:]), found)
        report.check("n1: it fetched something", len(found) > 1, found)
        report.equal("n1: nothing is mounted from it any more", one.sh("grep -c :/node /proc/self/mounts; true").strip(), "0")

        mine = look(one, f"/node/{one.boot_mac}")
        report.check("n1: its own folder can be mounted", f"/own/{one.boot_mac}.00-voidclust.tar" in mine, mine)
        for path in (f"/node/{two.boot_mac}", f"/node/{two.boot_mac}/own"):
            report.equal(f"n1: of {path} it sees nothing", look(one, path), [])
        # What has no address of its own is for the whole subnet, as `check` says.
        shared = ("default", one.boot_mac, MACHINES["n6"]["mac"])
        seen = [path for path in look(one, "/node") if path.count("/") > 1 and path.split("/")[1] not in shared]
        report.equal("n1: nor from above", seen, [])

        master.sh(f"echo new >{secret} && voidclust hook serve")
        status, said = two.sh("voidclust refresh", 120, check=False)
        report.check("n2: a refresh brings what is new", status == 0 and "changed secret" in said, said)
        report.equal("n2: it is there", two.sh("cat /etc/secret").strip(), "new")

        cluster.reboot_master()
        status, said = two.sh("voidclust refresh", 240, check=False)
        report.check("n2: after a reboot of the master, too", status == 0 and "up to date" in said, said)
        # Without the whole server the node has no root, either.
        master.sh(f"exportfs -u {MACHINES['n2']['address']}:/srv/nfs/node/{two.boot_mac}", 60)
        status, said = two.sh("voidclust refresh", 240, check=False)
        report.check("n2: one that cannot fetch says so", status == 1 and "so nothing was changed" in said, said)
        report.equal("n2: and takes nothing back", two.sh("cat /etc/secret").strip(), "new")
        master.sh("exportfs -ra")
    finally:
        cluster.wait_master()
        master.sh(f"rm -r {folder}; voidclust hook serve", seconds=240)
        cluster.down("n1", "n2")
