"""The kernel's NFS server in a machine of its own, under many nodes that replay the record."""

import contextlib
import json
import shlex
import subprocess
import sys
from pathlib import Path

from cluster import MASTER
from loads import processor
from recorded import CLIENT, FILE
from run import Failure, end, processor_seconds, run, spawn

HERE = Path(__file__).resolve().parent
FIRST = "172.23.199.60"
INSIDE = "/run/rig/storm"
# What one and the same work takes here and in the machine: computing, copying by the kernel, and calls of the kernel.
CALIBRATION = """
import os, sys, time, zlib
data = bytes(1 << 20)
with open(sys.argv[1], "wb") as file:
    file.write(data)
file = os.open(sys.argv[1], os.O_RDONLY)
work = {
    "nothing": lambda: None,
    "computing": lambda: [zlib.crc32(data) for _ in range(1000)],
    "copying": lambda: [os.pread(file, 1 << 20, 0) for _ in range(600)],
    "calls": lambda: [os.stat(sys.argv[1]) for _ in range(200000)],
}
begun = time.process_time()
work[sys.argv[2]]()
print(time.process_time() - begun)
os.unlink(sys.argv[1])
"""


def calibration(cluster):
    """How many times the processor's time the master's machine takes for each kind of work."""
    node = cluster.master
    node.sh(f"mkdir -p {INSIDE} && printf %s {shlex.quote(CALIBRATION)} >{INSIDE}/calibration.py")
    script = cluster.tree / "calibration.py"
    script.write_text(CALIBRATION, encoding="utf-8")
    ratios, begins = {}, 0
    for kind in ("nothing", "computing", "copying", "calls"):
        native = min(float(run(["chroot", cluster.tree, "python3", "/calibration.py", "/tmp/calibration", kind])[1])
                     for _ in range(3))
        before = processor(node.qemu.pid)
        node.sh(f"python3 {INSIDE}/calibration.py {INSIDE}/data {kind}", 300)
        spent = processor(node.qemu.pid) - before
        # What the interpreter takes to begin is no part of it.
        if kind == "nothing":
            begins = spent
        else:
            ratios[kind] = {"here": native, "there": spent - begins}
    script.unlink()
    return ratios


def server(node):
    """What the server's machine has spent so far, by its own clock and by ours, and the calls that came."""
    text = node.sh("head -n 1 /proc/stat; grep ^rpc /proc/net/rpc/nfsd; cat /proc/fs/nfsd/threads;"
                   " cat $(pgrep -x nfsd | sed 's,.*,/proc/&/stat,')", 120).splitlines()
    user, nice, system, _, _, interrupts, soft, *_ = map(int, text[0].split()[1:])
    return {
        "nfsd": sum(map(processor_seconds, text[3:])),
        "busy": (user + nice + system + interrupts + soft) / 100,
        "processor": processor(node.qemu.pid),
        "calls": int(text[1].split()[1]),
    }


@contextlib.contextmanager
def nodes(cluster, count, part):
    """The program that is so many nodes, at a port of the switch."""
    store = cluster.tree / "var/lib/voidclust/generations" / str(cluster.generation)
    cable = cluster.switch.plug(cluster.switch.port())
    job = {"nodes": count, "cable": cable.fileno(), "first": FIRST, "prefix": 24, "server": MASTER,
           "root": cluster.root_of(CLIENT), "steps": str(FILE), "part": part, "tree": str(store)}
    limits = ["prlimit", f"--nofile={2 * count + 100}"]
    child = spawn(["unshare", "--net", *limits, sys.executable, HERE / "replay.py", json.dumps(job)],
                  pass_fds=[cable.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    cable.close()
    try:
        yield child
    finally:
        end(child)


def storm(cluster, count, part):
    """`count` nodes each replay a `part`th of the record at once; what it took the server, and each of them."""
    threads = int(cluster.master.sh("cat /proc/fs/nfsd/threads"))
    with nodes(cluster, count, part) as child:
        if child.stdout.readline() != "ready\n":
            raise Failure("the replay ended before it began")
        before, clients = server(cluster.master), processor(child.pid)
        print(flush=True, file=child.stdin)
        said = child.stdout.readline()
        after, clients = server(cluster.master), processor(child.pid) - clients
    if not said:
        raise Failure("the replay ended before the nodes did")
    found = json.loads(said)
    spent = {name: after[name] - before[name] for name in after}
    whole = [one for one in found["nodes"] if "failure" not in one and not one["unlike"]]
    return {
        "nodes": count,
        "part": part,
        "threads": threads,
        "whole": len(whole),
        "failures": [str(one) for one in found["nodes"] if one not in whole][:3],
        "missed": max((one["missed"] for one in whole), default=0),
        "again": sum(one["again"] for one in whole),
        "seconds": found["seconds"],
        "first": min((one["seconds"] for one in whole), default=0),
        "operations": sum(one["operations"] for one in whole),
        "bytes": sum(one["bytes"] for one in whole),
        "clients": clients,
        **spent,
    }


HEAD = (f"{'way':5} {'threads':>7} {'nodes':>6} {'whole':>6} {'part':>5} {'first':>6} {'last':>6} {'again':>6}"
        f" {'operations a node':>18} {'MB a node':>10} {'server s a node':>16} {'of it nfsd':>11} {'clients s a node':>17}")


def line(found):
    """A row of the table, in seconds of this machine's processors."""
    count = max(found["whole"], 1)
    # The machine's own clock runs on when the machine waits for a processor; the parts of it are right.
    share = found["nfsd"] / found["busy"] if found["busy"] else 0
    return (f"{'nfs':5} {found['threads']:7} {found['nodes']:6} {found['whole']:6} {found['part']:5} {found['first']:6.0f}"
            f" {found['seconds']:6.0f} {found['again']:6} {found['operations'] / count:18.0f}"
            f" {found['bytes'] / count / 1e6:10.1f} {found['processor'] / count:16.2f}"
            f" {share * found['processor'] / count:11.2f} {found['clients'] / count:17.2f}"
            + "".join(f"\n      {text}" for text in found["failures"]))
