"""ci/boot: boot a real cluster in QEMU and look inside its nodes."""

import argparse
import concurrent.futures
import importlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import basic
import disks
import root
import stories
import vm
from cluster import MACHINES, Cluster
from report import Report, story
from run import Failure, end_all, end_by_signals, run, say, tool, warn

DEPS = root.REPOSITORY / "ci/deps"


def arguments():
    parser = argparse.ArgumentParser(prog="ci/boot", description=__doc__)
    parser.add_argument("--nodes", type=int, default=2, metavar="N", help="clients of the first boot, 0 to 4 (default 2)")
    parser.add_argument("--firmware", choices=("bios", "uefi"), default="bios", help="of the first boot's clients")
    parser.add_argument("--dhcp", choices=("proxy", "server"), default="proxy", help="who gives out the addresses")
    parser.add_argument("--disk", choices=sorted(disks.KINDS), help="the file system of the master's root (default ext4)")
    parser.add_argument("--all", action="store_true", help="every story after the first boot")
    parser.add_argument("--story", action="append", default=[], metavar="NAME", help="this story after the first boot")
    parser.add_argument("--list", action="store_true", help="name the stories and end")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running until Enter or a signal")
    parser.add_argument("--json", action="store_true", help="results as JSON, on the standard output")
    parser.add_argument("--packages", metavar="DIR", help="take our files from built packages (*.xbps) in there")
    parser.add_argument("--install-deps", action="store_true", help="have ci/deps install what is missing")
    options = parser.parse_args()
    if not 0 <= options.nodes <= 4:
        parser.error("--nodes takes 0 to 4")
    return options


def missing(options):
    """What is not on this machine, and the purposes for which `ci/deps` installs it."""
    purposes = ["boot"]
    if options.all or options.firmware == "uefi" or "uefi" in options.story:
        purposes.append("uefi")
    lists = {purpose: run([DEPS, "--missing", purpose])[1].split() for purpose in purposes}
    return {purpose: tools for purpose, tools in lists.items() if tools}


def prepare(options):
    """Why it cannot run here, or None."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "it needs Linux on x86_64"
    if os.geteuid() != 0:
        return "it needs root, to make the root tree (chroot, device nodes)"
    wanted = missing(options)
    if wanted and (options.install_deps or os.environ.get("CI") == "true"):
        for purpose, tools in wanted.items():
            say(f"installing {' '.join(tools)}")
            run([DEPS, purpose], timeout=1200, check=False)
        wanted = missing(options)
    # Among all stories, that of UEFI skips itself.
    if options.firmware != "uefi":
        wanted.pop("uefi", None)
    if wanted:
        names = " ".join(name for tools in wanted.values() for name in tools)
        return f"missing: {names} (ci/boot --install-deps installs what it can)"
    return None


def main():
    options = arguments()
    if options.list:
        for name, module in stories.found().items():
            print(f"{name:24} {module.__doc__.splitlines()[0]}")
        return 0
    for name in options.story:
        if name not in stories.found():
            warn(f"ci/boot: no story {name}; --list names them")
            return 2
    wanted = {stories.disk_of(stories.found()[name]) for name in options.story} - {None}
    if len(wanted | ({options.disk} - {None})) > 1:
        warn("ci/boot: these stories are about different disks of the master; tell them one by one")
        return 2
    options.disk = options.disk or (wanted.pop() if wanted else "ext4")
    report = Report(json_to=sys.stdout if options.json else None)
    if options.json:
        # The standard output is for a program, then; what is said on the way goes beside it.
        sys.stdout = sys.stderr
    why = prepare(options)
    if why:
        report.skip("the cluster in QEMU", why)
        return report.finish()

    end_by_signals()
    work = Path(tempfile.mkdtemp(prefix="voidclust-boot.", dir=os.environ.get("TMPDIR", "/var/tmp")))
    cluster = Cluster(work, options)
    status = 1
    try:
        status = boot(report, cluster, options)
    except Failure as failure:
        report.fail("the cluster in QEMU", str(failure))
        status = report.finish()
    finally:
        consoles(cluster, work, show=report.count("FAIL") > 0 or sys.exc_info()[0] is not None)
        cluster.close()
        end_all()
        shutil.rmtree(work, ignore_errors=True)
    return status


def boot(report, cluster, options):
    chosen = stories.found() if options.all else {name: stories.found()[name] for name in options.story}
    options.old_kernel = bool({"older_kernel", "only_one"} & set(chosen))
    base = disks.tree(options.disk, cluster.log)
    kernel = base / f"boot/vmlinuz-{root.kernels(base)[-1]}"
    # The probe waits while the build works.
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        probe = beside.submit(vm.accelerator, kernel)
        cluster.build(base)
        options.accel, why = probe.result()
    cluster.make_disk()
    cluster.tools["CPU"] = f"{options.accel.split(',')[0]} ({why})"
    cluster.tools["QEMU"] = run([tool(vm.QEMU), "--version"])[1].split()[3]
    report.tools = cluster.tools
    cluster.open()

    names = ["n3"] if options.firmware == "uefi" else ["n1", "n2", "n6", "n4"]
    names = names[: options.nodes]
    if not story(report, "one master and its clients", basic.run, cluster, names):
        return report.finish()
    for name, module in chosen.items():
        if stories.disk_of(module) not in (None, options.disk):
            report.skip(name, f"it is about another disk of the master: ci/boot --story {name}")
            continue
        begun = time.time()
        cluster.clients_off()
        story(report, name, module.run, cluster)
        if not options.json:
            say(f"      {name}: {time.time() - begun:.0f} s")
    if options.keep:
        keep(report, cluster)
    return report.finish()


def keep(report, cluster):
    """Commands from the standard input, until it ends or an empty line comes."""
    say("\nThe cluster runs on. One command a line, an empty line ends it:"
        "\n  MACHINE SHELL-COMMAND | on MACHINE | off MACHINE | reset MACHINE | story NAME"
        f"\n  machines: master {' '.join(MACHINES)}")
    for line in sys.stdin:
        words = line.split(None, 1)
        if not words:
            return
        try:
            command(report, cluster, words[0], words[1].strip() if len(words) > 1 else "")
        except (Failure, KeyError) as failure:
            say(f"{type(failure).__name__}: {failure}")


def command(report, cluster, verb, rest):
    if verb == "on":
        cluster.up(rest)
        say(f"{rest} answers")
    elif verb == "off":
        cluster.down(rest)
    elif verb == "reset":
        cluster.nodes[rest].reset()
    elif verb == "story":
        cluster.clients_off()
        # Read again, so that a story can be written while the cluster runs.
        story(report, rest, importlib.reload(stories.found()[rest]).run, cluster)
    elif verb in cluster.nodes and cluster.nodes[verb].alive():
        say(cluster.nodes[verb].sh(rest, check=False)[1].rstrip())
    else:
        say(f"{verb} is not a command, nor a machine that is on")


def consoles(cluster, work, show):
    """After a failure: the console logs are kept, and their ends shown."""
    if not show:
        return
    kept = root.cache_folder() / "failed"
    kept.mkdir(parents=True, exist_ok=True)
    for old in kept.iterdir():
        old.unlink()
    for log in [*work.glob("*.console"), *work.glob("*.qemu"), *work.glob("*.log")]:
        shutil.copyfile(log, kept / log.name)
    for node in cluster.nodes.values():
        if node.lines:
            warn(f"--- the last lines of {node.name}")
            for text in node.last_lines():
                warn(f"    {text}")
    warn(f"console logs: {kept}")
