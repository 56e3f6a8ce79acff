"""The root file system of every node: Debian's packages in Void's order.

What is slow (packages, kernels) is kept in a cache outside the repository under a
key over its inputs; what is ours is laid on a copy at every run.
"""

import fcntl
import hashlib
import inspect
import os
import re
import shutil
from pathlib import Path

from run import Failure, run, say, tool

SUITE = "trixie"
HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
FILES = HERE / "tree"

# busybox, not busybox-static: the static one runs its own mount and modprobe before those
# of the image, and its mount does not know NFSv4.
PACKAGES = """
    kmod udev runit iproute2 iputils-ping procps busybox klibc-utils
    nfs-common nfs-kernel-server rpcbind dnsmasq-base
    pxelinux syslinux-common grub-common grub-efi-amd64-bin
    cpio xz-utils zstd tar libarchive-tools file rsync e2fsprogs gawk kbd-
""".split()

# The newest kernel has every driver; the older one is the small cloud flavour, there only
# for the node that is pinned to it. From 6.19 on Debian has the modules in another package.
NEWEST = r"linux-image-6\.(12|18)\.[0-9.]+\+deb13(\.[0-9]+)?-amd64"
OLDER = r"linux-image-6\.12\.[0-9.]+\+deb13(\.[0-9]+)?-cloud-amd64"

DPKG = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
"""


def cache_folder():
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "voidclust-boot"
    return Path("/var/cache/voidclust-boot")


def base(log):
    """The cached tree of every node."""
    text = repr((SUITE, PACKAGES, NEWEST, OLDER, DPKG)) + "".join(map(inspect.getsource, (_debian, _like_void)))

    def make(new):
        say(f"root tree: debootstrap {SUITE} and {len(PACKAGES)} packages (kept in {cache_folder()})")
        _debian(new, log)
        _like_void(new)

    return cached("base", text, make)


def cached(name, inputs, make):
    """A tree that is kept under a key over its inputs, made when these changed; older ones are removed."""
    key = hashlib.sha256(inputs.encode()).hexdigest()[:16]
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ("lock" if name == "base" else f"{name}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree = cache / f"{name}-{key}"
        if tree.is_dir():
            return tree
        for old in cache.glob(f"{name}-*"):
            shutil.rmtree(old)
        new = cache / f"{name}-new"
        make(new)
        new.rename(tree)
    return tree


def with_packages(name, tree, packages, log):
    """Another cached tree, with more of Debian's packages."""

    def make(new):
        say(f"root tree: {' '.join(packages)} for {name}")
        new.mkdir()
        copy(tree, new)
        unpack(new, packages, log)

    return cached(name, repr((tree.name, packages)) + inspect.getsource(unpack), make)


def apt(tree, log):
    """Runs a program in a tree, which finds Debian's packages; the list of these is there, with those that are not all free."""
    shutil.copyfile("/etc/resolv.conf", tree / "etc/resolv.conf")
    sources = tree / "etc/apt/sources.list"
    text = sources.read_text(encoding="utf-8")
    sources.write_text(text.replace(" main\n", " main contrib\n"), encoding="utf-8")

    def chroot(*argv, timeout=1200):
        env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
        script = 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$@"'
        argv = ["unshare", "--mount", "sh", "-c", script, "apt", tree, *argv]
        return run(argv, timeout=timeout, log=log, env=env)[1]

    chroot("apt-get", "update", "-q")
    return chroot


def newest_suite(tree):
    """Where the newest versions are, as far as the tree knows of it."""
    text = (tree / "etc/apt/sources.list").read_text(encoding="utf-8")
    return f"{SUITE}-backports" if f" {SUITE}-backports " in text else SUITE


def unpack(tree, packages, log, suite=SUITE):
    """Adds packages without their scripts, which want this and that of Debian."""
    chroot = apt(tree, log)
    chroot("apt-get", "install", "-y", "-q", "--no-install-recommends", "--download-only", "-t", suite, *packages)
    for package in sorted((tree / "var/cache/apt/archives").glob("*.deb")):
        # Links come last: one to the program of its name in the other folder would take its place, as the two are one here.
        run(
            ["sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -x --skip-old-files -C "$2" --keep-directory-symlink'
             " --exclude=./usr/share/doc --exclude=./usr/share/man", "unpack", package, tree],
            log=log,
        )
    chroot("ldconfig")
    chroot("apt-get", "clean")
    shutil.rmtree(tree / "var/lib/apt/lists")
    (tree / "etc/resolv.conf").unlink()


def _debian(tree, log):
    if not tool("debootstrap"):
        raise Failure("debootstrap is missing: install it, or run with --install-deps")
    run(["debootstrap", "--variant=minbase", SUITE, tree], timeout=1200, log=log)

    # The mirror is the one that debootstrap chose or was told by its own configuration.
    sources = tree / "etc/apt/sources.list"
    text = sources.read_text(encoding="utf-8")
    sources.write_text(text + text.replace(f" {SUITE} ", f" {SUITE}-backports "), encoding="utf-8")
    (tree / "etc/dpkg/dpkg.cfg.d/rig").write_text(DPKG, encoding="utf-8")
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    policy.chmod(0o755)

    def chroot(*argv):
        env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
        return run(["chroot", tree, *argv], timeout=1200, log=log, env=env)[1]

    # A mirror without backports still gives a cluster, of the one kernel it has.
    try:
        chroot("apt-get", "update", "-q")
    except Failure:
        sources.write_text(text, encoding="utf-8")
        chroot("apt-get", "update", "-q")
    chroot("apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES)

    # Unpacked without their scripts: these want an initramfs generator and systemd away.
    names = chroot("apt-cache", "pkgnames", "linux-image-6").split()
    newest = sorted((name for name in names if re.fullmatch(NEWEST, name)), key=_version)[-1:]
    if not newest:
        raise Failure("no kernel package found on the mirror")
    older = [name for name in names if re.fullmatch(OLDER, name) and _version(name) < _version(newest[0])]
    wanted = ["runit-init", *newest, *sorted(older, key=_version)[-1:]]
    chroot("sh", "-c", "cd /tmp && apt-get download -q " + " ".join(wanted))
    for package in sorted((tree / "tmp").glob("*.deb")):
        run(
            ["sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink'
             " --exclude=./usr/share", "unpack", package, tree],
            log=log,
        )
        package.unlink()
    for kernel in kernels(tree):
        chroot("depmod", kernel)
    chroot("apt-get", "clean")
    shutil.rmtree(tree / "var/lib/apt/lists")


def _version(name):
    return [int(number) for number in re.findall(r"[0-9]+", name)]


def in_order(names):
    """Oldest first."""
    return sorted(names, key=_version)


def kernels(tree):
    """Versions, oldest first."""
    return in_order(os.listdir(tree / "lib/modules"))


def _like_void(tree):
    """One folder of programs, and the names of Void's packages for what ours look for."""
    usr_bin = tree / "usr/bin"
    for entry in sorted((tree / "usr/sbin").iterdir()):
        target = usr_bin / entry.name
        if target.is_symlink() or target.exists():
            entry.unlink()
        else:
            entry.rename(target)
    (tree / "usr/sbin").rmdir()
    (tree / "usr/sbin").symlink_to("bin")
    (tree / "sbin").unlink()
    (tree / "sbin").symlink_to("usr/bin")

    # The initramfs looks for the program itself: an absolute link would lead nowhere there.
    (usr_bin / "init").unlink()
    shutil.copy2(tree / "usr/lib/runit/runit-init", usr_bin / "init")

    syslinux = tree / "usr/lib/syslinux"
    shutil.copy2(tree / "usr/lib/PXELINUX/lpxelinux.0", syslinux / "lpxelinux.0")
    for module in (syslinux / "modules/bios").iterdir():
        shutil.copy2(module, syslinux / module.name)

    for path in ("etc/runit", "etc/sv"):
        shutil.rmtree(tree / path)
    for path in ("etc/service", "etc/resolv.conf", "etc/hostname", "usr/sbin/policy-rc.d"):
        (tree / path).unlink(missing_ok=True)
    (tree / "etc/service").symlink_to("/var/service")
    (tree / "var/service").symlink_to("/run/runit/runsvdir/current")
    for path in ("var/lib/nfs/rpc_pipefs", "var/lib/misc", "srv", "home"):
        (tree / path).mkdir(parents=True, exist_ok=True)
    # An unowned Debian file where Void has none: nothing of ours may lean on it.
    for path in ("etc/exports", "etc/dnsmasq.conf", "etc/fstab"):
        (tree / path).write_text("", encoding="utf-8")
    for pool in ("etc/exports.d", "etc/kernel.d/post-install", "etc/kernel.d/post-remove"):
        (tree / pool).mkdir(parents=True, exist_ok=True)


def drop_kernel(tree, kernel):
    shutil.rmtree(tree / "lib/modules" / kernel)
    for file in (tree / "boot").glob(f"*-{kernel}"):
        file.unlink()


def account(tree, name, number):
    """A system account as Void's packages make it."""
    for path, line in (("passwd", f"{name}:x:{number}:{number}::/var/empty:/bin/false\n"),
                       ("group", f"{name}:x:{number}:\n")):
        file = tree / "etc" / path
        text = file.read_text(encoding="utf-8")
        if not re.search(rf"^{name}:", text, re.M):
            file.write_text(text + line, encoding="utf-8")


def copy(tree, target):
    run(["cp", "-a", "--reflink=auto", f"{tree}/.", target], timeout=600)


def lay(tree, void_runit=None):
    """Void's stages, services and the rig's own files, on a fresh copy of the base."""
    run(["cp", "-a", "--remove-destination", "--no-preserve=ownership", f"{FILES}/.", tree])
    if void_runit:
        if not (Path(void_runit) / "core-services").is_dir():
            raise Failure(f"VOID_RUNIT={void_runit}: that is no checkout of void-runit")
        _stages_of(Path(void_runit), tree)
    account(tree, "dnsmasq", 990)
    account(tree, "_darkhttpd", 991)
    (tree / "var/log/darkhttpd").mkdir(parents=True, exist_ok=True)
    default = tree / "etc/runit/runsvdir/default"
    default.mkdir(parents=True, exist_ok=True)
    (tree / "etc/runit/runsvdir/single").mkdir(exist_ok=True)
    for link, target in (
        # Of Void's base-files; rpc.mountd crashes without it.
        (tree / "etc/mtab", "/proc/self/mounts"),
        (tree / "etc/runit/runsvdir/current", "default"),
        (tree / "etc/runit/reboot", "/run/runit/reboot"),
        (tree / "etc/runit/stopit", "/run/runit/stopit"),
        (default / "rig", "/etc/sv/rig"),
    ):
        if not link.is_symlink():
            link.symlink_to(target)
    # As a Void package does: the supervisor's state of a service lives on /run.
    for service in (tree / "etc/sv").iterdir():
        state = service / "supervise"
        if not state.is_symlink():
            state.symlink_to(f"/run/runit/supervise.{service.name}")


def _stages_of(checkout, tree):
    runit = tree / "etc/runit"
    for name in ("1", "2", "3", "ctrlaltdel"):
        shutil.copy2(checkout / name, runit / name)
    for name in ("functions", "crypt.awk"):
        shutil.copyfile(checkout / name, runit / name)
    ours = {path.name for path in (FILES / "etc/runit/core-services").iterdir()}
    for name in ours:
        if "rig" not in name:
            (runit / "core-services" / name).unlink()
    for path in (checkout / "core-services").iterdir():
        shutil.copyfile(path, runit / "core-services" / path.name)
    shutil.copy2(checkout / "modules-load", tree / "usr/bin/modules-load")


def _for_the_real_mkinitcpio(tree, target):
    """What it finds on Void and not on Debian."""
    # It does not find the loader of klibc's program by itself.
    base = target / "install/base"
    loader, = (tree / "usr/lib").glob("klibc-*.so")
    text = base.read_text(encoding="utf-8")
    text = text.replace("build() {\n", f"build() {{\n    add_file /usr/lib/{loader.name}\n", 1)
    base.write_text(text, encoding="utf-8")
    (tree / "usr/lib/libkmod.so.2").symlink_to("x86_64-linux-gnu/libkmod.so.2")
    # The names of devices, which our images leave out.
    for path in ("usr/lib/udev/hwdb.bin", "etc/udev/hwdb.bin"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).touch()
    # The default has hooks for the looks of a console, whose tools are not here.
    (tree / "etc/mkinitcpio.conf").write_text("HOOKS=(base udev modconf block filesystems)\n", encoding="utf-8")


def lay_darkhttpd(tree):
    """The real darkhttpd that DARKHTTPD names, or the double, which is there already; returns which."""
    real = os.environ.get("DARKHTTPD")
    if not real:
        return "double"
    target = tree / "usr/bin/darkhttpd"
    target.unlink()
    shutil.copy2(real, target)
    return run(["chroot", tree, "darkhttpd", "--help"])[1].split(",")[0]


def real_mkinitcpio():
    """Where the real mkinitcpio is: below the tree that MKINITCPIO names, or on this machine; else None."""
    named = os.environ.get("MKINITCPIO")
    prefix = Path(named or "/")
    if (prefix / "usr/bin/mkinitcpio").is_file() and (prefix / "usr/lib/initcpio/functions").is_file():
        return prefix
    if named:
        raise Failure(f"MKINITCPIO={named}: no usr/bin/mkinitcpio with its usr/lib/initcpio in there; "
                      "meson must have --prefix=/usr --libdir=lib")
    return None


def lay_mkinitcpio(tree):
    """The real mkinitcpio, or the double where there is none; returns which.

    klibc's ipconfig stands in for the one of mkinitcpio-nfs-utils. It is the same program
    but for the place of its answer, which the `net` hook reads from /tmp.
    """
    target = tree / "usr/lib/initcpio"
    target.mkdir(exist_ok=True)
    prefix = real_mkinitcpio()
    if prefix:
        run(["cp", "-a", "--no-preserve=ownership", f"{prefix}/usr/lib/initcpio/.", target])
        shutil.copy2(prefix / "usr/bin/mkinitcpio", tree / "usr/bin/mkinitcpio")
        for path in ("hooks/net", "install/net"):
            shutil.copyfile(HERE / "initcpio" / path, target / path)
        _for_the_real_mkinitcpio(tree, target)
    else:
        run(["cp", "-a", "--no-preserve=ownership", f"{HERE}/initcpio/.", target])
        shutil.copy2(HERE / "mkinitcpio", tree / "usr/bin/mkinitcpio")
    shutil.copy2(tree / "usr/bin/busybox", target / "busybox")
    program = (tree / "usr/lib/klibc/bin/ipconfig").read_bytes()
    if program.count(b"/run") != 1:
        raise Failure("klibc's ipconfig is not the one this was written for")
    (target / "ipconfig").write_bytes(program.replace(b"/run", b"/tmp"))
    (target / "ipconfig").chmod(0o755)
    return run(["chroot", tree, "mkinitcpio", "--version"])[1].strip()
