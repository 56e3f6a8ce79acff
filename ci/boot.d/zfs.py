"""A master with its root on ZFS: Debian's tools, and its module, which is built for one kernel, once."""

import inspect
import os
import re
import shutil
from pathlib import Path

import root
from run import Failure, run, say

POOL = "zroot"
ROOT = f"{POOL}/ROOT/void"
# As the guides of Void make a pool. What is set below the pool's top is not what clones inherit.
MAKE = f"""modprobe zfs && zgenhostid -f && zpool create -f -o cachefile=none -m none -O compression=lz4 {POOL} /dev/vdb &&
    zfs create -o mountpoint=none -o acltype=posixacl -o xattr=sa {POOL}/ROOT &&
    zfs create -o mountpoint=/ -o canmount=noauto {ROOT} && zfs create -o mountpoint=/home {POOL}/home &&
    zfs create {POOL}/home/bob && zpool set bootfs={ROOT} {POOL} && zpool export {POOL} &&
    zpool import -N -R /mnt -o cachefile=none {POOL} && zfs mount {ROOT} && zfs mount -a"""
END = f"zpool export {POOL}"

# One kernel, of the suite itself: its headers and a compiler for them are there.
KERNEL = r"linux-image-(6\.12\.[0-9.]+\+deb13(?:\.[0-9]+)?-amd64)"
DOUBLE = Path(__file__).resolve().parent / "zfs"


def tree(base, log):
    """The cached tree of a cluster whose master has ZFS."""

    def make(new):
        say("root tree: ZFS, whose module is built for the kernel; that takes its time")
        new.mkdir()
        root.copy(base, new)
        for kernel in root.kernels(new):
            root.drop_kernel(new, kernel)
        work = new.with_name("build-of-zfs")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        root.copy(base, work)
        try:
            _build(work, new, log)
        finally:
            shutil.rmtree(work)
        root.unpack(new, ["zfsutils-linux"], log, root.newest_suite(new))

    inputs = repr((base.name, KERNEL)) + "".join(map(inspect.getsource, (_build, root.unpack, root.apt)))
    return root.cached("zfs", inputs, make)


def _build(work, tree_, log):
    """A kernel and the module for it, into a tree; what builds it stays in another."""
    chroot = root.apt(work, log)
    policy = work / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    policy.chmod(0o755)
    names = chroot("apt-cache", "pkgnames", "linux-image-6").split()
    images = root.in_order(name for name in names if re.fullmatch(KERNEL, name))
    if not images:
        raise Failure("no kernel for ZFS on the mirror")
    image, kernel = images[-1], re.fullmatch(KERNEL, images[-1])[1]
    chroot("apt-get", "install", "-y", "-q", "--no-install-recommends", "dkms", "gcc", "make", "libc6-dev",
           f"linux-headers-{kernel}")
    suite = root.newest_suite(work)
    # Not configured: that would build it for the kernel that runs here.
    chroot("sh", "-c", f"cd /tmp && apt-get download -q {image} && apt-get download -q -t {suite} zfs-dkms &&"
           " dpkg --unpack zfs-dkms_*.deb")
    source, = (work / "usr/src").glob("zfs-*")
    chroot("nice", "dkms", "install", source.name.replace("-", "/", 1), "-k", kernel, "-j", str(os.cpu_count()), timeout=3600)
    package, = (work / "tmp").glob("linux-image-*.deb")
    run(["sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink --exclude=./usr/share',
         "unpack", package, tree_], log=log)
    modules = Path("lib/modules") / kernel / "updates"
    shutil.copytree(work / modules, tree_ / modules)
    run(["chroot", tree_, "depmod", kernel], log=log)


def lay_hook(tree_):
    """The hook for mkinitcpio: Void's, of the checkout of void-packages that VOID_PACKAGES names, or a double. Says which."""
    target = tree_ / "usr/lib/initcpio"
    checkout = os.environ.get("VOID_PACKAGES")
    hook, install = (Path(checkout or "") / f"srcpkgs/mkinitcpio/files/zfs_{part}" for part in ("hook", "install"))
    if checkout and not hook.is_file():
        raise Failure(f"VOID_PACKAGES={checkout}: that is no checkout of void-packages")
    if not checkout:
        hook, install = DOUBLE / "hook", DOUBLE / "install"
    shutil.copyfile(hook, target / "hooks/zfs")
    shutil.copyfile(install, target / "install/zfs")
    # What Void's has in it and Debian has elsewhere, or nowhere.
    library, = (tree_ / "usr/lib").glob("*-linux-gnu/libgcc_s.so.1")
    (tree_ / "usr/lib/libgcc_s.so.1").symlink_to(library.relative_to(tree_ / "usr/lib"))
    for name in ("zed", "zhack", "zinject", "zdb", "zstreamdump"):
        program = tree_ / "usr/bin" / name
        if not program.exists():
            program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
            program.chmod(0o755)
    (tree_ / "etc/zfs/zed.d").mkdir(parents=True, exist_ok=True)
    return "Void's hook" if checkout else "the hook's double"
