"""The master's tree is changed by `voidclust shell`; the machine and the disk have it, also when the command fails."""

PROBE = "/etc/x-shell"
# What a kernel's package calls, from inside: the image of the newest kernel is there, and its hook finds no lock in its way.
HOOK = "cd / && voidclust -r . hook kernel-install $(ls /usr/lib/modules | sort -V | tail -n 1)"


def run(report, cluster):
    master = cluster.master
    mounts = "grep -c . /proc/self/mountinfo"
    before = master.sh(mounts)
    try:
        said = master.sh(f"voidclust shell -- touch {PROBE}", 300)
        report.check("shell: it says that the machine sees the tree", "the running machine sees what was changed" in said, said)
        files = master.sh(f"ls {PROBE} /run/rootfs/lower{PROBE}").split()
        report.equal("shell: the file is on the disk and seen", len(files), 2)
        status, _ = master.sh(f"voidclust shell -- sh -c 'echo new >{PROBE}; kill -9 $$'", 300, check=False)
        report.equal("shell: a command that is killed ends it with its status", status, 137)
        report.equal("shell: what it had done is seen", master.sh(f"cat {PROBE}").strip(), "new")
        status, said = master.sh(f"voidclust shell -- sh -c '{HOOK}'", 900, check=False)
        report.check("shell: a kernel hook does its work inside", status == 0 and "another voidclust" not in said, (status, said))
        report.equal("shell: no mount is left", master.sh(mounts), before)
        there = "/dev/null /proc/self/stat /sys/class/net /run/voidclust"
        told = master.sh(f"voidclust shell -- ls {there}", 300)
        report.check("shell: the machine's file systems are in there", "/proc/self/stat" in told, told)
    finally:
        master.sh(f"rm -f /run/rootfs/lower{PROBE}; voidclust hook live", 300)
