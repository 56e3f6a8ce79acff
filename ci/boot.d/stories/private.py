"""What is the master's alone is on no node, by any path; and what identifies a node is its own."""

from basic import settle
from cluster import LOWER, MASTER

# Kept in the live tree: by our list, and by the site's.
OURS = ("root/.ssh/id_ed25519", "etc/ssh/ssh_host_ed25519_key", "etc/zfs/zpool.cache", "root/.bash_history", "etc/overlays/x")
SITES = "opt/licence.key"
# Everything that can be mounted of the master, and what is found there of these names.
LOOK = (f"mkdir -p /run/rig/look; for path in / /head /root /home /node; do"
        f" mount -t nfs4 -o ro {MASTER}:$path /run/rig/look || continue;"
        " find /run/rig/look -xdev \\( -name id_ed25519 -o -name licence.key -o -name voidclust.conf -o -name zpool.cache"
        " -o -name ssh_host_ed25519_key \\); umount -l /run/rig/look; done 2>/dev/null; true")


def run(report, cluster):
    master = cluster.master
    for path in (*OURS, SITES):
        master.sh(f"mkdir -p {LOWER}/{path.rpartition('/')[0]} && echo secret >{LOWER}/{path}")
    cluster.configure('[root]\nprivate = ["/opt/*.key"]\n')
    cluster.publish("-m", "private")
    try:
        left = master.sh("voidclust publish --dry-run; true", 120)
        report.check("master: what is left out is told", all(f"left out: /{path}" in left for path in (OURS[0], SITES)), left)
        status, changed = master.sh(f"cd {LOWER} && ls {' '.join((*OURS, SITES))}", check=False)
        report.check("master: its live tree has all of it", status == 0, changed)
        one, = cluster.up("n1")
        settle(one)
        for path in (*OURS, SITES, "etc/voidclust.conf", "boot/vmlinuz-*", "srv/tftp/lpxelinux.0"):
            status, _ = one.sh(f"ls /{path} /run/rootfs/lower/{path} 2>/dev/null | grep -q .", check=False)
            report.check(f"n1: has no /{path}", status != 0)
        found = one.sh(LOOK, 240)
        report.equal("n1: finds none of it by mounting what the master has", found.strip(), "")
        fstab = one.sh("cat /run/rootfs/lower/etc/fstab")
        report.check("n1: the fstab below is a generic one", all(line.startswith("#") for line in fstab.splitlines()), fstab)
        own, masters = one.sh("cat /etc/machine-id").strip(), master.sh("cat /etc/machine-id; true").strip()
        report.check("n1: its machine id is its own", own and own != masters, (own, masters))
    finally:
        cluster.down("n1")
        master.sh(f"cd {LOWER} && rm {' '.join((*OURS, SITES))}")
        cluster.configure("")
