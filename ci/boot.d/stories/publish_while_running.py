"""A generation is published while nodes run: who runs keeps his, who boots gets the new one, and the oldest goes."""

from basic import boot_and_check, settle
from cluster import LOWER, QUICKLY

# Much of what a node reads, none of it kept in memory: it comes from the server now.
READ = "echo 3 >/proc/sys/vm/drop_caches; cat /usr/bin/* /usr/lib/x86_64-linux-gnu/*.so* 2>/dev/null | md5sum"
# The same of a generation, on the master.
WANTED = "cd {tree} && cat usr/bin/* usr/lib/x86_64-linux-gnu/*.so* 2>/dev/null | md5sum"
# As a package manager does it: each file is another one, by a rename; and some are gone.
UPDATE = f"""cd {LOWER}/usr/bin && for name in find sort tar bash; do
	cp -p $name .new && echo x >>.new && mv .new $name || exit
done && mkdir -p {LOWER}/usr/share/rig && echo new >{LOWER}/usr/share/rig/file && rm -rf {LOWER}/usr/share/perl5"""
# A program that has one file open, and reads another again and again.
GO_ON = "exec sh -c 'exec 8</usr/bin/find; while :; do cat /usr/bin/sort >/dev/null || echo >>/run/failed; sleep 1; done'"
STALE = "dmesg | grep -ci stale; true"


def run(report, cluster):
    master = cluster.master
    old = cluster.generation
    tree = f"{LOWER}/var/lib/voidclust/generations"
    one, = cluster.up("n1")
    before = settle(one)
    one.tell(GO_ON, 1800)
    try:
        wanted = master.sh(WANTED.format(tree=f"{tree}/{old}"), 240)
        status, said = master.sh(UPDATE, 120, check=False)
        report.check("master: the live tree is updated", status == 0, said)
        said = cluster.publish("-m", "updated")
        report.check("master: it is published", f"published generation {old + 1} for all" in said, said)
        said = master.sh(f"{QUICKLY} voidclust publish", 300)
        report.check("master: what did not change is not published again", f"since generation {old + 1}, and" in said, said)
        report.equal("n1: it reads what it booted, all of it", one.sh(READ, 400), wanted)
        report.equal("n1: its program reads on", one.sh("cat /run/failed 2>/dev/null; true"), "")
        report.equal("n1: the kernel saw no stale file", one.sh(STALE).strip(), "0")
        report.equal("n1: it did not reboot", one.facts()["boot_id"], before["boot_id"])
        listed = master.sh("voidclust generation list", 60)
        report.check("master: it knows who runs the old one", "used by n1" in listed, listed)

        boot_and_check(report, cluster, "n2")
        two = cluster.node("n2")
        report.equal("n2: it has what is new", two.sh("cat /usr/share/rig/file").strip(), "new")
        report.check("n2: and not what is gone", two.sh("test -e /usr/share/perl5", check=False)[0] != 0)
        one.reboot()
        settle(one)
        report.equal("n1: after a reboot it has what is new", one.sh("cat /usr/share/rig/file").strip(), "new")

        cluster.configure("[root]\nkeep = 1\n")
        said = cluster.publish("-m", "once more")
        left = set(master.sh(f"ls {tree} | grep -vF .").split())
        report.equal("master: the one that nobody needs is gone", left, {str(old + 1), str(old + 2)})
        report.equal("n1: it reads on", one.sh(READ, 400), master.sh(WANTED.format(tree=f"{tree}/{old + 1}"), 240))
        report.equal("n1: still no stale file", one.sh(STALE).strip(), "0")
    finally:
        cluster.down("n1", "n2")
        cluster.configure("")
