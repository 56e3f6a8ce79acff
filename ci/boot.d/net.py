"""The cluster's network: a switch that lives in this process.

QEMU's `stream` netdev carries each Ethernet frame with its length before it. A learning
switch of a few lines makes a network of them that no other process can reach, that needs
no privileges, and that sees what every node asks for, and when.
"""

import collections
import ipaddress
import selectors
import socket
import struct
import threading
import time

BROADCAST = b"\xff" * 6


def mac_text(mac):
    return mac.hex(":")


class Port:
    """One cable of the switch; `link` is there while a machine is switched on."""

    def __init__(self):
        self.link = None
        self.incoming = b""
        self.outgoing = bytearray()
        self.plugged = True
        self.pause = 0  # seconds between two frames to this machine
        self.held = collections.deque()
        self.due = 0.0


class Seen:
    """What one machine did on the network since it was switched on; times of time.time()."""

    def __init__(self):
        self.first = None  # its first frame: the firmware asks for an address
        self.files = []  # (time, name) of each request by TFTP or HTTP
        self.loads = []  # the way that each of them was asked for: "tftp" or "http"
        self.load_bytes = 0
        self.load_last = None
        self.frames = 0  # to it and from it
        self.nfs_first = None
        self.nfs_bytes = 0

    def reset(self):
        self.__init__()

    def way(self, name):
        """How a file of this name was asked for in the end: "tftp", "http", or None."""
        ways = [way for (_, asked), way in zip(self.files, self.loads, strict=True) if name in asked]
        return ways[-1] if ways else None


class Switch(threading.Thread):
    """Forwards frames, and reads serial lines (`watch`) in the same loop."""

    # More than this queued for one machine and frames are lost, as on a real wire.
    QUEUE = 4 << 20

    def __init__(self):
        super().__init__(name="switch", daemon=True)
        self.selector = selectors.DefaultSelector()
        self.ports = []
        self.table = {}
        self.seen = {}
        self.services = []  # called with each broadcast frame; answer with frames
        self.stopping = False
        self.error = None
        self.lock = threading.RLock()
        self._wake, self._waker = socket.socketpair()
        self.selector.register(self._wake, selectors.EVENT_READ, self._woken)

    def port(self):
        port = Port()
        with self.lock:
            self.ports.append(port)
        return port

    def plug(self, port):
        """The machine's end of a new cable, for QEMU to inherit."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with self.lock:
            self._unplug(port)
            port.link = ours
            self.selector.register(ours, selectors.EVENT_READ, port)
        self.wake()
        return theirs

    def watch(self, stream, callback):
        """Call `callback` whenever `stream` can be read."""
        with self.lock:
            self.selector.register(stream, selectors.EVENT_READ, callback)
        self.wake()

    def unwatch(self, stream):
        with self.lock:
            self.selector.unregister(stream)

    def wake(self):
        self._waker.send(b".")

    def stop(self):
        self.stopping = True
        self.wake()
        self.join(10)

    def of(self, mac):
        return self.seen.setdefault(mac, Seen())

    def run(self):
        try:
            while not self.stopping:
                held = [port.due for port in self.ports if port.held]
                events = self.selector.select(max(0, min([1, *[due - time.time() for due in held]])))
                with self.lock:
                    for port in self.ports:
                        self._release(port)
                    for key, mask in events:
                        # An earlier event of this round may have closed it.
                        if key.fileobj.fileno() < 0:
                            continue
                        if isinstance(key.data, Port):
                            self._serve(key.data, mask)
                        else:
                            key.data()
        except Exception as error:  # the main thread reports it
            self.error = error
            raise

    def _woken(self):
        self._wake.recv(4096)

    def _unplug(self, port):
        if port.link is not None:
            self.selector.unregister(port.link)
            port.link.close()
            port.link = None
        port.incoming = b""
        port.outgoing.clear()
        port.held.clear()

    def _serve(self, port, mask):
        if mask & selectors.EVENT_WRITE:
            self._flush(port)
        if not mask & selectors.EVENT_READ or port.link is None:
            return
        try:
            data = port.link.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._unplug(port)
            return
        data = port.incoming + data
        at = 0
        while len(data) - at >= 4:
            size = int.from_bytes(data[at : at + 4], "big")
            if len(data) - at - 4 < size:
                break
            frame = data[at + 4 : at + 4 + size]
            at += 4 + size
            if port.plugged and size >= 14:
                self._frame(port, frame)
        port.incoming = data[at:]

    def _frame(self, port, frame):
        target, source = frame[:6], frame[6:12]
        self.table[source] = port
        self._note(frame, mac_text(source), mac_text(target))
        if target[0] & 1:
            for other in self.ports:
                if other is not port:
                    self._send(other, frame)
            for service in self.services:
                for answer in service(frame):
                    self.inject(answer)
        elif target in self.table:
            if self.table[target] is not port:
                self._send(self.table[target], frame)
        else:
            for other in self.ports:
                if other is not port:
                    self._send(other, frame)

    def inject(self, frame):
        """A frame from this process itself."""
        with self.lock:
            port = self.table.get(frame[:6])
            for other in [port] if port else self.ports:
                self._send(other, frame)

    def _send(self, port, frame):
        if port.pause or port.held:
            if len(port.held) < 1000:
                port.held.append(frame)
            return
        self._put(port, frame)

    def _release(self, port):
        now = time.time()
        while port.held and (port.due <= now or not port.pause):
            self._put(port, port.held.popleft())
            port.due = max(port.due, now - 1) + port.pause

    def _put(self, port, frame):
        if port.link is None or not port.plugged or len(port.outgoing) > self.QUEUE:
            return
        port.outgoing += len(frame).to_bytes(4, "big") + frame
        self._flush(port)

    def _flush(self, port):
        try:
            while port.outgoing:
                sent = port.link.send(port.outgoing)
                del port.outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._unplug(port)
            return
        events = selectors.EVENT_READ
        if port.outgoing:
            events |= selectors.EVENT_WRITE
        self.selector.modify(port.link, events, port)

    def _note(self, frame, source, target):
        now = time.time()
        seen = self.of(source)
        seen.frames += 1
        if seen.first is None:
            seen.first = now
        if not frame[0] & 1:
            self.of(target).frames += 1
        if frame[12:14] != b"\x08\x00" or len(frame) < 34:
            return
        header = 14 + (frame[14] & 15) * 4
        if frame[23] == 17 and len(frame) >= header + 8:
            theirs, ours = struct.unpack_from("!HH", frame, header)
            payload = frame[header + 8 :]
            if ours == 69 and payload[:2] == b"\0\1":
                name = payload[2:].split(b"\0")[0].decode(errors="replace")
                self._asks(seen, now, name, "tftp")
            elif payload[:2] == b"\0\3" and theirs != 67 and ours != 67:
                self._loads(self.of(target), now, len(payload) - 4)
        elif frame[23] == 6 and len(frame) >= header + 20:
            theirs, ours = struct.unpack_from("!HH", frame, header)
            length = struct.unpack_from("!H", frame, 16)[0]
            payload = frame[header + (frame[header + 12] >> 4) * 4 : 14 + length]
            if ours == 80:
                words = payload.split(b"\r\n")[0].split(b" ")
                if words[0] == b"GET" and len(words) == 3:
                    self._asks(seen, now, words[1].decode(errors="replace").lstrip("/"), "http")
            elif theirs == 80:
                self._loads(self.of(target), now, len(payload))
            elif ours == 2049:
                if seen.nfs_first is None:
                    seen.nfs_first = now
                seen.nfs_bytes += len(frame)
            elif theirs == 2049:
                self.of(target).nfs_bytes += len(frame)


    @staticmethod
    def _asks(seen, now, name, way):
        seen.files.append((now, name))
        seen.loads.append(way)

    @staticmethod
    def _loads(seen, now, count):
        if seen.files and count:
            seen.load_bytes += count
            seen.load_last = now


class SiteDhcp:
    """The site's own DHCP server: it gives out addresses and knows nothing of booting."""

    MAC = bytes.fromhex("525400feed01")
    MAGIC = b"\x63\x82\x53\x63"
    DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5

    def __init__(self, network, server, first):
        self.network = ipaddress.ip_network(network)
        self.server = ipaddress.ip_address(server)
        self.next = ipaddress.ip_address(first)
        self.leases = {}

    def __call__(self, frame):
        request = self._parse(frame)
        if request is None:
            return []
        kind, chosen, bootp = request
        # Said to another server, or a question about booting only: not ours.
        if kind not in (self.DISCOVER, self.REQUEST) or chosen not in (None, self.server.packed):
            return []
        mac = bootp[28:34]
        if mac not in self.leases:
            self.leases[mac] = self.next
            self.next += 1
        return [self._answer(bootp, mac, self.OFFER if kind == self.DISCOVER else self.ACK)]

    def _parse(self, frame):
        if frame[12:14] != b"\x08\x00" or frame[23:24] != b"\x11":
            return None
        header = 14 + (frame[14] & 15) * 4
        bootp = frame[header + 8 :]
        if frame[header + 2 : header + 4] != b"\0\x43" or bootp[236:240] != self.MAGIC:
            return None
        kind = chosen = None
        at = 240
        while at + 1 < len(bootp) and bootp[at] != 255:
            if bootp[at] == 0:
                at += 1
                continue
            value = bootp[at + 2 : at + 2 + bootp[at + 1]]
            if bootp[at] == 53:
                kind = value[0]
            elif bootp[at] == 54:
                chosen = value
            at += 2 + bootp[at + 1]
        return kind, chosen, bootp

    def _answer(self, bootp, mac, kind):
        address, server = self.leases[mac].packed, self.server.packed
        options = b"".join(
            bytes((code, len(value))) + value
            for code, value in (
                (53, bytes((kind,))),
                (54, server),
                (51, (3600).to_bytes(4, "big")),
                (1, self.network.netmask.packed),
                (3, server),
            )
        )
        reply = (
            b"\2\1\6\0" + bootp[4:8] + b"\0\0" + bootp[10:12] + bytes(4) + address + server
            + bytes(4) + mac + bytes(10) + bytes(192) + self.MAGIC + options + b"\xff"
        )
        udp = struct.pack("!HHHH", 67, 68, 8 + len(reply), 0) + reply
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
        head += server + b"\xff" * 4
        total = sum(struct.unpack("!10H", head))
        total = (total & 0xFFFF) + (total >> 16)
        head = head[:10] + (~total & 0xFFFF).to_bytes(2, "big") + head[12:]
        return BROADCAST + self.MAC + b"\x08\x00" + head + udp
