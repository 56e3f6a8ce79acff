"""ci/bench-boot: measure a boot by the network, and one by the guest's own count of instructions: ours, and the original's.

VCLUSTER names a checkout of the original scheme; without it ours is held against the figures that were kept.
"""

import argparse
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import facts
import figures
import original
import root
from cluster import LOWER, MACHINES, Cluster
from main import prepare
from run import Failure, end_all, end_by_signals, processor_seconds, run, say, tool, warn
from vm import QEMU, Node

# Laid among the core-services, they note the clock, the modules and the counts of NFS without changing what stage 1 does:
# where in its order, and the phase that ends there.
MARKS = {
    "00-aa-bench": "kernel and initramfs",
    "00-zz-bench": "00-pseudofs",
    "01-zz-bench": "01-static-devnodes",
    "02-kz-bench": "02-kmods",
    "02-zz-bench": "02-udev",
    "03-ab-bench": "03-aa-overlays",
    "99-zz-bench": "all other core services",
}
MARK = """\
# Not Void's: the clock, the modules and the counts of NFS at this point.
cat /proc/uptime /proc/modules /proc/self/mountstats >/run/{name}
"""
CLIENT = "n1"
# One instruction takes two nanoseconds of the guest's clock, however busy this machine is.
ICOUNT = "shift=1"


@dataclass
class Side:
    """A scheme to boot by: the machine's card, and what it loads."""

    name: str
    mac: str
    kernel: Path
    image: Path
    line: str

    def node(self, cluster, **changes):
        node = Node(self.name, cluster.work, cluster.switch, self.mac, accel=cluster.options.accel, **changes)
        cluster.nodes[self.name] = node
        return node


class Measured(Cluster):
    """A cluster that notes where its clients are, with the original scheme beside ours when that is there."""

    def __init__(self, work, options):
        super().__init__(work, options)
        self.sides = {}
        self.built = {}
        self.other = work / "original.img"

    def build(self, base):
        super().build(base)
        image, self.built[figures.OURS] = self._image(self.tree, "etc/mkinitcpio.net.conf")
        image.unlink()
        self.sides[figures.OURS] = Side(CLIENT, MACHINES[CLIENT]["mac"], *self.direct(CLIENT))
        found = original.checkouts()
        if found:
            self._build_original(base, *found)

    def _configure(self):
        super()._configure()
        _mark(self.tree)

    def _build_original(self, base, scheme, hooks):
        tree = self.work / "original"
        tree.mkdir()
        root.copy(base, tree)
        root.lay(tree, os.environ.get("VOID_RUNIT"))
        for kernel in root.kernels(tree)[:-1]:
            root.drop_kernel(tree, kernel)
        root.lay_mkinitcpio(tree)
        _mark(tree)
        overlay, = (self.tree / "var/lib/voidclust/nodes").glob(f"{MACHINES[CLIENT]['mac']}.*")
        original.lay(tree, scheme, hooks, overlay)
        image, self.built[figures.ORIGINAL] = self._image(tree, original.CONFIGURATION)
        kept = self.work / "original.initramfs"
        shutil.move(image, kept)
        kernel = tree / f"boot/vmlinuz-{self.kernel}"
        original.serve(self.tree / "srv/tftp", kernel, kept)
        original.make_disk(tree, self.other, self.log)
        self.sides[figures.ORIGINAL] = Side("original", original.MAC, kernel, kept, original.LINE)

    def _image(self, tree, configuration):
        """A client's image as mkinitcpio makes it of a configuration, and the processor seconds that it took."""
        script = ('tree=$1 && shift && mount -t proc proc "$tree/proc" && mount --rbind /sys "$tree/sys" &&'
                  ' mount --rbind /dev "$tree/dev" && exec chroot "$tree" mkinitcpio "$@"')
        image = "/tmp/bench.img"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(["unshare", "--mount", "sh", "-c", script, "mkinitcpio", tree, "-c", f"/{configuration}", "-k", self.kernels[-1],
             "-g", image], timeout=900, log=self.log)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return tree / image.lstrip("/"), round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)

    def open(self):
        super().open()
        if figures.ORIGINAL in self.sides:
            self.master.disks.append(self.other)

    def start_master(self):
        super().start_master()
        if figures.ORIGINAL in self.sides:
            # What is exported before the NFS server's service has begun is forgotten when it does.
            self.master.eventually("pgrep -x rpc.mountd", 300, "the NFS server")
            self.master.sh(original.SERVE, 120)


def _mark(tree):
    for name in MARKS:
        (tree / "etc/runit/core-services" / f"{name}.sh").write_text(MARK.format(name=name), encoding="utf-8")


class Processor(threading.Thread):
    """Notes the processor seconds of a process, so that those of a span of time can be told afterwards."""

    def __init__(self, pid):
        super().__init__(name="processor", daemon=True)
        self.pid = pid
        self.notes = []
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.1):
            try:
                text = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
            except OSError:
                return
            self.notes.append((time.time(), processor_seconds(text)))

    def between(self, begin, end):
        at = [next((spent for when, spent in self.notes if when >= moment), self.notes[-1][1]) for moment in (begin, end)]
        return round(at[1] - at[0], 1)


def by_network(cluster, side):
    """A boot as every machine boots: what is loaded, how long it takes, and what it costs both sides."""
    servers = "for pid in $(pgrep -x 'dnsmasq|darkhttpd'); do cat /proc/$pid/stat; done"
    before = sum(map(processor_seconds, cluster.master.sh(servers).splitlines()))
    node = side.node(cluster)
    node.start()
    processor = Processor(node.qemu.pid)
    processor.start()
    node.wait_ready(900)
    node.eventually("mountpoint -q /home", 300, "/home")
    processor.stopping.set()
    seen = node.seen()
    asked = next(at for at, name in seen.files if "vmlinuz" in name)
    after = sum(map(processor_seconds, cluster.master.sh(servers).splitlines()))
    measured = {
        "way": seen.way("vmlinuz"),
        "loaded bytes": seen.load_bytes,
        "frames": seen.frames,
        "loading, wall s": round(seen.load_last - asked, 1),
        "loading, processor s": processor.between(asked, seen.load_last),
        "loading, server s": round(after - before, 2),
        "whole boot, processor s": processor.between(node.power_on, node.ready),
        "whole boot, wall s": round(node.ready - node.power_on, 1),
    }
    node.stop()
    return measured


def by_instructions(cluster, side):
    """A boot without firmware and loader, by the guest's clock, which counts its instructions and its waits."""
    node = side.node(cluster, direct=(side.kernel, side.image, side.line), icount=ICOUNT)
    node.accel = "tcg,thread=single"
    node.start()
    node.wait_ready(1800)
    node.eventually("mountpoint -q /home", 300, "/home")
    measured = {"guest s": {}, "busy s": {}, "NFS bytes": {}, "modules": {}}
    clock, busy, bytes_, operations, modules = 0.0, 0.0, 0, {}, set()
    for mark, phase in MARKS.items():
        text = node.sh(f"cat /run/{mark}", 120)
        uptime, idle = map(float, text.split(None, 2)[:2])
        operations, received = facts.operations(text, LOWER)
        loaded = set(re.findall(r"^(\w+) \d+ \d+ \S+ \w+ 0x", text, re.M))
        measured["guest s"][phase] = round(uptime - clock, 2)
        measured["busy s"][phase] = round(uptime - idle - busy, 2)
        measured["NFS bytes"][phase] = received - bytes_
        measured["modules"][phase] = sorted(loaded - modules)
        clock, busy, bytes_, modules = uptime, uptime - idle, received, loaded
    measured["guest s"]["to stage 2"] = round(clock, 2)
    measured["busy s"]["to stage 2"] = round(busy, 2)
    measured["NFS bytes"]["to stage 2"] = bytes_
    measured["NFS operations"] = {**operations, "all": sum(operations.values())}
    node.stop()
    return measured


def measure(cluster):
    cluster.build(root.base(cluster.log))
    cluster.make_disk()
    cluster.open()
    cluster.start_master()
    cluster.tools["kernel"] = cluster.kernel
    cluster.tools["QEMU"] = run([tool(QEMU), "--version"])[1].split()[3]
    found = {}
    for name, side in cluster.sides.items():
        say(f"booting: {name}")
        found[name] = {
            "image bytes": side.image.stat().st_size,
            "image build, processor s": cluster.built[name],
            **by_network(cluster, side),
            **figures.middle([by_instructions(cluster, side) for _ in range(cluster.options.boots)]),
            "tools": cluster.tools,
            "day": time.strftime("%Y-%m-%d"),
        }
    cluster.by_http(True)
    found[figures.OURS][figures.HTTP] = by_network(cluster, cluster.sides[figures.OURS])
    if found[figures.OURS][figures.HTTP]["way"] != "http":
        raise Failure("the boot by HTTP was one by TFTP")
    return found


def main():
    parser = argparse.ArgumentParser(prog="ci/bench-boot", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the figures as JSON, on the standard output")
    parser.add_argument("--record", action="store_true",
                        help="keep the figures: docs/performance.json, docs/boot.svg, and the tables in the documents")
    parser.add_argument("--boots", type=int, default=3, metavar="N",
                        help="how many boots to count the instructions of; of each figure the middle one is taken (%(default)s)")
    options = parser.parse_args()
    if options.boots < 1:
        parser.error("--boots: at least 1")
    options.dhcp, options.packages, options.old_kernel, options.disk = "proxy", None, False, "ext4"
    options.all, options.firmware, options.story, options.install_deps = False, "bios", [], False
    # Where instructions are counted there is no KVM; so the other boot is without it, too.
    options.accel = "tcg,thread=multi"
    why = prepare(options)
    if why:
        warn(f"skip: ci/bench-boot: {why}")
        return 0
    output = sys.stdout
    if options.json:
        sys.stdout = sys.stderr
    end_by_signals()
    work = Path(tempfile.mkdtemp(prefix="voidclust-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")))
    cluster = Measured(work, options)
    try:
        now = measure(cluster)
    except Failure as failure:
        warn(f"ci/bench-boot: {failure}")
        return 1
    finally:
        cluster.close()
        end_all()
        shutil.rmtree(work, ignore_errors=True)
    kept = figures.kept()
    if figures.ORIGINAL not in now:
        say("The original scheme was not booted, as VCLUSTER names no checkout: its figures are those that were kept.")
    say(figures.table(now, kept))
    if options.record:
        figures.record({**kept, **now})
    if options.json:
        json.dump(now, output, indent=1)
        output.write("\n")
    return 0
