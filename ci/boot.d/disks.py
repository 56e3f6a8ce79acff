"""The master's disk: which file system it has, what of it is a file system of its own, and how the tree gets onto it.

mke2fs fills an ext4 from a folder. Every other one is made and filled by a machine that boots from that ext4.
"""

import os
from dataclasses import dataclass

import root
import zfs
from net import Switch
from run import Failure, run, say
from vm import Node

SIZE = "4G"
FILLED, FAILED = "rig: the disk is filled", "rig: the disk could not be filled"


@dataclass(frozen=True)
class Kind:
    """A file system for the master's root, and what of the machine depends on it."""

    # How the kernel's command line names the root.
    root: str
    # What is mounted below the overlay, and as what.
    lower: tuple
    # Debian's packages with its tools, for the tree.
    packages: tuple = ()
    # The modules that the master's image needs of it.
    modules: str = ""
    # Makes it on /dev/vdb, and mounts it on /mnt.
    make: str = ""
    # Lets go of it.
    end: str = "umount -R /mnt"
    storage: str = "plain"


KINDS = {
    "ext4": Kind("root=/dev/vda rw", ("/dev/vda", "ext4")),
    "btrfs": Kind(
        "root=/dev/vda rootflags=subvol=@ rw", ("/dev/vda", "btrfs"), ("btrfs-progs",), "btrfs",
        """mkfs.btrfs -q /dev/vdb && mount /dev/vdb /mnt && btrfs -q subvolume create /mnt/@ &&
           btrfs -q subvolume create /mnt/@home && umount /mnt &&
           mount -o subvol=@ /dev/vdb /mnt && mkdir /mnt/home && mount -o subvol=@home /dev/vdb /mnt/home &&
           echo '/dev/vda /home btrfs subvol=@home 0 0' >>/etc/fstab""",
    ),
    "xfs": Kind(
        "root=/dev/vda rw", ("/dev/vda", "xfs"), ("xfsprogs",), "xfs", "mkfs.xfs -q /dev/vdb && mount /dev/vdb /mnt",
    ),
    # As the guides of Void make a pool; the lists are asked for where they are wanted, not for the whole pool.
    "zfs": Kind(
        f"root=zfs:{zfs.ROOT} rw", (zfs.ROOT, "zfs"), ("zfsutils-linux",), "", zfs.MAKE, zfs.END, "zfs",
    ),
}


def tree(kind, log):
    """The root tree for a disk of a kind: cached, with its tools."""
    base = root.base(log)
    if kind == "zfs":
        return zfs.tree(base, log)
    packages = KINDS[kind].packages
    return root.with_packages(kind, base, packages, log) if packages else base


def make(cluster, disk):
    """The disk of a master, with its tree."""
    kind = KINDS[cluster.options.disk]
    plain = disk if not kind.make else disk.with_suffix(".ext4")
    script = cluster.tree / "fill"
    if kind.make:
        script.write_text(_fill(kind), encoding="utf-8")
        script.chmod(0o755)
    run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=1", "-d", cluster.tree, plain, SIZE],
        timeout=600, log=cluster.log)
    if kind.make:
        script.unlink()
        with open(disk, "wb") as file:
            file.truncate(os.stat(plain).st_size)
        _filled(cluster, plain, disk)
        plain.unlink()


def _fill(kind):
    """What the machine does that fills a disk: it is its init."""
    return f"""#!/bin/sh
set -x
export PATH=/usr/bin
/lib/systemd/systemd-udevd --daemon
if {{ {kind.make} && cp -ax /. /mnt && rm /mnt/fill && sync && {kind.end}; }} 2>&1; then echo '{FILLED}'; else echo '{FAILED}'; fi
sleep 600
"""


def _filled(cluster, plain, disk):
    say(f"filling a disk with {cluster.options.disk}, in a machine")
    kernel = cluster.tree / f"boot/vmlinuz-{cluster.kernel}"
    # A machine is heard by the switch's thread.
    switch = Switch()
    switch.start()
    node = Node("filler", cluster.work, switch, "52:54:00:c1:00:f1", accel=cluster.options.accel, memory=1536,
                direct=(kernel, cluster.master_image,
                        "root=/dev/vda rw overlay=off init=/fill zfs_wait=1 console=ttyS0 loglevel=4 panic=-1"),
                disks=[plain, disk])
    node.start()
    try:
        if node.wait_console(f"^({FILLED}|{FAILED})", 900)[1] != FILLED:
            raise Failure("\n".join(node.last_lines()))
    finally:
        node.stop()
        switch.stop()


def lay(tree_, kind):
    """What the tree of such a machine has besides; returns what was used, by name."""
    modules = KINDS[kind].modules
    if modules:
        drop_ins = tree_ / "etc/mkinitcpio.conf.d"
        drop_ins.mkdir(exist_ok=True)
        (drop_ins / "rig.conf").write_text(f"MODULES+=({modules})\n", encoding="utf-8")
    return {"ZFS": zfs.lay_hook(tree_)} if kind == "zfs" else {}
