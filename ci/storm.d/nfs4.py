"""A client of NFSv4.2 of a few lines: it asks as the kernel's client does, each operation in a call of its own (RFC 7862)."""

import asyncio
import os
import struct

ACCESS, CLOSE, DELEGRETURN, GETATTR, GETFH, LOOKUP, OPEN, PUTFH, PUTROOTFH = 3, 4, 8, 9, 10, 15, 18, 22, 24
READDIR, READLINK, EXCHANGE_ID, CREATE_SESSION, SEQUENCE, RECLAIM_COMPLETE, READ_PLUS = 26, 27, 42, 43, 53, 58, 68
MISSING = 2
# To read, with a delegation when there is one, and then without a state of the opening besides it: that saves the closing.
FOR_READING = 0x1 | 0x100 | 0x200000
NO_STATE = 0x10
BY_NAME, BY_HANDLE = 0, 4
# What the kernel's client asks of each file.
ATTRIBUTES = struct.pack("!III", 2, 0x0010011A, 0x00B0A23A)
MAY = struct.pack("!I", 0x1F)


class Refused(Exception):
    """An operation did not succeed; the status of it."""

    def __init__(self, operation, status):
        super().__init__(f"operation {operation}: status {status}")
        self.status = status


def opaque(data):
    return struct.pack("!I", len(data)) + data + bytes(-len(data) % 4)


class Answer:
    """What the server said, read from its beginning."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form="!I"):
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def bytes(self, count):
        value = self.data[self.at : self.at + count]
        self.at += count + -count % 4
        return value

    def opaque(self):
        return self.bytes(self.number())

    def bitmap(self):
        return self.bytes(4 * self.number())

    def result(self, operation):
        """The head of an operation's result."""
        found, status = self.number(), self.number()
        if status != 0:
            raise Refused(found, status)
        if found != operation:
            raise OSError(f"an answer to operation {found} instead of {operation}")

    def attributes(self):
        self.result(GETATTR)
        self.bitmap()
        self.opaque()

    def handle(self):
        self.result(GETFH)
        return self.opaque()

    def delegation(self):
        """The state of one for reading, or None."""
        kind = self.number()
        if kind in (1, 4):
            state = self.bytes(16)
            # Whether it is called back at once, and for whom it is.
            self.bytes(16)
            self.opaque()
            return state
        # None, and why.
        if kind == 3 and self.number() in (1, 2):
            self.number()
        return None


class Client:
    """One client of one server: its connection and its session. `calls`, `again` and `bytes` count what it asked and got."""

    def __init__(self, name, here, server):
        self.name, self.here, self.server = name.encode(), here, server
        self.calls = self.again = self.bytes = 0
        self.stream = None
        # A session's place in the order of its calls.
        self.turn = 0
        self.head = b""

    async def connect(self):
        """From the given port: servers want one below 1024. For a while a connection that ended has it still."""
        for left in reversed(range(300)):
            try:
                self.stream = await asyncio.open_connection(*self.server, local_addr=self.here)
                return
            except OSError:
                if left == 0:
                    raise
                await asyncio.sleep(0.2)

    async def rpc(self, operations):
        """One compound of operations; their results. What broke off is asked again over another connection."""
        self.calls += 1
        credentials = struct.pack("!I", 0) + opaque(self.name) + struct.pack("!III", 0, 0, 0)
        call = (struct.pack("!IIIIII", self.calls, 0, 2, 100003, 4, 1) + struct.pack("!I", 1) + opaque(credentials)
                + bytes(8) + opaque(b"") + struct.pack("!II", 2, len(operations)) + b"".join(operations))
        while True:
            try:
                reader, writer = self.stream
                writer.write(struct.pack("!I", 1 << 31 | len(call)) + call)
                length, = struct.unpack("!I", await reader.readexactly(4))
                data = await reader.readexactly(length & 0x7FFFFFFF)
                break
            except (OSError, asyncio.IncompleteReadError):
                self.again += 1
                writer.close()
                await self.connect()
        if length >> 31 != 1 or data[:24] != struct.pack("!IIIIII", self.calls, 1, 0, 0, 0, 0):
            raise OSError(f"no answer to a call: {data[:24].hex()}")
        self.bytes += len(data)
        answer = Answer(data)
        # Behind that, the status of the whole, a tag, and how many results there are.
        answer.bytes(28)
        answer.opaque()
        answer.number()
        return answer

    async def ask(self, *operations):
        """Operations within the session."""
        self.turn += 1
        sequence = struct.pack("!I", SEQUENCE) + self.head + struct.pack("!IIII", self.turn, 0, 0, 0)
        answer = await self.rpc([sequence, *operations])
        answer.result(SEQUENCE)
        answer.bytes(36)
        return answer

    async def begin(self):
        """The client becomes known, by a name of its own, and has a session."""
        await self.connect()
        owner = os.urandom(8) + opaque(self.name)
        answer = await self.rpc([struct.pack("!I", EXCHANGE_ID) + owner + struct.pack("!III", 0, 0, 0)])
        answer.result(EXCHANGE_ID)
        number, first = answer.bytes(8), answer.number()
        self.number = number
        # Both directions by one connection: without a way back there are no delegations.
        channel = struct.pack("!IIIIIII", 0, 1 << 20, 1 << 20, 4096, 16, 16, 0)
        back = struct.pack("!IIIIIII", 0, 4096, 4096, 0, 2, 1, 0)
        answer = await self.rpc([struct.pack("!I", CREATE_SESSION) + number + struct.pack("!II", first, 2) + channel + back
                                 + struct.pack("!III", 0x40000000, 1, 0)])
        answer.result(CREATE_SESSION)
        self.head = answer.bytes(16)
        await self.ask(struct.pack("!II", RECLAIM_COMPLETE, 0))

    async def top(self):
        answer = await self.ask(struct.pack("!I", PUTROOTFH), struct.pack("!I", GETFH))
        answer.result(PUTROOTFH)
        return answer.handle()

    async def at(self, handle, *operations):
        """Operations on a file; their results."""
        answer = await self.ask(struct.pack("!I", PUTFH) + opaque(handle), *operations)
        answer.result(PUTFH)
        return answer

    async def access(self, handle):
        await self.at(handle, struct.pack("!I", ACCESS) + MAY, struct.pack("!I", GETATTR) + ATTRIBUTES)

    async def lookup(self, folder, name):
        """The handle of a name, or None."""
        answer = await self.at(folder, struct.pack("!I", LOOKUP) + opaque(name.encode()), struct.pack("!I", GETFH),
                               struct.pack("!I", GETATTR) + ATTRIBUTES)
        try:
            answer.result(LOOKUP)
        except Refused as refused:
            if refused.status == MISSING:
                return None
            raise
        return answer.handle()

    async def open(self, folder, name, handle):
        """Opens a file, by its handle if that is known; its handle, its state, and whether that is a delegation."""
        at, claim = (handle, struct.pack("!I", BY_HANDLE)) if handle else (
            folder, struct.pack("!I", BY_NAME) + opaque(name.encode()))
        answer = await self.at(
            at, struct.pack("!IIII", OPEN, 0, FOR_READING, 0) + self.number + opaque(b"open") + bytes(4) + claim,
            struct.pack("!I", GETFH), struct.pack("!I", ACCESS) + MAY, struct.pack("!I", GETATTR) + ATTRIBUTES)
        answer.result(OPEN)
        state = answer.bytes(16)
        answer.bytes(20)
        flags = answer.number()
        answer.bitmap()
        delegation = answer.delegation()
        if flags & NO_STATE and delegation is None:
            raise OSError(f"{name}: opened without a state")
        return answer.handle(), delegation or state, delegation is not None and bool(flags & NO_STATE)

    async def close(self, handle, state, is_delegation):
        operation = struct.pack("!I", DELEGRETURN) if is_delegation else struct.pack("!II", CLOSE, 0)
        answer = await self.at(handle, operation + state)
        answer.result(DELEGRETURN if is_delegation else CLOSE)

    async def read(self, handle, state, offset, count):
        answer = await self.at(handle, struct.pack("!I", READ_PLUS) + state + struct.pack("!QI", offset, count))
        answer.result(READ_PLUS)
        answer.number()
        found = bytearray()
        for _ in range(answer.number()):
            is_hole = answer.number()
            answer.number("!Q")
            found += bytes(answer.number("!Q")) if is_hole else answer.opaque()
        return found

    async def readlink(self, handle):
        answer = await self.at(handle, struct.pack("!I", READLINK))
        answer.result(READLINK)
        return answer.opaque()

    async def readdir(self, handle):
        """All names in a folder."""
        names, cookie, verifier, is_end = [], 0, bytes(8), False
        while not is_end:
            answer = await self.at(handle, struct.pack("!IQ", READDIR, cookie) + verifier + struct.pack("!II", 8192, 32768)
                                   + ATTRIBUTES)
            answer.result(READDIR)
            verifier = answer.bytes(8)
            while answer.number():
                cookie = answer.number("!Q")
                names.append(answer.opaque())
                answer.bitmap()
                answer.opaque()
            is_end = bool(answer.number())
        return names
