"""The master's reset button is pressed while a client works; the client goes on."""

import time

from basic import settle

# Each number takes a lock that nobody else wants, beside one that is held all the time.
WRITE = (
    "exec setpriv --reuid 1000 --regid 1000 --clear-groups flock /home/user/held sh -c"
    " 'i=0; while :; do i=$((i + 1)); flock /home/user/new sh -c \"echo $i >/home/user/count\"; sleep 1; done'"
)
# The kernel of the master has a line for each lock, clients' too: KIND ADVISORY WRITE PID MAJOR:MINOR:INODE START END.
HELD = "grep -c \" WRITE .*:$(stat -c %i /home/user/held) \" /proc/locks; true"
# Seconds from the master's services to the next number; the kernel's own grace would make it 100.
PATIENCE = 30
# Files that the client has not read yet: they come from the server that was reset.
READ = "cat /usr/lib/grub/x86_64-efi/*.mod | md5sum"


def run(report, cluster):
    master = cluster.master
    node, = cluster.up("n1")
    before = settle(node)
    master.sh("mkdir -p /home/user && chown 1000:1000 /home/user")
    node.tell(WRITE, 1800)
    node.eventually("test -s /home/user/count", 60, "the program writes to /home")
    try:
        report.equal("master: the client holds its lock", master.sh(HELD).strip(), "1")
        record = master.sh("ls /run/rootfs/lower/var/lib/nfs/nfsdcld").split()
        report.check("master: who may have locks back is written on the disk", "main.sqlite" in record, record)
        old = master.facts()["boot_id"]
        master.sh("sync")
        master.reset()
        cluster.wait_master()
        report.check("master: it was reset", master.facts()["boot_id"] != old)
        begun = time.time()
        first = int(node.sh("cat /home/user/count", 240))
        node.eventually(f"test $(cat /home/user/count) -gt {first + 1}", 240, "the program writes on")
        took = time.time() - begun
        report.check("n1: its program goes on writing to /home", took < PATIENCE, f"after {took:.0f} s")
        report.equal("master: the client has its lock back", master.sh(HELD).strip(), "1")
        report.equal("n1: it lost no lock", node.sh("dmesg | grep -ciE 'lost .*lock|reclaim.*fail'; true").strip(), "0")
        report.equal("n1: it reads the same files as the master", node.sh(READ, 240), master.sh(READ, 240))
        after = node.facts()
        report.equal("n1: it did not reboot", after["boot_id"], before["boot_id"])
        report.equal("n1: the kernel saw no stale file", node.sh("dmesg | grep -ci stale; true").strip(), "0")
        cluster.say(f"the client went on {took:.0f} s after the master's services")
    finally:
        cluster.down("n1")
