"""The cluster under test: its site, its tree, its disk, its machines."""

import os
import re
import shlex
import shutil
import time
from pathlib import Path

import disks
import root
from net import SiteDhcp, Switch
from root import REPOSITORY
from run import Failure, run, say, tool
from vm import UP, Node

NETWORK = "172.23.199.0/24"
MASTER = "172.23.199.225"
# The shared root as the master has it, and a part of the site's configuration for stories: its keys win.
LOWER = "/run/rootfs/lower"
DROP_IN = f"{LOWER}/etc/voidclust.d/rig.conf"
PACKAGES = ("voidclust", "cluster-overlays", "cluster-client-initcpio", "cluster-master")
CONSOLE = "console=ttyS0"

# Every machine there may be. `card` is QEMU's model; a list of MACs is a list of cards, and
# `boot` says which of them the firmware boots from.
MACHINES = {
    "n1": {"mac": "52:54:00:c1:00:01", "address": "172.23.199.226", "profiles": ["blue"]},
    "n2": {"mac": "52:54:00:c1:00:02", "address": "172.23.199.227", "profiles": ["green", "tried"], "card": "e1000"},
    "n3": {"mac": "52:54:00:c1:00:03", "address": "172.23.199.228", "profiles": ["blue"], "firmware": "uefi"},
    # Only the second card is listed and boots; the first one is plugged into the same switch.
    "n4": {"mac": ["52:54:00:c1:00:40", "52:54:00:c1:00:04"], "listed": ["52:54:00:c1:00:04"],
           "boot": 1, "address": "172.23.199.229", "profiles": ["green"]},
    "n5": {"mac": "52:54:00:c1:00:05", "address": "172.23.199.230", "profiles": ["blue"], "kernel": "oldest"},
    # No address of its own: it asks for one, by DHCP.
    "n6": {"mac": "52:54:00:c1:00:06", "profiles": ["green"]},
    "stranger": {"mac": "52:54:00:c1:00:99", "listed": []},
}
MASTER_MAC = "52:54:00:c1:00:00"

# The master's own address is the machine's business: a site overlay of the master alone.
STATIC_NET = f"""\
#!/bin/sh
exec 2>&1
for card in /sys/class/net/*/address; do
	read -r mac <"$card"
	[ "$mac" = "{MASTER_MAC}" ] || continue
	name=${{card%/address}}
	name=${{name##*/}}
	ip link set up dev "$name"
	ip addr show dev "$name" | grep -q {MASTER} || ip addr add {MASTER}/24 dev "$name"
done
exec pause
"""


def configuration(dhcp, kernels, storage):
    text = f"""\
[cluster]
domain = "cluster"

[network]
address = "{MASTER}/24"
dhcp = "{dhcp}"
"""
    if dhcp == "server":
        text += 'range = "172.23.199.100 - 172.23.199.120"\n'
    text += f"""
[master]
name = "master"
mac = "{MASTER_MAC}"
storage = "{storage}"
overlays = ["rig-master"]
services = ["static-net"]

[client]
cmdline = "{CONSOLE} loglevel=4"

[nfs]
home = "/home"

[boot]
keep = 2

[profile.blue]
overlays = ["blue"]
services = ["marker"]

[profile.green]
overlays = ["green"]

# Nothing of its own: a story gives it something, for one node.
[profile.tried]
"""
    for name, machine in MACHINES.items():
        macs = machine.get("listed", machine["mac"])
        if not macs:
            continue
        macs = macs if isinstance(macs, list) else [macs]
        text += f'\n[[node]]\nname = "{name}"\nmac = {macs!r}\n'.replace("'", '"')
        if "address" in machine:
            text += f'address = "{machine["address"]}"\n'
        text += f"profiles = {machine['profiles']!r}\n".replace("'", '"')
        if machine.get("kernel") == "oldest" and len(kernels) > 1:
            text += f'kernel = "{kernels[0]}"\n'
    return text


# Compression as strong as ours takes ten minutes in an emulated machine, and no story is about it: mkinitcpio finds a
# zstd before the real one. `voidclust` is called with this before it wherever it may build an image.
QUICK = "usr/local/lib/rig/zstd"
QUICKLY = f"PATH=/{Path(QUICK).parent}:$PATH"
# What did not change is not published again.
NEWS = f"mkdir -p {LOWER}/usr/share/rig && date +%s%N >{LOWER}/usr/share/rig/news"


class Cluster:
    def __init__(self, work, options):
        self.work = work
        self.options = options
        self.tree = work / "root"
        self.disk = work / "master.img"
        self.log = work / "build.log"
        self.switch = None
        self.site_dhcp = None
        self.nodes = {}
        self.kernels = []
        # That which all boot unless a story says otherwise.
        self.generation = 1
        # And that of machines that boot another one.
        self.generations = {}
        # How kernels and images come to the clients.
        self.transfer = "tftp"
        self.tools = {}

    # The tree and the disk

    def build(self, base):
        self.tree.mkdir()
        root.copy(base, self.tree)
        root.lay(self.tree, os.environ.get("VOID_RUNIT"))
        quick = self.tree / QUICK
        quick.parent.mkdir(parents=True)
        quick.write_text("#!/bin/sh\nexec /usr/bin/zstd -q -3 -c\n", encoding="utf-8")
        quick.chmod(0o755)
        if not self.options.old_kernel:
            # Its images take their time, and only the node that is pinned to it needs them.
            for old in root.kernels(self.tree)[:-1]:
                root.drop_kernel(self.tree, old)
        self.kernels = root.kernels(self.tree)
        self.tools["mkinitcpio"] = root.lay_mkinitcpio(self.tree)
        self.tools.update(disks.lay(self.tree, self.options.disk))
        self.tools["HTTP"] = root.lay_darkhttpd(self.tree)
        self.tools["stages"] = "void-runit" if os.environ.get("VOID_RUNIT") else "double"
        self._install()
        self._configure()
        begun = time.time()
        self.apply_output = self.voidclust("apply")
        say(f"voidclust apply --root: {time.time() - begun:.0f} s")
        # By itself the master makes it when it boots, which takes a minute of an emulated machine: a story has that. A
        # snapshot takes no time, and can only be made there.
        if self.options.disk == "ext4":
            self.voidclust("publish", "-m", "made by the rig")
        self._check_tree()

    def _install(self):
        """Our files, as the packages put them there."""
        built = self.options.packages
        if built:
            self.tools["packages"] = "built by xbps-src"
            for name in PACKAGES:
                found = sorted(Path(built).rglob(f"{name}-[0-9]*.xbps"))
                if not found:
                    raise Failure(f"{built}: no package {name}")
                run(["tar", "-x", "-f", found[-1], "-C", self.tree, "--keep-directory-symlink",
                     "--exclude=./INSTALL", "--exclude=./REMOVE", "--exclude=./*.plist"], log=self.log)
                self._make_folders(name, found[-1])
            return
        self.tools["packages"] = "the templates' do_install"
        environment = dict(os.environ, VOIDCLUST_BIN=str(helper(self.log)))
        reader = REPOSITORY / "ci/packages.d/do-install.sh"
        for name in PACKAGES:
            staged = self.work / "package"
            run([reader, REPOSITORY / "srcpkgs" / name, staged], env=environment, log=self.log)
            run(["sh", "-c", 'tar -C "$1" -c . | tar -C "$2" -x --keep-directory-symlink',
                 "copy", staged, self.tree], log=self.log)
            shutil.rmtree(staged)

    def _make_folders(self, name, package):
        """A package has no empty folders: xbps's trigger makes some, from a list in INSTALL, and INSTALL itself the site's."""
        script = run(["tar", "-x", "-O", "-f", package, "./INSTALL"], check=False)[1]
        for line in re.findall(r'^export make_dirs="([^"]*)"', script, re.M):
            for path, mode, *_ in zip(*[iter(line.split())] * 4, strict=True):
                folder = self.tree / path.lstrip("/")
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(int(mode, 8))
        install = (REPOSITORY / "srcpkgs" / name / "INSTALL").read_text(encoding="utf-8")
        environment = dict(os.environ, ACTION="post", PKGNAME=name)
        run(["sh", "-c", 'cd "$1" && eval "$2"', "INSTALL", self.tree, install], env=environment, log=self.log)

    def _configure(self):
        site = self.tree / "etc/voidclust/overlays"
        files = {
            "rig-master/sv/static-net/run": (STATIC_NET, 0o755),
            "blue/rig-profile.j2": ("blue {{ node.short }}\n", 0o644),
            "green/rig-profile.j2": ("green {{ node.short }}\n", 0o644),
        }
        for path, (text, mode) in files.items():
            file = site / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(mode)
        (self.tree / "etc/voidclust.conf").write_text(
            configuration(self.options.dhcp, self.kernels, disks.KINDS[self.options.disk].storage), encoding="utf-8")

    def voidclust(self, *arguments):
        """The helper on the tree, with /proc, /sys and /dev there as for any chroot; the mounts
        are this process's own and end with it."""
        script = (
            'tree=$1 && shift && mount -t proc proc "$tree/proc" && mount --rbind /sys "$tree/sys" &&'
            ' mount --rbind /dev "$tree/dev" && exec "$tree/usr/bin/voidclust" --root "$tree" "$@"'
        )
        return run(["unshare", "--mount", "sh", "-c", script, "voidclust", self.tree, *arguments],
                   timeout=900, log=self.log)[1]

    def _check_tree(self):
        for path in ("var/lib/voidclust/nodes", "srv/tftp/pxelinux.cfg/default", "srv/tftp/images"):
            if not (self.tree / path).exists():
                raise Failure(f"voidclust apply left no {path}\n{self.apply_output}")
        self.kernel = self.kernels[-1]
        self.master_image = self.tree / f"boot/initramfs-{self.kernel}.img"
        if not self.master_image.exists():
            raise Failure(f"voidclust apply left no {self.master_image}\n{self.apply_output}")

    def make_disk(self):
        disks.make(self, self.disk)

    # The machines

    def open(self):
        self.switch = Switch()
        self.switch.start()
        if self.options.dhcp == "proxy":
            self.site_dhcp = SiteDhcp(NETWORK, "172.23.199.1", "172.23.199.50")
            self.switch.services.append(self.site_dhcp)
        kernel = self.tree / f"boot/vmlinuz-{self.kernel}"
        self.nodes["master"] = Node(
            "master", self.work, self.switch, MASTER_MAC, accel=self.options.accel, memory=1536,
            direct=(kernel, self.master_image, self.cmdline()),
            disks=[self.disk],
        )

    def cmdline(self):
        """What the master's loader tells its kernel."""
        return f"{disks.KINDS[self.options.disk].root} {CONSOLE} loglevel=4 panic=30"

    @property
    def master(self):
        return self.nodes["master"]

    def node(self, name, **changes):
        if name not in self.nodes:
            machine = MACHINES[name]
            arguments = {
                "card": machine.get("card", "virtio-net-pci"),
                "firmware": machine.get("firmware", "bios"),
                "boot_card": machine.get("boot", 0),
                "accel": self.options.accel,
            }
            arguments.update(changes)
            self.nodes[name] = Node(name, self.work, self.switch, machine["mac"], **arguments)
        return self.nodes[name]

    def root_of(self, name):
        """The root that a machine mounts, as the master exports it."""
        generation = self.generations.get(name, self.generation)
        return "/head" if generation == "head" else f"/root/{generation}"

    def direct(self, name):
        """What a node boots, for a machine without firmware and loader: kernel, image, and the line with what a loader adds."""
        card = "01-" + MACHINES[name]["mac"].replace(":", "-")
        menu = (self.tree / "srv/tftp/pxelinux.cfg" / card).read_text(encoding="utf-8")
        folder = self.tree / "srv/tftp" / re.search(r"^\tKERNEL (\S+)/vmlinuz$", menu, re.M)[1]
        line = re.search(r"^\tAPPEND (.*)$", menu, re.M)[1] + f" BOOTIF={card}"
        return folder / "vmlinuz", folder / "initramfs.img", line

    def say(self, text):
        if not self.options.json:
            say(f"      {text}")

    def start_master(self):
        self.master.start()
        self.wait_master()

    def reboot_master(self, *, serves=True):
        self.master.sh("sync")
        self.master.reboot()
        if serves:
            self.wait_master()

    def configure(self, text):
        """The site's configuration with `text` over it, or without it; the status and the words of `apply`."""
        change = f"printf %s {shlex.quote(text)} >{DROP_IN}" if text else f"rm -f {DROP_IN}"
        return self.master.sh(f"{change}; {QUICKLY} voidclust apply", 900, check=False)

    def by_http(self, is_on):
        """Whether nodes are to load by HTTP."""
        self.configure('[boot]\ntransfer = "http"\n' if is_on else "")
        self.transfer = "http" if is_on else "tftp"
        self.wait_master()

    def publish(self, *arguments):
        """The live tree, with something new, becomes a generation, which all boot from now on; what was said."""
        words = " ".join(shlex.quote(word) for word in arguments)
        said = self.master.sh(f"{NEWS} && {QUICKLY} voidclust publish {words}", 900)
        made = re.findall(r"^published generation ([0-9]+) ", said, re.M)
        if made:
            self.generation = int(made[-1])
        return said

    def wait_master(self):
        self.master.wait_ready(300)
        self.master.eventually(
            "sv check dnsmasq nfs-server >/dev/null && exportfs -s | grep -qE '/srv/nfs/(root|head)' && "
            f"ss -lun | grep -q {MASTER}:69" + (f" && ss -ltn | grep -q {MASTER}:80" if self.transfer == "http" else ""), 120,
            "the boot server and the NFS server run")

    def up(self, *names, seconds=UP):
        """Switch on what is off, and wait until all answer."""
        for name in names:
            if not self.node(name).alive():
                self.node(name).start()
        for name in names:
            self.node(name).wait_ready(seconds)
        return [self.node(name) for name in names]

    def down(self, *names):
        for name in names:
            self.nodes[name].stop()

    def clients_off(self):
        for name, node in self.nodes.items():
            if name != "master":
                node.stop()

    def close(self):
        for node in self.nodes.values():
            node.stop()
        if self.switch:
            self.switch.stop()


def helper(log):
    """The built helper; cargo builds it unless VOIDCLUST_BIN names one, with lay-overlays beside it."""
    given = os.environ.get("VOIDCLUST_BIN")
    if given:
        return Path(given).resolve()
    if not tool("cargo"):
        raise Failure("cargo is missing, and VOIDCLUST_BIN names no built helper")
    say("building the helper with cargo")
    run(["cargo", "build", "--release", "--locked", "--quiet"], timeout=1800, cwd=REPOSITORY, log=log)
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    return target / "release/voidclust"
