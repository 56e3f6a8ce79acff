"""Many nodes in one process: each is a client of its own to the NFS server, and asks for what the record says.

It runs in a network namespace of its own, as `python3 replay.py JOB`; JOB is JSON: nodes, cable (the descriptor of a port of
the rig's switch), first and prefix (their addresses), server, root (its path there), steps (the file with the record), part
(each asks for so small a part of it, all together for all) and tree (what is there, to compare each byte with). It says
`ready`, waits for a line, and prints what came of it, as JSON.
"""

import asyncio
import contextlib
import fcntl
import ipaddress
import json
import os
import posixpath
import socket
import struct
import subprocess
import sys
import time

from nfs4 import Client, Refused

CARD = "storm"
# The same in each run, for the server knows it for a while.
MAC = "52:54:00:c1:01:00"
# So many nodes have an address of their own; more of them share it, and differ by their ports.
ADDRESSES = 100
# The server knows the connections of a run before for a while, so each run has others.
LAST_PORT = 1023 - os.getpid() % 800
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000


class Node:
    """One node: what it knows of the tree, and what was not as it should be."""

    def __init__(self, number, job):
        here = str(ipaddress.ip_address(job["first"]) + number % ADDRESSES), LAST_PORT - number // ADDRESSES
        self.client = Client(f"storm-{number}-{os.getpid()}", here, (job["server"], 2049))
        self.tree = job["tree"]
        self.handles, self.entered, self.opened = {}, set(), {}
        self.missed = self.unlike = 0

    async def mount(self, root, turns):
        async with turns:
            await self.client.begin()
            handle = await self.client.top()
            for name in root.strip("/").split("/"):
                handle = await self.client.lookup(handle, name)
            self.handles[""] = handle

    async def enter(self, path):
        """The handle of a folder; the first time it is asked whether one may."""
        handle = await self.find(path)
        if handle and path not in self.entered:
            self.entered.add(path)
            await self.client.access(handle)
        return handle

    async def find(self, path):
        """The handle of a path, which may be known."""
        return self.handles[path] if path in self.handles else await self.lookup(path)

    async def lookup(self, path):
        folder, name = posixpath.split(path)
        above = await self.enter(folder)
        self.handles[path] = await self.client.lookup(above, name) if above else None
        return self.handles[path]

    async def ask(self, step):
        if isinstance(step, list):
            await self.read(*step)
        elif step[-1] in "@/":
            handle = await self.find(step[:-1])
            if handle is None:
                self.missed += 1
            elif step[-1] == "@":
                self.unlike += (await self.client.readlink(handle)).decode() != os.readlink(f"{self.tree}/{step[:-1]}")
            else:
                names = {os.fsdecode(name) for name in await self.client.readdir(handle)}
                self.unlike += names != set(os.listdir(f"{self.tree}/{step}"))
        else:
            # Most are of files that are not there: programs look along a path.
            await self.lookup(step)

    async def read(self, path, *parts):
        if path not in self.opened:
            folder, name = posixpath.split(path)
            above = await self.enter(folder)
            if above is None:
                self.missed += 1
                return
            self.handles[path], *self.opened[path] = await self.client.open(above, name, self.handles.get(path))
        if parts:
            with open(f"{self.tree}/{path}", "rb", buffering=0) as file:
                for offset, count in zip(parts[::2], parts[1::2], strict=True):
                    found = await self.client.read(self.handles[path], self.opened[path][0], offset, count)
                    self.unlike += found != os.pread(file.fileno(), count, offset)

    async def boot(self, steps):
        """All of it; a file is open from its first step to its last, for who has a delegation need not open it again."""
        begun, calls, got = time.monotonic(), self.client.calls, self.client.bytes
        last = {step[0]: number for number, step in enumerate(steps) if isinstance(step, list)}
        for number, step in enumerate(steps):
            try:
                await self.ask(step)
                if isinstance(step, list) and last[step[0]] == number and step[0] in self.opened:
                    await self.client.close(self.handles[step[0]], *self.opened.pop(step[0]))
            except Refused:
                self.missed += 1
        return {"seconds": time.monotonic() - begun, "operations": self.client.calls - calls, "again": self.client.again,
                "bytes": self.client.bytes - got, "missed": self.missed, "unlike": self.unlike}


def card(job):
    """A card at the end of the cable; it has the addresses of all nodes."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH14x", CARD.encode(), IFF_TAP | IFF_NO_PI))
    commands = [f"link set {CARD} address {MAC}"]
    commands += [f"address add {ipaddress.ip_address(job['first']) + number}/{job['prefix']} dev {CARD}"
                 for number in range(min(job["nodes"], ADDRESSES))]
    commands += [f"link set {CARD} up", "link set lo up", ""]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
    return tap


def pump(loop, tap, cable):
    """Frames go both ways; on the cable each has its length before it."""
    rest = bytearray()

    def out():
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = os.read(tap, 65536)
                cable.sendall(struct.pack("!I", len(frame)) + frame)

    def back():
        data = cable.recv(1 << 18)
        if not data:
            loop.remove_reader(cable)
        rest.extend(data)
        at = 0
        while len(rest) - at >= 4:
            end = at + 4 + int.from_bytes(rest[at : at + 4], "big")
            if len(rest) < end:
                break
            os.write(tap, rest[at + 4 : end])
            at = end
        del rest[:at]

    loop.add_reader(tap, out)
    loop.add_reader(cable, back)


async def main(job):
    loop = asyncio.get_running_loop()
    pump(loop, card(job), socket.socket(fileno=job["cable"]))
    with open(job["steps"], encoding="utf-8") as file:
        steps = json.load(file)["steps"]
    nodes = [Node(number, job) for number in range(job["nodes"])]
    # Only the storm itself shall be one.
    turns = asyncio.Semaphore(32)
    await asyncio.gather(*(node.mount(job["root"], turns) for node in nodes))
    # Whoever measures the server looks now, and again at the end.
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    begun = time.monotonic()
    boots = (node.boot(steps[number % job["part"] :: job["part"]]) for number, node in enumerate(nodes))
    found = await asyncio.gather(*boots, return_exceptions=True)
    seconds = time.monotonic() - begun
    found = [{"failure": f"{type(one).__name__}: {one}"} if isinstance(one, Exception) else one for one in found]
    print(json.dumps({"seconds": seconds, "nodes": found}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
