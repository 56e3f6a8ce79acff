"""Nodes that ask for their addresses, or load kernel and image as PXELINUX does, at once: one process that is all of them.

It runs in the network of the nodes, as `python3 readers.py JOB`; JOB is JSON: way, server, nodes, files, sizes. It prints
what came of it, as JSON.
"""

import contextlib
import json
import random
import resource
import select
import selectors
import socket
import sys
import time

BLOCK = 1408
# PXELINUX asks again after a ninth of a second, then waits longer and longer, and gives up after some two minutes.
PAUSE, GROWTH, PATIENCE = 0.11, 1.2, 120.0
DATA, ERROR, OACK = 3, 5, 6
OFFER, REQUEST, ACK = 2, 3, 5
# Of linux/asm/socket.h: a queue that is longer than other users may have.
SO_RCVBUFFORCE = 33


class Node:
    """What both ways have in common: the files that are left, and what it took."""

    def __init__(self, number, job):
        # One of ten thousand addresses, all of this machine.
        self.address = f"10.1.{1 + number // 250}.{1 + number % 250}"
        self.server = job["server"]
        self.left = list(zip(job["files"], job["sizes"], strict=True))
        self.got = 0
        self.retries = 0
        self.failure = None
        self.done = None
        self.asked = 0.0
        self.socket = None

    def ended(self):
        return self.done is not None or self.failure is not None


class Tftp(Node):
    """A block in flight, and an answer to each."""

    def begin(self):
        self.name, self.size = self.left[0]
        self.came, self.block, self.peer = 0, 0, (self.server, 69)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind((self.address, 0))
        self.packet = b"\0\1" + b"\0".join([self.name.encode(), b"octet", b"tsize", b"0", b"blksize", str(BLOCK).encode(), b""])
        self.fresh()

    def fresh(self):
        """Says something new: its patience begins again."""
        self.pause, self.waited = PAUSE, 0.0
        self.say()

    def say(self):
        self.asked = time.monotonic()
        # A full queue is a lost packet.
        with contextlib.suppress(BlockingIOError):
            self.socket.sendto(self.packet, self.peer)

    def late(self, now):
        if now - self.asked < self.pause:
            return
        self.waited += self.pause
        self.pause *= GROWTH
        if self.waited > PATIENCE:
            self.failure = f"{self.name}: no answer at byte {self.came}"
            return
        self.retries += 1
        self.say()

    def hear(self):
        """Takes what came; true when the file is whole."""
        while True:
            try:
                data, sender = self.socket.recvfrom(2048)
            except BlockingIOError:
                return False
            kind = data[1]
            if kind == ERROR:
                self.failure = f"{self.name}: {data[4:].decode(errors='replace')}"
                return False
            if kind == OACK and self.block == 0:
                self.peer = sender
            elif kind == DATA and int.from_bytes(data[2:4], "big") == (self.block + 1) & 0xFFFF:
                self.block += 1
                self.came += len(data) - 4
            elif kind == DATA:
                # One that it had already: PXELINUX says again what it has.
                self.retries += 1
                self.say()
                continue
            else:
                continue
            self.packet = b"\0\4" + (self.block & 0xFFFF).to_bytes(2, "big")
            self.fresh()
            if self.came == self.size and len(data) < BLOCK + 4:
                return True


class Http(Node):
    """A connection for each file."""

    spare = bytearray(1 << 20)

    def begin(self):
        self.name, self.size = self.left[0]
        self.came = -1
        self.asked = time.monotonic()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.socket.bind((self.address, 0))
        self.socket.connect_ex((self.server, 80))
        self.wants = selectors.EVENT_WRITE

    def late(self, now):
        if now - self.asked > PATIENCE:
            self.failure = f"{self.name}: nothing came for {PATIENCE:.0f} s at byte {max(self.came, 0)}"

    def hear(self):
        self.asked = time.monotonic()
        try:
            if self.wants == selectors.EVENT_WRITE:
                self.socket.send(f"GET /{self.name} HTTP/1.0\r\nHost: {self.server}\r\n\r\n".encode())
                self.wants = selectors.EVENT_READ
            elif self.came < 0:
                head, _, body = self.socket.recv(1 << 16).partition(b"\r\n\r\n")
                answer = head.split(b"\r\n")[0].decode(errors="replace")
                if " 200 " not in answer:
                    self.failure = f"{self.name}: {answer or 'no answer'}"
                self.came = len(body)
            else:
                # The kernel throws it away: to copy it would be work of the readers only.
                count = self.socket.recv_into(self.spare, 0, socket.MSG_TRUNC)
                if count == 0 and self.came < self.size:
                    self.failure = f"{self.name}: ended at byte {self.came}"
                self.came += count
        except BlockingIOError:
            pass
        except OSError as error:
            self.failure = f"{self.name}: {error} at byte {max(self.came, 0)}"
        return self.came >= self.size


def discover(number):
    """What the firmware of a BIOS machine asks, and the card that it asks with."""
    card = bytes((0x52, 0x54, 0, 1, number >> 8, number & 255))
    options = bytes((53, 1, 1, 93, 2, 0, 0, 60, 20)) + b"PXEClient:Arch:00000" + bytes((55, 6, 1, 3, 43, 60, 66, 67))
    # The answer shall come to all: nobody has an address yet.
    head = b"\1\1\6\0" + number.to_bytes(4, "big") + b"\0\0\x80\0" + bytes(16) + card + bytes(10) + bytes(192)
    return head + b"\x63\x82\x53\x63" + options


def addresses(job):
    """All nodes ask for an address, and take what is offered; who gets no answer asks again after 4, 8, 16 and 32 seconds."""
    cards = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    cards.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    cards.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
    # Each node has a queue of its own, where here all have one.
    cards.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    cards.bind(("0.0.0.0", 68))  # noqa: S104 - nobody has an address yet
    # A second more or less, as RFC 2131 has it; the same in each run.
    chance = random.Random(job["nodes"])  # noqa: S311
    begun = time.monotonic()
    asks = {number: discover(number) + b"\xff" for number in range(job["nodes"])}
    due = dict.fromkeys(asks, (begun, 4))
    done, retries, failures = [], 0, []
    while due:
        now = time.monotonic()
        for number, pause in [(number, pause) for number, (when, pause) in due.items() if when <= now]:
            if pause > 64:
                failures.append(f"node {number}: no address")
                del due[number]
                continue
            retries += pause > 4
            cards.sendto(asks[number], ("255.255.255.255", 67))
            due[number] = (now + pause + chance.uniform(-1, 1), pause * 2)
        if not select.select([cards], [], [], 0.02)[0]:
            continue
        with contextlib.suppress(BlockingIOError):
            while due:
                answer = cards.recv(2048)
                number = int.from_bytes(answer[4:8], "big")
                if number not in due or answer[16:20] != socket.inet_aton(Node(number, job).address):
                    continue
                if answer[242] == ACK:
                    done.append(time.monotonic() - begun)
                    del due[number]
                elif answer[242] == OFFER and asks[number][242] == 1:
                    wish = bytes((50, 4)) + answer[16:20] + bytes((54, 4)) + socket.inet_aton(job["server"])
                    request = bytearray(discover(number) + wish + b"\xff")
                    request[242] = REQUEST
                    asks[number] = bytes(request)
                    cards.sendto(asks[number], ("255.255.255.255", 67))
                    due[number] = (time.monotonic() + 4 + chance.uniform(-1, 1), 8)
    times = sorted(done) or [0.0]
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {"whole": len(done), "bytes": 0, "first": times[0], "last": times[-1], "retries": retries, "failures": failures[:3],
            "readers": own.ru_utime + own.ru_stime}


def storm(job):
    selector = selectors.DefaultSelector()
    nodes = [{"tftp": Tftp, "http": Http}[job["way"]](number, job) for number in range(job["nodes"])]
    begun = looked = time.monotonic()
    running = set(nodes)

    def start(node):
        node.begin()
        selector.register(node.socket, getattr(node, "wants", selectors.EVENT_READ), node)

    def leave(node):
        selector.unregister(node.socket)
        node.socket.close()

    for node in nodes:
        start(node)
    while running:
        for key, _ in selector.select(0.02):
            node = key.data
            before = getattr(node, "wants", None)
            whole = node.hear()
            if node.failure:
                leave(node)
            elif whole:
                node.got += node.came
                leave(node)
                node.left.pop(0)
                if node.left:
                    start(node)
                else:
                    node.done = time.monotonic() - begun
            elif getattr(node, "wants", None) != before:
                selector.modify(node.socket, node.wants, node)
            if node.ended():
                running.discard(node)
        now = time.monotonic()
        if now - looked > 0.02:
            looked = now
            for node in list(running):
                node.late(now)
                if node.failure:
                    leave(node)
                    running.discard(node)
    times = sorted(node.done for node in nodes if node.done is not None) or [0.0]
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "whole": sum(node.done is not None for node in nodes),
        "bytes": sum(node.got for node in nodes),
        "first": times[0],
        "last": times[-1],
        "retries": sum(node.retries for node in nodes),
        "failures": [node.failure for node in nodes if node.failure][:3],
        "readers": own.ru_utime + own.ru_stime,
    }


job = json.loads(sys.argv[1])
print(json.dumps(addresses(job) if job["way"] == "dhcp" else storm(job)))
