"""The master's reset button is pressed while a client works; the client goes on."""

import time

from basic import settle

WRITE = (
    "exec setpriv --reuid 1000 --regid 1000 --clear-groups sh -c"
    " 'i=0; while :; do i=$((i + 1)); echo $i >/home/user/count; sleep 1; done'"
)
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
        old = master.facts()["boot_id"]
        master.sh("sync")
        master.reset()
        cluster.wait_master()
        report.check("master: it was reset", master.facts()["boot_id"] != old)
        begun = time.time()
        first = int(node.sh("cat /home/user/count", 240))
        node.eventually(f"test $(cat /home/user/count) -gt {first + 1}", 240, "the program writes on")
        report.check("n1: its program goes on writing to /home", True)
        report.equal("n1: it reads the same files as the master", node.sh(READ, 240), master.sh(READ, 240))
        after = node.facts()
        report.equal("n1: it did not reboot", after["boot_id"], before["boot_id"])
        report.equal("n1: the kernel saw no stale file", node.sh("dmesg | grep -ci stale; true").strip(), "0")
        cluster.say(f"the client went on {time.time() - begun:.0f} s after the master's services")
    finally:
        cluster.down("n1")
