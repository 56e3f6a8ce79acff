"""The master's root is on ZFS: generations are clones that come and go, the home is data sets, clients import nothing."""

import base64
import subprocess

import zfs
from basic import boot_and_check, settle
from cluster import LOWER

DISK = "zfs"
CLONES = zfs.ROOT.replace("/", "/voidclust/", 1)
# An old disk that somebody left in a client, small enough to be told: its pool has a data set for where the home is.
OLD_DISK = """truncate -s 64M /run/old && zpool create -f -o cachefile=none -O canmount=off -m none old /run/old &&
    zfs create -o mountpoint=/home/bob -o canmount=noauto old/bob && zfs set canmount=on old/bob &&
    zpool export old && zstd -q <"/run/old" | base64 -w 0 && rm /run/old"""
# A list of who may read, as its bytes in the attribute: owner rw, user 1000 r, group none, mask r, others none.
LIST = r"""perl -e 'my $l = pack("L", 2) . join("", map { pack("SSL", @$_) }
    [1, 6, ~0], [2, 4, 1000], [4, 0, ~0], [16, 4, ~0], [32, 0, ~0]);
    my ($f, $n) = ("FILE", "system.posix_acl_access");
    syscall(188, $f, $n, $l, length $l, 0) == 0 or die "$!"'"""


def run(report, cluster):
    master = cluster.master
    listed = f"{LOWER}/etc/listed"
    try:
        report.equal("master: nodes boot a clone, which is no root of the machine's own",
                     master.sh(f"zfs get -H -o value canmount,mountpoint,readonly,snapdir,origin {CLONES}/1").split(),
                     ["noauto", "legacy", "on", "disabled", f"{zfs.ROOT}@voidclust-1"])
        _clients(report, cluster)
        master.sh(f"echo secret >{listed} && " + LIST.replace("FILE", listed))
        _generations(report, cluster)
        _holders(report, cluster)
        _way_back(report, cluster)
        _read_only(report, cluster)
    finally:
        cluster.clients_off()
        master.sh(f"rm -f {listed}", check=False)


def _clients(report, cluster):
    """One with an old disk of its own, and data sets of the home, of which one comes later."""
    master = cluster.master
    disk = cluster.work / "old.img"
    packed = base64.b64decode(master.sh(OLD_DISK, 120))
    disk.write_bytes(subprocess.run(["zstd", "-d"], input=packed, stdout=subprocess.PIPE, check=True).stdout)
    master.sh("zfs create zroot/home/carol && chown 1000 /home/bob /home/carol && chmod 700 /home/bob /home/carol")
    one = cluster.node("n1", disks=[disk])
    boot_and_check(report, cluster, "n1")
    report.equal("n1: it has a disk with a pool on it", one.sh("blkid -s TYPE -o value /dev/vda").strip(), "zfs_member")
    report.equal("n1: but it imports and mounts nothing", one.sh("grep -c ' zfs ' /proc/mounts", check=False)[1].strip(), "0")
    said = [text for _, text in one.lines if "cannot import" in text or "no such pool" in text]
    report.equal("n1: and says nothing of pools", said, [])

    def write(name):
        one.sh(f"setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'echo {name} >/home/{name}/note'")

    for name in ("bob", "carol"):
        write(name)
    master.sh("zfs create zroot/home/dora && chown 1000 /home/dora && chmod 700 /home/dora")
    one.eventually("ls -d /home/dora", 60, "the folder of another user")
    write("dora")
    for name in ("bob", "carol", "dora"):
        found = master.sh(f"findmnt -n -o SOURCE -T /home/{name}/note; cat /home/{name}/note", check=False)[1].split()
        report.equal(f"master: what {name} writes on a client is in that data set", found, [f"zroot/home/{name}", name])


def _generations(report, cluster):
    """Two of them, of which the first goes, though it was there when the machine booted."""
    master, one = cluster.master, cluster.node("n1")
    said = cluster.publish("-m", "two")
    report.check("master: a generation is made of a snapshot", "(zfs: " in said and cluster.generation == 2, said)
    report.equal("master: its lists of who may read are those of the root",
                 master.sh(f"setpriv --reuid 1000 --clear-groups cat {LOWER}/var/lib/voidclust/generations/2/etc/listed",
                           check=False)[1].strip(), "secret")
    report.check("master: it tells who uses which by the data set", "used by n1" in master.sh("voidclust generation list"))
    status, said = master.sh("voidclust rollback 2; voidclust generation remove 1", 300, check=False)
    report.check("master: what a menu or a node needs stays", status != 0, said)
    one.reboot()
    settle(one)
    cluster.reboot_master()
    status, said = one.sh(f"dd if=/usr/bin/perl of=/dev/null 2>&1; ls {LOWER}/usr/bin | wc -l", 240, check=False)
    report.check("n1: it goes on when the master was away", status == 0 and "error" not in said, said)
    said = "".join(cluster.publish("-m", text) for text in ("three", "four"))
    report.check("master: what was mounted since the boot goes in the end", "removed generation 1" in said, said)
    left = master.sh(f"zfs list -H -o name -t all -r {CLONES} {zfs.ROOT}; grep -c '{CLONES}/1 ' /proc/mounts; true")
    report.check("master: with its clone, its snapshot and its mounts",
                 "voidclust-1\n" not in left and f"{CLONES}/1\n" not in left and left.split()[-1] == "0", left)
    report.equal("master: the generations are whole", master.sh("voidclust generation verify").strip(), "3 generations looked at")


def _holders(report, cluster):
    """Programs that take snapshots of everything, killed runs, and a shell that has the tree."""
    master = cluster.master
    folder = f"{LOWER}/var/lib/voidclust/generations"
    clone = f"zfs clone -o canmount=noauto -o mountpoint=legacy {zfs.ROOT}@voidclust-"
    master.sh(f"""zfs snapshot -r {zfs.POOL}@everything
        for n in 91 92 93 94; do zfs snapshot {zfs.ROOT}@voidclust-$n; done
        {clone}92 {CLONES}/92 && {clone}93 {CLONES}/93 && {clone}94 {CLONES}/94
        mkdir {folder}/.voidclust-93 {folder}/94 && mount -t zfs {CLONES}/93 {folder}/.voidclust-93
        zfs set readonly=on {CLONES}/94 && mount -t zfs {CLONES}/94 {folder}/94""", 120)
    shell = master.tell("voidclust shell --no-snapshot -- sleep 120", 200)
    master.eventually("pgrep -x sleep", 60, "the shell")
    said = cluster.publish("-m", "five")
    report.check("master: what others and killed runs left hinders nobody", "published generation 5" in said, said)
    left = master.sh(f"zfs list -H -o name -t all -r {CLONES} {zfs.ROOT} | grep -E '[-/]9[1-4]'; ls -A {folder} | grep 9; true")
    report.equal("master: and goes", left.strip(), "")
    master.sh(f"pkill -x sleep; zfs destroy -r {zfs.POOL}@everything; true")
    # Behind its shell it looks at the images, under the lock.
    master.answer(shell, 300, "the end of the shell")


def _way_back(report, cluster):
    """A snapshot of the live tree is brought back, though generations are newer, while all runs."""
    master = cluster.master
    master.sh("voidclust shell -- sh -c 'echo wrong >/etc/wrong; rm /etc/rc.conf'", 300)
    cluster.publish("-m", "wrong")
    ways = master.sh("voidclust rollback --head")
    elsewhere = [line for line in ways.splitlines() if "another system" in line][-1]
    report.check("master: the way back tells that newer generations hinder it",
                 "zfs rollback -R" in elsewhere and f"{CLONES}/{cluster.generation}" in elsewhere, ways)
    refused = master.sh(f"zfs rollback -r {zfs.ROOT}@voidclust-shell-1", check=False)
    report.check("master: as ZFS says itself", refused[0] != 0 and "clones" in refused[1], refused)
    here = [line for line in ways.splitlines() if line.startswith("  here: ")][-1].removeprefix("  here: ")
    status, said = master.sh(here, 600, check=False)
    report.check("master: the way back is taken", status == 0, said)
    found = master.sh(f"ls {LOWER}/etc/wrong {LOWER}/etc/rc.conf /etc/wrong 2>/dev/null", check=False)[1].split()
    report.equal("master: the live tree is as it was", found, [f"{LOWER}/etc/rc.conf"])
    report.check("master: and its generations are whole", " looked at" in master.sh("voidclust generation verify"))
    cluster.publish("-m", "right")


def _read_only(report, cluster):
    """`ro` on the command line has the hook import the pool read-only."""
    master = cluster.master
    kernel, image, cmdline = master.direct
    cluster.clients_off()
    master.sh("sync; zpool sync")
    master.stop()
    master.direct = (kernel, image, cmdline.replace(" rw ", " ro "))
    try:
        master.start()
        master.wait_ready(300)
        status, said = master.sh("voidclust apply", 120, check=False)
        report.check("master: apply tells why nothing can be written",
                     status != 0 and "`ro` on the kernel's command line" in said, said)
    finally:
        master.stop()
        master.direct = (kernel, image, cmdline)
        cluster.start_master()
    report.equal("master: it serves all generations again", len(master.sh("ls /srv/nfs/root").split()),
                 master.sh("voidclust generation list --json").count('"number"'))
    boot_and_check(report, cluster, "n1")
