"""Nodes of a profile have their root from another server, to which `publish` brings it, and what is their own from the master."""

import shlex

from basic import settle
from cluster import LOWER, MASTER

# It runs on the master's machine, but nobody can tell: it has a network, a name, a root and exports of its own.
OTHER = "172.23.199.9"
# No generation holds what lies there.
STORE = "/var/tmp/void"
SENDER = f"{LOWER}/etc/voidclust/publish.d/10-copy"
# As docs/scale.md has it; a link is as good as rsync where both trees are on one disk.
EXPORT = f"{STORE} 172.23.199.0/24(ro,sec=sys,no_subtree_check,no_root_squash)"
COPY = f"""\
#!/bin/sh -e
[ ! -e {LOWER}{STORE}/$1 ] || exit 0
cp -al "$2/" {LOWER}{STORE}/$1.new
mv {LOWER}{STORE}/$1.new {LOWER}{STORE}/$1
"""
SERVER = f"""\
echo other >/proc/sys/kernel/hostname
ip link set lo up
ip address add {OTHER}/24 dev other
ip link set other up
mount --rbind /proc {LOWER}/proc
mount --rbind /dev {LOWER}/dev
mount -t tmpfs none {LOWER}/run
mount -t tmpfs none {LOWER}/etc/exports.d
mount -t tmpfs none {LOWER}/var/lib/nfs
cd {LOWER}
mkdir var/lib/nfs/rpc_pipefs var/lib/nfs/nfsdcld
mount -t rpc_pipefs none var/lib/nfs/rpc_pipefs
mount -t nfsd none proc/fs/nfsd
echo '{EXPORT}' >etc/exports.d/void.exports
chroot . sh -ec 'rpcbind; nfsdcld; exportfs -ra; rpc.nfsd 4; rpc.mountd'
"""


def start(master):
    """The process that holds its namespaces."""
    card = master.sh(f"ip -o -4 address show to {MASTER}").split()[1]
    master.sh(f"mkdir -p /run/rig {LOWER}{STORE}; ip link add link {card} name other type macvlan mode bridge;"
              " setsid unshare -n -u -m sh -c 'echo $$ >/run/rig/other; exec sleep infinity' >/dev/null 2>&1 &")
    pid = master.eventually("cat /run/rig/other", 30, "the other server").strip()
    master.sh(f"ip link set other netns {pid} && nsenter -t {pid} -n -u -m sh -ec {shlex.quote(SERVER)}", 120)


def stop(master):
    master.sh(f"pid=$(cat /run/rig/other) && nsenter -t $pid -n -u -m chroot {LOWER} rpc.nfsd 0 &&"
              f" pkill --ns $pid --nslist net .; rm -rf {LOWER}{STORE} {SENDER} /run/rig/other", 300, check=False)


def run(report, cluster):
    master = cluster.master
    root = f'[profile.tried]\nroot_server = "{OTHER}:{STORE}/{{generation}}"\n'
    try:
        start(master)
        _, said = cluster.configure(root)
        report.check("master: it says that no program brings generations there", f"no generation comes to {OTHER}" in said, said)
        cluster.configure("")
        master.sh(f"mkdir -p {LOWER}/etc/voidclust/publish.d && printf %s {shlex.quote(COPY)} >{SENDER} && chmod 755 {SENDER}")
        cluster.publish()
        there = master.sh(f"ls {LOWER}{STORE}").split()
        report.equal("master: publish brings the generation there", there, [str(cluster.generation)])
        status, said = cluster.configure(root)
        report.check("master: apply names the other server", status == 0 and "no generation comes" not in said, said)
        two, = cluster.up("n2")
        facts = settle(two)
        lower = facts["mounts"][LOWER]
        report.equal("n2: its lower tree is the other server's", lower["source"], f"{OTHER}:{STORE}/{cluster.generation}")
        report.check("n2: and comes from there", f"addr={OTHER}" in lower["options"], lower)
        report.check("n2: what is its own came from the master", f" nfsown={MASTER}:/node " in two.sh("cat /proc/cmdline"))
        report.equal("n2: host name", facts["hostname"].split(".")[0], "n2")
        report.equal("n2: the file of its profile, which its own overlay brings", facts["profile"], "green n2")
        report.equal("n2: /home is the master's", facts["mounts"].get("/home", {}).get("source"), f"{MASTER}:/home")
    finally:
        cluster.clients_off()
        cluster.configure("")
        stop(master)
