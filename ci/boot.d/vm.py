"""One machine: a QEMU process, its console, and the line on which it takes commands."""

import base64
import contextlib
import itertools
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import facts
from run import Failure, end, spawn, tool

# How long a machine may take to come up, in seconds. PXELINUX resets one whose load broke off after five minutes, and there
# is time for the second load. The table of seconds shows it.
UP = 900
QEMU = "qemu-system-x86_64"
# Of the package ovmf, or in the folder that OVMF names.
OVMF = os.environ.get("OVMF", "/usr/share/OVMF")
_numbers = itertools.count(1)


def ovmf():
    for size in ("_4M", ""):
        code, variables = (f"{OVMF}/OVMF_{part}{size}.fd" for part in ("CODE", "VARS"))
        if os.path.exists(code) and os.path.exists(variables):
            return code, variables
    return None


def accelerator(kernel):
    """KVM where a kernel starts on it within seconds, else TCG; and why."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg,thread=multi", "no /dev/kvm"
    with tempfile.TemporaryFile() as output:
        child = spawn(
            [tool(QEMU), "-accel", "kvm", "-m", "256", "-display", "none", "-nodefaults",
             "-no-reboot", "-serial", "stdio", "-kernel", kernel,
             "-append", "console=ttyS0 panic=-1"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )
        try:
            child.wait(15)
            output.seek(0)
            # Without a root the kernel ends in a panic: it has then run as far as we need.
            if b"Kernel panic" in output.read():
                return "kvm", "a kernel started on it"
            return "tcg,thread=multi", "a kernel did not start on KVM"
        except subprocess.TimeoutExpired:
            return "tcg,thread=multi", "a kernel hung on KVM"
        finally:
            end(child, grace=1)


class Node:
    """A machine that can be switched on, reset, asked, and switched off."""

    def __init__(self, name, folder, switch, macs, *, card="virtio-net-pci", firmware="bios",
                 accel="tcg,thread=multi", memory=1024, boot_card=0, direct=None, disks=(),
                 icount=None):
        self.name = name
        self.switch = switch
        self.macs = macs if isinstance(macs, (list, tuple)) else [macs]
        self.boot_mac = self.macs[boot_card]
        self.ports = [switch.port() for _ in self.macs]
        self.card = card
        self.firmware = firmware
        self.accel = accel
        self.memory = memory
        self.boot_card = boot_card
        self.direct = direct  # (kernel, initramfs, command line): no network boot
        self.disks = list(disks)
        self.clock = "utc"  # or a date, when the battery of its clock is empty
        self.icount = icount  # its clock counts instructions, as QEMU's option of this name says
        self.late = False  # its card is plugged in by `plug`
        self.retry = False  # a firmware that tries again when nothing could be booted
        self.folder = Path(folder)
        self.console_path = self.folder / f"{name}.console"
        self.qemu = None
        self.power_on = None
        self.ready = None  # time.time() of the first answer
        self.ready_uptime = None
        self.lines = []  # (time, text) of this power-on
        self._answers = {}
        self._news = threading.Condition()
        self._tail = {"console": b"", "agent": b""}
        self._streams = {}

    # Switching on and off

    def start(self):
        if self.qemu is not None:
            raise Failure(f"{self.name} is on already")
        for mac in self.macs:
            self.switch.of(mac).reset()
        inherited = []  # our sockets' other ends
        argv = [
            tool(QEMU), "-name", self.name, "-nodefaults", "-no-user-config",
            "-machine", "q35,graphics=off,sata=off,smbus=off", "-accel", self.accel,
            "-cpu", "qemu64,-svm" if self.accel.startswith("tcg") else "host", "-m", str(self.memory),
            "-display", "none", "-rtc", f"base={self.clock}",
            *self._serial(inherited), *self._cards(inherited), *self._starts(),
        ]
        if self.icount:
            argv += ["-icount", self.icount]
        for index, disk in enumerate(self.disks):
            argv += ["-drive", f"if=none,id=disk{index},format=raw,cache=unsafe,file={disk}",
                     "-device", f"virtio-blk-pci,drive=disk{index}"]
        self.lines = []
        self._tail = {"console": b"", "agent": b""}
        self.ready = None
        self.power_on = time.time()
        with open(self.console_path, "a", encoding="utf-8") as log:
            log.write(f"--- {self.name} switched on\n")
        with open(self.folder / f"{self.name}.qemu", "ab") as said:
            self.qemu = spawn(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                              pass_fds=[end_.fileno() for end_ in inherited])
        for end_ in inherited:
            end_.close()
        for name in ("console", "agent"):
            stream = self._streams[name]
            self.switch.watch(stream, lambda stream=stream, name=name: self._read(stream, name))

    def _serial(self, inherited):
        """The console, the line for commands, and that to QEMU itself."""
        argv = []
        for index, name in enumerate(("console", "agent")):
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            inherited.append(theirs)
            self._streams[name] = ours
            argv += ["-chardev", f"socket,id={name},fd={theirs.fileno()}",
                     "-device", f"isa-serial,chardev={name},index={index}"]
        self._qmp, theirs = socket.socketpair()
        inherited.append(theirs)
        return [*argv, "-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]

    def _cards(self, inherited):
        argv = []
        for index, (mac, port) in enumerate(zip(self.macs, self.ports, strict=True)):
            cable = self.switch.plug(port)
            inherited.append(cable)
            boots = self.direct is None and index == self.boot_card
            card = f"{self.card},netdev=net{index},mac={mac}" + (",bootindex=1" if boots else ",romfile=")
            argv += ["-netdev", f"stream,id=net{index},addr.type=fd,addr.str={cable.fileno()}",
                     "-device", "pcie-root-port,id=empty" if self.late else card]
        return argv

    def plug(self):
        """Put the card into its slot, of a machine that was switched on without."""
        self._qemu("device_add", driver=self.card, netdev="net0", mac=self.boot_mac, bus="empty")

    def _starts(self):
        """Firmware, and what it boots."""
        argv = []
        if self.firmware == "uefi":
            code, variables = ovmf()
            copy = self.folder / f"{self.name}.vars"
            if not copy.exists():
                copy.write_bytes(Path(variables).read_bytes())
            argv += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                     "-drive", f"if=pflash,format=raw,file={copy}"]
        if self.retry:
            argv += ["-boot", "reboot-timeout=10000"]
        if self.direct:
            kernel, initramfs, cmdline = self.direct
            argv += ["-kernel", str(kernel), "-initrd", str(initramfs), "-append", cmdline]
        return argv

    def stop(self):
        if self.qemu is None:
            return
        end(self.qemu, grace=3)
        self.qemu = None
        for stream in self._streams.values():
            if stream.fileno() >= 0:
                with contextlib.suppress(KeyError):
                    self.switch.unwatch(stream)
                stream.close()
        self._streams = {}
        self._qmp.close()

    def reset(self):
        """The reset button: no word to the running system."""
        self.expect_boot()
        self._qemu("system_reset")
        with open(self.console_path, "a", encoding="utf-8") as log:
            log.write(f"--- {self.name} reset\n")

    def _qemu(self, command, **arguments):
        for one in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
            self._qmp.sendall(json.dumps(one).encode())

    def reboot(self, seconds=UP):
        """Ask the running system to reboot, and wait until it answers again."""
        self.expect_boot()
        self.tell("reboot")
        self.wait_ready(seconds)

    def expect_boot(self):
        """What is known of the boot before counts no more: it is about to begin again."""
        for mac in self.macs:
            self.switch.of(mac).reset()
        self.lines = []
        self.ready = None
        self.power_on = time.time()

    # What comes in; called by the switch's thread

    def _read(self, stream, name):
        try:
            data = stream.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.switch.unwatch(stream)
            stream.close()
            with self._news:
                self._news.notify_all()
            return
        *lines, rest = (self._tail[name] + data).split(b"\n")
        self._tail[name] = rest
        now = time.time()
        with self._news:
            for line in lines:
                text = line.decode(errors="replace").rstrip("\r")
                if name == "console":
                    self.lines.append((now, text))
                else:
                    self._said(now, text)
            self._news.notify_all()
        if name == "console" and lines:
            with open(self.console_path, "a", encoding="utf-8") as log:
                for line in lines:
                    log.write(f"{now - self.power_on:7.1f} {line.decode(errors='replace').rstrip()}\n")

    def _said(self, now, text):
        words = text.split(" ", 3)
        if words[0] == "up":
            if self.ready is None:
                self.ready = now
                self.ready_uptime = float(words[1])
        elif words[0] == "end" and len(words) >= 3:
            output = base64.b64decode(words[3]).decode(errors="replace") if len(words) > 3 else ""
            self._answers[words[1]] = (int(words[2]), output)

    # Waiting and asking

    def seen(self):
        return self.switch.of(self.boot_mac)

    def slow(self, pause):
        """Let only one frame through in so many seconds; 0 for a fast cable again."""
        for port in self.ports:
            port.pause = pause
        self.switch.wake()

    def alive(self):
        return self.qemu is not None and self.qemu.poll() is None

    def wait(self, done, seconds, what):
        """Until `done()` is not None; what it returns."""
        until = time.time() + seconds
        with self._news:
            while True:
                found = done()
                if found is not None:
                    return found
                if self.switch.error:
                    raise Failure(f"the switch ended: {self.switch.error}")
                if not self.alive():
                    raise Failure(f"{self.name}: QEMU ended while waiting for {what}")
                left = until - time.time()
                if left <= 0:
                    raise Failure(f"{self.name}: no {what} within {seconds} s")
                self._news.wait(min(left, 1))

    def wait_ready(self, seconds=420):
        """Until stage 2 runs and the node answers."""
        self.wait(lambda: self.ready, seconds, "answer (it did not come up)")

    def wait_console(self, pattern, seconds):
        found = re.compile(pattern)

        def look():
            for _, text in self.lines:
                match = found.search(text)
                if match:
                    return match
            return None

        return self.wait(look, seconds, f"console line like '{pattern}'")

    def sh(self, script, seconds=60, check=True):
        """Run a shell script in the node; its output (both streams)."""
        number = self.tell(script, seconds)
        status, output = self.answer(number, seconds + 30, script.splitlines()[0][:60])
        if check and status != 0:
            raise Failure(f"{self.name}: status {status} from: {script}\n{output}")
        return output if check else (status, output)

    def tell(self, script, seconds=60):
        """Start a script in the node without waiting for its end; the number of the request."""
        number = str(next(_numbers))
        text = base64.b64encode(script.encode()).decode()
        stream = self._streams["agent"]
        # A short line into an empty socket: it does not block for long.
        stream.setblocking(True)
        try:
            stream.sendall(f"run {number} {seconds} {text}\n".encode())
        finally:
            stream.setblocking(False)
        return number

    def answer(self, number, seconds, what):
        """The status and the output of what was told; waits for its end."""
        return self.wait(lambda: self._answers.pop(number, None), seconds, f"answer to: {what}")

    def eventually(self, script, seconds, what):
        """Repeat a script until it succeeds; its output."""
        until = time.time() + seconds
        while True:
            status, output = self.sh(script, check=False)
            if status == 0:
                return output
            if time.time() > until:
                raise Failure(f"{self.name}: {what}: not within {seconds} s\n{output}")
            time.sleep(2)

    def facts(self):
        return facts.parse(self.sh("exec /usr/libexec/rig/facts", 120))

    def last_lines(self, count=25):
        return [text for _, text in self.lines[-count:]]
