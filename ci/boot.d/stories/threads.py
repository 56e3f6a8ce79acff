"""A changed number of threads reaches the NFS server that runs, and clients go on."""

from basic import settle

THREADS = "cat /proc/fs/nfsd/threads"


def run(report, cluster):
    master = cluster.master
    before = int(master.sh(THREADS))
    node, = cluster.up("n1")
    settle(node)
    try:
        status, said = cluster.configure(f"[nfs]\nthreads = {before + 3}\n")
        report.check("master: apply succeeds", status == 0, said)
        report.equal("master: its NFS server has as many threads as were asked for",
                     int(master.sh(THREADS)), before + 3)
        found = node.sh("echo 3 >/proc/sys/vm/drop_caches; cat /usr/lib/grub/x86_64-efi/*.mod | wc -c", 240)
        report.check("n1: it reads on", int(found) > 0, found)
    finally:
        cluster.configure("")
        cluster.down("n1")
    report.equal("master: and as many as before when the key is gone", int(master.sh(THREADS)), before)
