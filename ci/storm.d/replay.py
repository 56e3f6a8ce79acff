"""Many nodes in one machine: each has a network, an NFS client and a cache of its own, and asks for what the record says.

It runs in a client of the rig, as `python3 replay.py JOB`; JOB is JSON: nodes, card, first, prefix, server, options, steps
(the file with the record), part (each asks for so small a part of it, all together for all) and gate (a pipe that opens when
all shall begin). It prints what came of it, as JSON.
"""

import contextlib
import ipaddress
import json
import os
import re
import subprocess
import sys
import time

PLACE = "/run/storm"


def call(*argv, told=None):
    said = subprocess.run(argv, input=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if said.returncode != 0:
        raise OSError(f"{' '.join(argv)}: {said.stdout.strip()}")


def ip(*commands):
    """All of them by one program: to start one takes an emulated machine a good part of a second."""
    call("ip", "-batch", "-", told="".join(f"{command}\n" for command in commands))


def become(number, job):
    """A node: its address, its name to the NFS server, its mount."""
    address = ipaddress.ip_address(job["first"]) + number
    ip(f"address add {address}/{job['prefix']} dev storm", "link set storm up")
    call("mount", "--make-rprivate", "/")
    call("mount", "-t", "sysfs", "none", "/sys")
    with open("/sys/fs/nfs/net/nfs_client/identifier", "w", encoding="utf-8") as file:
        file.write(f"storm-{number}-{os.getpid()}")
    call("mount", "-t", "nfs4", "-o", job["options"], job["server"], PLACE)


def ask(steps):
    """What a boot asks for; how many of the paths were not as in the record."""
    missed = 0
    for step in steps:
        try:
            if isinstance(step, list):
                read(step)
            elif step.endswith("@"):
                os.readlink(f"{PLACE}/{step[:-1]}")
            elif step.endswith("/"):
                os.listdir(f"{PLACE}/{step}")
            else:
                # Most are of files that are not there: programs look along a path.
                with contextlib.suppress(FileNotFoundError):
                    os.lstat(f"{PLACE}/{step}")
        except OSError:
            missed += 1
    return missed


def read(step):
    file = os.open(f"{PLACE}/{step[0]}", os.O_RDONLY)
    try:
        # As much as the record says and no more.
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        for offset, count in zip(step[1::2], step[2::2], strict=True):
            os.pread(file, count, offset)
    finally:
        os.close(file)


def counts():
    """Of our mount: how often each operation was asked for, and how often once more, and the bytes that came."""
    with open("/proc/self/mountstats", encoding="utf-8") as file:
        text = file.read().partition(f" mounted on {PLACE} ")[2].partition("\ndevice ")[0]
    lines = [match.group(1, 2) for match in re.finditer(r"^\s+([A-Z_]+): ([0-9 ]+)$", text, re.M)]
    lines = [(name, [int(word) for word in line.split()]) for name, line in lines if not line.startswith("0 ")]
    return {
        "operations": {name: line[0] for name, line in lines},
        "again": sum(line[1] - line[0] for _, line in lines),
        "bytes": sum(line[4] for _, line in lines),
    }


def node(number, job, steps, ready, go, said):
    """One child, from its networks to its figures."""
    os.unshare(os.CLONE_NEWNET | os.CLONE_NEWNS)
    os.write(ready, b".")
    os.read(go[0], 1)
    result = {"number": number}
    try:
        become(number, job)
        os.write(ready, b".")
        os.read(go[1], 1)
        begun = time.monotonic()
        result["missed"] = ask(steps[number % job["part"] :: job["part"]])
        result["seconds"] = time.monotonic() - begun
        result.update(counts())
    except OSError as error:
        os.write(ready, b".")
        result["failure"] = str(error)
    # One short line at once is whole, whoever else writes.
    os.write(said, (json.dumps(result) + "\n").encode())


def main(job):
    with open(job["steps"], encoding="utf-8") as file:
        steps = json.load(file)["steps"]
    os.makedirs(PLACE, exist_ok=True)
    ready, told = os.pipe()
    answers, said = os.pipe()
    gates = [os.pipe(), os.pipe()]
    children = []
    for number in range(job["nodes"]):
        pid = os.fork()
        if pid == 0:
            for _, end in gates:
                os.close(end)
            node(number, job, steps, told, [gate for gate, _ in gates], said)
            os._exit(0)
        children.append(pid)
    os.close(said)

    def wait():
        for _ in children:
            os.read(ready, 1)

    wait()
    names = [f"storm{number}" for number in range(job["nodes"])]
    ip(*(f"link add link {job['card']} name {name} type macvlan mode bridge" for name in names))
    ip(*(f"link set {name} netns {pid} name storm" for name, pid in zip(names, children, strict=True)))
    os.close(gates[0][1])
    wait()
    # Whoever measures the server looks now, and again at the end.
    print("ready", flush=True)
    with open(job["gate"], encoding="utf-8") as gate:
        gate.read()
    begun = time.monotonic()
    os.close(gates[1][1])
    with os.fdopen(answers, encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    print(json.dumps({"seconds": time.monotonic() - begun, "nodes": found}), flush=True)


main(json.loads(sys.argv[1]))
