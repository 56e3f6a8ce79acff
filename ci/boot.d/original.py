"""The scheme by hand that this grew out of, laid on a tree as its own documents say, to be booted beside ours."""

import os
import shutil
from pathlib import Path

from cluster import CONSOLE, MASTER, NETWORK
from run import Failure, run

HOOKS = ("mkinitcpio-overlayfs", "mkinitcpio-rclocal")
MAC = "52:54:00:c1:00:98"
EXPORT = "/srv/nfs/original"
CONFIGURATION = "etc/mkinitcpio.net.conf"

# What is not as it is published, and why. Nothing of it is to its disadvantage.
EDITS = {
    "etc/mkinitcpio.conf": (
        # The graphics of its author's machines: ten seconds of a boot.
        ("MODULES=(i915)", "MODULES=()"),
        # There is no kbd in the tree.
        ("BINARIES=(setfont)", "BINARIES=()"),
        (" consolefont)", ")"),
        # Every driver, as ours has by default.
        (" autodetect ", " "),
    ),
}
# From its README, for the clients.
FSTAB = f"""\
tmpfs /tmp tmpfs defaults,nosuid,nodev 0 0
{MASTER}:/home /home nfs4 rw,defaults,retrans=10,rsize=32768,wsize=32768 0 0
"""
# As published, but for the names of the files, for the path of the root, and for a card that keeps the name eth0.
LINE = (f"ip=:::::eth0:dhcp loglevel=4 nfsroot={MASTER}:/original,ro,nfsvers=4,retrans=10,rsize=32768,wsize=32768"
        f" net.ifnames=0 {CONSOLE}")
MENU = f"""\
DEFAULT voidlinux

LABEL voidlinux
	KERNEL original/vmlinuz-cluster
	INITRD original/initramfs-cluster.img
	APPEND {LINE}
"""
# Served from a disk of its own by the same NFS server; and the home, to a machine that the master does not know.
SERVE = f"""\
mkdir -p {EXPORT} && mount -o ro /dev/vdb {EXPORT} &&
exportfs -o ro,sec=sys,no_subtree_check,no_root_squash,fsid=99 {NETWORK}:{EXPORT} &&
exportfs -o rw,sec=sys,no_subtree_check,root_squash,fsid=2 {NETWORK}:/srv/nfs/home
"""


def checkouts():
    """Where it is, and its two hooks: VCLUSTER, and what is beside it unless VCLUSTER_HOOKS is their folder. None: nowhere."""
    named = os.environ.get("VCLUSTER")
    if not named:
        return None
    scheme = Path(named)
    hooks = Path(os.environ.get("VCLUSTER_HOOKS", scheme.parent))
    for path in (scheme / "overlays/03-aa-overlays.sh", *(hooks / name for name in HOOKS)):
        if not path.exists():
            raise Failure(f"VCLUSTER={named}: no {path}; check out vcluster, and {' and '.join(HOOKS)} beside it")
    return scheme, hooks


def lay(tree, scheme, hooks, overlay):
    """Its files on a copy of the base, with the files of a node, `overlay`, as its own."""
    copies = {
        scheme / "initcpio/mkinitcpio.conf": "etc/mkinitcpio.conf",
        scheme / "initcpio/mkinitcpio.net.conf": CONFIGURATION,
        scheme / "initcpio/rc.local.hook": "etc/initcpio/rc.local.hook",
        hooks / "mkinitcpio-overlayfs/mkinitcpio-overlayfs.hook": "etc/initcpio/hooks/overlayfs",
        hooks / "mkinitcpio-overlayfs/mkinitcpio-overlayfs.install": "etc/initcpio/install/overlayfs",
        hooks / "mkinitcpio-rclocal/rclocal_hook": "etc/initcpio/hooks/rclocal",
        hooks / "mkinitcpio-rclocal/rclocal_install": "etc/initcpio/install/rclocal",
        scheme / "overlays/03-aa-overlays.sh": "etc/runit/core-services/03-aa-overlays.sh",
    }
    for source, path in copies.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, tree / path)
    for path, edits in EDITS.items():
        text = (tree / path).read_text(encoding="utf-8")
        for old, new in edits:
            if old not in text:
                raise Failure(f"{path} of the original has no {old.strip()}; it is not the one that this was written for")
            text = text.replace(old, new)
        (tree / path).write_text(text, encoding="utf-8")
    (tree / "etc/fstab").write_text(FSTAB, encoding="utf-8")
    own = tree / "etc/overlays" / MAC
    own.mkdir(parents=True)
    run(["tar", "-x", "-f", overlay, "-C", own])


def serve(tftp, kernel, image):
    """What the boot server has for its machine."""
    (tftp / "original").mkdir()
    for source, name in ((kernel, "vmlinuz-cluster"), (image, "initramfs-cluster.img")):
        shutil.copyfile(source, tftp / "original" / name)
    (tftp / "pxelinux.cfg" / f"01-{MAC.replace(':', '-')}").write_text(MENU, encoding="utf-8")


def make_disk(tree, disk, log):
    run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=1", "-d", tree, disk, "2G"],
        timeout=600, log=log)
