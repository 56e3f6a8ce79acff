"""ci/bench-storm: what it takes when many nodes boot at once."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import loads
import nfs
import recorded
import root
from main import prepare
from run import Failure, end_all, end_by_signals, run, say, tool, warn
from vm import QEMU

NODES = {"dhcp": [100, 1000], "tftp": [100, 1000], "http": [100, 1000], "nfs": [1, 10]}


def arguments():
    parser = argparse.ArgumentParser(prog="ci/bench-storm", description=__doc__)
    parser.add_argument("ways", nargs="*", metavar="dhcp|tftp|http|nfs", help="which servers (default: all)")
    parser.add_argument("--nodes", type=int, action="append", metavar="N", help="so many nodes at once; may be given again")
    parser.add_argument("--part", type=int, metavar="P",
                        help="each node asks for a Pth: of each file by TFTP (default 8), of the record by NFS (default 1)")
    parser.add_argument("--threads", type=int, action="append", metavar="N", help="threads of the NFS server; may be given again")
    parser.add_argument("--record", action="store_true", help="boot a client, and keep what it asks for in record.json")
    parser.add_argument("--json", action="store_true", help="the figures as JSON, on the standard output")
    options = parser.parse_args()
    if set(options.ways) - set(NODES):
        parser.error("the servers are dhcp, tftp, http and nfs")
    options.ways = options.ways or list(NODES)
    return options


def why_not(options):
    """What is missing for what was asked for, or None."""
    if options.record or "nfs" in options.ways:
        rig = SimpleNamespace(all=False, firmware="bios", story=[], install_deps=False)
        why = prepare(rig)
        if why:
            return why
    return None if options.record else loads.missing(options.ways)


def cluster(work, options):
    """A master and its clients, whose tree has the interpreter for the calibration."""
    rig = SimpleNamespace(dhcp="proxy", disk="ext4", packages=None, old_kernel=False, json=options.json, accel="tcg,thread=multi")
    made = (recorded.Watched if options.record else recorded.Cluster)(work, rig)
    made.build(root.with_packages("storm", root.base(made.log), ["python3"], made.log))
    made.make_disk()
    made.tools["QEMU"] = run([tool(QEMU), "--version"])[1].split()[3]
    made.open()
    made.start_master()
    return made


def by_nfs(made, options):
    figures = {"calibration": nfs.calibration(made), "storms": []}
    for kind, both in figures["calibration"].items():
        times = both["there"] / both["here"]
        say(f"{kind}: {both['here']:.3f} processor s here, {both['there']:.3f} in the machine, {times:.1f} times")
    say(nfs.HEAD)
    for threads, count in product(options.threads or [8], options.nodes or NODES["nfs"]):
        made.master.sh(f"echo {threads} >/proc/fs/nfsd/threads")
        figures["storms"].append(nfs.storm(made, count, options.part or 1))
        say(nfs.line(figures["storms"][-1]))
    return figures


def measure(options, work, made):
    figures = {"day": time.strftime("%Y-%m-%d")}
    record = recorded.kept()
    for way in options.ways:
        if way == "nfs":
            made.append(cluster(work, options))
            figures[way] = by_nfs(made[0], options)
            continue
        files = {name: size for asked, name, size in record["tftp"] if size and size > 1 << 20} if way != "dhcp" else {}
        say(loads.HEAD)
        figures[way] = []
        for count in options.nodes or NODES[way]:
            figures[way].append(loads.measure(way, count, files, options.part or 8 if way == "tftp" else 1, work / "log"))
            say(loads.line(figures[way][-1]))
    return figures


def main():
    options = arguments()
    output = sys.stdout
    if options.json:
        sys.stdout = sys.stderr
    why = why_not(options)
    if why:
        warn(f"skip: ci/bench-storm: {why}")
        return 0
    end_by_signals()
    work = Path(tempfile.mkdtemp(prefix="voidclust-storm.", dir=os.environ.get("TMPDIR", "/var/tmp")))
    made = []
    try:
        if options.record:
            made.append(cluster(work, options))
            recorded.keep(recorded.boots(made[0]))
            return 0
        figures = measure(options, work, made)
    except Failure as failure:
        warn(f"ci/bench-storm: {failure}")
        return 1
    finally:
        for one in made:
            one.close()
        end_all()
        shutil.rmtree(work, ignore_errors=True)
    if options.json:
        json.dump(figures, output, indent=1)
        output.write("\n")
    return 0
