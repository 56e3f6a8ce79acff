"""The kernel's NFS server in a machine of its own, under many clients that replay the record in another."""

import json
import re
import shlex
from pathlib import Path

from cluster import MASTER
from loads import processor
from recorded import CLIENT, FILE, packed
from run import Failure, processor_seconds, run

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


def client(cluster):
    """A client with room for many, which comes up without firmware and loader; the record, and the program that replays it."""
    cluster.node(CLIENT, memory=4096, direct=cluster.direct(CLIENT))
    node, = cluster.up(CLIENT)
    node.sh(f"mkdir -p {INSIDE}")
    for file in (FILE, HERE / "replay.py"):
        sent = run(["sh", "-c", 'gzip -9c "$1" | base64 -w 0', "pack", file])[1]
        node.sh(f"rm -f {INSIDE}/packed")
        # A line of the serial console is not longer than a few thousand signs.
        for at in range(0, len(sent), 2000):
            node.sh(f"printf %s {sent[at : at + 2000]} >>{INSIDE}/packed")
        node.sh(f"base64 -d {INSIDE}/packed | gunzip >{INSIDE}/{file.name}")
    return node


def until(node, pattern, seconds):
    """Waits for a last word of the replay; a machine that is busy with it is asked once."""
    node.sh(f"until tail -n 1 {INSIDE}/said | grep -qE '{pattern}'; do sleep 2; done", seconds)


def storm(cluster, node, count, part):
    """`count` clients each replay a `part`th of the record at once; what it took the server, and each of them."""
    options = re.search(r"nfsroot=[^,\s]+,(\S+)", node.sh("cat /proc/cmdline"))[1]
    card = node.sh(f"ip -o -4 route show to match {MASTER} | grep -o 'dev [^ ]*'").split()[1]
    job = {"nodes": count, "card": card, "first": FIRST, "prefix": 24, "server": f"{MASTER}:{cluster.root_of(CLIENT)}",
           "options": options, "steps": f"{INSIDE}/{FILE.name}", "part": part, "gate": f"{INSIDE}/gate"}
    node.sh(f"cd {INSIDE}; rm -f gate said; mkfifo gate;"
            f" setsid python3 replay.py {shlex.quote(json.dumps(job))} >said 2>&1 </dev/null &")
    until(node, "ready|Error", 60 + 10 * count)
    if "Error" in node.sh(f"tail -n 1 {INSIDE}/said"):
        raise Failure(f"the replay: {node.sh(f'cat {INSIDE}/said')}")
    threads = int(cluster.master.sh("cat /proc/fs/nfsd/threads"))
    before, clients = server(cluster.master), processor(node.qemu.pid)
    node.sh(f": >{INSIDE}/gate")
    until(node, "^[{]|Error", 60 + 60 * count)
    after, clients = server(cluster.master), processor(node.qemu.pid) - clients
    text = packed(node, f"cat {INSIDE}/said")
    try:
        found = json.loads(text.splitlines()[-1])
    except ValueError:
        raise Failure(f"the replay: {text}") from None
    spent = {name: after[name] - before[name] for name in after}
    whole = [one for one in found["nodes"] if "failure" not in one]
    return {
        "nodes": count,
        "part": part,
        "threads": threads,
        "whole": len(whole),
        "failures": [one["failure"] for one in found["nodes"] if "failure" in one][:3],
        "missed": max((one["missed"] for one in whole), default=0),
        "again": sum(one["again"] for one in whole),
        "seconds": found["seconds"],
        "first": min((one["seconds"] for one in whole), default=0),
        "operations": sum(sum(one["operations"].values()) for one in whole),
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
