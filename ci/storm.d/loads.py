"""The real dnsmasq and darkhttpd with what is rendered for them, or nginx with what docs/scale.md says, in a network
namespace, under readers by the hundred.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from cluster import helper
from root import FILES, REPOSITORY
from run import Failure, end, processor_seconds, run, spawn, tool

HERE = Path(__file__).resolve().parent
SERVER = "10.1.0.1"
CARD = "storm0"
SPACES = {"server": f"storm-{os.getpid()}-s", "nodes": f"storm-{os.getpid()}-n"}
SERVICES = {"dhcp": "dnsmasq", "tftp": "dnsmasq", "http": "darkhttpd"}


def missing(ways):
    """Why the servers cannot run here, or None."""
    if os.geteuid() != 0:
        return "it needs root, for network namespaces"
    if {"dhcp", "tftp"} & set(ways) and not tool("dnsmasq"):
        return "dnsmasq is missing (Debian: dnsmasq-base)"
    if "http" in ways and not any(map(os.environ.get, ("NGINX_BIN", "DARKHTTPD"))) and not tool("darkhttpd"):
        return "the real darkhttpd is missing: name one with DARKHTTPD, or nginx with NGINX_BIN"
    return None


def configuration(count):
    """A cluster of so many nodes, whose master answers at our end of the cable."""
    parts = [
        f'[network]\ninterface = "{CARD}"\naddress = "{SERVER}/16"\ndhcp = "server"\n'
        '[master]\nmac = "52:54:00:00:00:00"\n[boot]\ntransfer = "http"\n[client]\nidentity = false\n'
    ]
    parts += [
        f'[[node]]\nname = "n{number}"\nmac = "52:54:00:01:{number >> 8:02x}:{number & 255:02x}"\n'
        f'address = "10.1.{1 + number // 250}.{1 + number % 250}"\n'
        for number in range(count)
    ]
    return "".join(parts)


def rendered(folder, count, log):
    """A root with the master's files for `count` nodes; the paths in them lead into it."""
    overlays = folder / "usr/share/voidclust/overlays"
    for name, package in (("master", "cluster-master"), ("client", "cluster-overlays")):
        shutil.copytree(REPOSITORY / "srcpkgs" / package / "files/overlays" / name, overlays / name)
    # The package, as far as the helper looks for it.
    for name in set(SERVICES.values()):
        shutil.copytree(FILES / "etc/sv" / name, folder / "etc/sv" / name)
    (folder / "etc/voidclust.conf").write_text(configuration(count), encoding="utf-8")
    (folder / "etc/dnsmasq.d").mkdir()
    program = helper(log)
    for path in ("dnsmasq.conf", "dnsmasq.hosts", "sv/dnsmasq/conf", "sv/darkhttpd/conf"):
        status, text = run([program, "--root", folder, "show", "master", path], check=False)
        # With few nodes there is nothing to say of dnsmasq's limits.
        if status == 0:
            for top in ("/etc/", "/srv/"):
                text = text.replace(f"={top}", f"={folder}{top}")
            (folder / "etc" / path).write_text(text, encoding="utf-8")
        elif path != "sv/dnsmasq/conf":
            raise Failure(text)


@contextlib.contextmanager
def cable(count):
    """Two network namespaces and a cable between them; all addresses of nodes are at one end."""
    try:
        for name in SPACES.values():
            run(["ip", "netns", "add", name])
        run(["ip", "link", "add", CARD, "netns", SPACES["server"], "type", "veth", "peer", "eth0", "netns", SPACES["nodes"]])
        for space, card, address in (("server", CARD, SERVER), ("nodes", "eth0", "10.1.0.2")):
            inside(space, "ip", "address", "add", f"{address}/16", "dev", card)
            inside(space, "ip", "link", "set", "lo", "up")
            inside(space, "ip", "link", "set", card, "up")
        for third in range(1, 2 + count // 250):
            inside("nodes", "ip", "route", "add", "local", f"10.1.{third}.0/24", "dev", "lo")
        yield
    finally:
        for name in SPACES.values():
            run(["ip", "netns", "delete", name], check=False)


def inside(space, *argv):
    return run(["ip", "netns", "exec", SPACES[space], *argv])


def for_nginx(folder):
    """The configuration that docs/scale.md shows; the paths in it, and those that nginx has by itself, lead into the folder."""
    text = re.search(r"^ *```nginx\n(.*?)^ *```$", (REPOSITORY / "docs/scale.md").read_text(encoding="utf-8"), re.M | re.S)[1]
    text = re.sub(r"(?<=listen )[0-9.]+", SERVER, text)
    text = re.sub(r"(?<=root )/srv/tftp", f"{folder}/srv/tftp", text)
    text = re.sub(r"(?<=access_log )[^;]+", f"{folder}/nginx.log", text)
    own = "".join(f"{kind}_temp_path {folder}/nginx-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(text.replace("http {", f"http {{ {own}", 1), encoding="utf-8")


def start(way, folder):
    """A server by its service's own settings, with the descriptors that a service of runit has."""
    name = SERVICES[way]
    if way == "http" and os.environ.get("NGINX_BIN"):
        name = "nginx"
        for_nginx(folder)
    program = {"dnsmasq": tool("dnsmasq"), "darkhttpd": os.environ.get("DARKHTTPD") or tool("darkhttpd"),
               "nginx": os.environ.get("NGINX_BIN")}[name]
    script = {
        "dnsmasq": '[ ! -r conf ] || . ./conf; exec "$2" -k -C "$1/etc/dnsmasq.conf" --log-facility="$1/dnsmasq.log"'
                ' --dhcp-leasefile="$1/leases" --pid-file',
        "darkhttpd": '. ./conf; exec "$2" "$WWWDIR" --chroot --uid nobody --gid nogroup $OPTS >"$1/darkhttpd.log"',
        "nginx": 'exec "$2" -e stderr -c "$1/nginx.conf" -g "daemon off; pid $1/nginx.pid;"',
    }[name]
    # nginx raises the second by itself, which root in a container may not.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if name == "nginx" else 4096
    limits = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, most))  # noqa: E731
    with open(folder / f"{name}.err", "wb") as said:
        child = spawn(["ip", "netns", "exec", SPACES["server"], "sh", "-c", script, "run", folder, program],
                      cwd=folder / "etc/sv" / SERVICES[way], stdout=said, stderr=said, preexec_fn=limits)
    sockets, port = {"dnsmasq": ("-lun", 69), "darkhttpd": ("-ltn", 80), "nginx": ("-ltn", 80)}[name]
    until = time.monotonic() + 30
    while f"{SERVER}:{port} " not in inside("server", "ss", sockets)[1]:
        if child.poll() is not None or time.monotonic() > until:
            raise Failure(f"{name} does not serve:\n{(folder / f'{name}.err').read_text(errors='replace')}")
        time.sleep(0.1)
    return child


def processor(pid):
    """The processor seconds of a process and its children."""
    of = Path(f"/proc/{pid}")
    children = (of / f"task/{pid}/children").read_text(encoding="utf-8").split()
    return processor_seconds((of / "stat").read_text(encoding="utf-8")) + sum(map(processor, children))


def measure(way, count, files, part, log):
    """`count` nodes load the `part`th part of each file at once, or ask for an address; what it took them and the server."""
    sizes = [size // part for size in files.values()]
    with contextlib.ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="voidclust-storm.")))
        folder.chmod(0o755)
        rendered(folder, count, log)
        (folder / "srv/tftp").mkdir(parents=True, exist_ok=True)
        for name, size in zip(files, sizes, strict=True):
            file = folder / "srv/tftp" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.urandom(size))
        held.enter_context(cable(count))
        server = start(way, folder)
        held.callback(end, server)
        job = {"way": way, "server": SERVER, "nodes": count, "files": list(files), "sizes": sizes}
        before = processor(server.pid)
        status, said = run(["ip", "netns", "exec", SPACES["nodes"], "prlimit", f"--nofile={count + 100}", sys.executable,
                            HERE / "readers.py", json.dumps(job)], timeout=3600, check=False)
        if status != 0:
            raise Failure(f"the readers: {said}")
        spent = processor(server.pid) - before
    found = json.loads(said.splitlines()[-1])
    return {**found, "way": way, "nodes": count, "part": part, "server": spent, "of a boot": sum(files.values())}


HEAD = (f"{'way':5} {'nodes':>6} {'whole':>6} {'MB/s':>7} {'MB a server s':>14} {'server s a node':>16} {'retries':>8}"
        f" {'last after':>11}")


def line(found):
    """A row of the table; what a node takes is of a whole boot, whatever part was loaded."""
    megabytes = found["bytes"] / 1e6
    rate = megabytes / found["server"] if found["server"] else 0
    node = found["of a boot"] / 1e6 / rate if rate else found["server"] / found["nodes"]
    wall = megabytes / max(found["last"], 0.001)
    return (f"{found['way']:5} {found['nodes']:6} {found['whole']:6} {wall:7.0f} {rate:14.0f} {node:16.3f} "
            f"{found['retries']:8} {found['last']:9.1f} s" + "".join(f"\n      {text}" for text in found["failures"]))
