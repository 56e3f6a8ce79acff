"""What one client asks for while it boots: its files by TFTP and HTTP, and by NFS each look-up, open and read in their order."""

import base64
import gzip
import json
import re
from pathlib import Path

from basic import settle
from cluster import LOWER, Cluster
from facts import operations

FILE = Path(__file__).resolve().parent / "record.json"
CLIENT = "n1"
# The client's kernel notes what its NFS asks for, from the moment the module is there.
TRACE = "trace_event=:mod:nfsv4 trace_buf_size=16M"
ASKED = re.compile(r": (nfs4_[a-z_]+): error=(-?[0-9]+)[^=]*? (.*)$")


class Watched(Cluster):
    """A cluster whose clients note what they ask for."""

    def _configure(self):
        super()._configure()
        file = self.tree / "etc/voidclust.conf"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(" loglevel=4", f" loglevel=4 {TRACE}", 1), encoding="utf-8")


def packed(node, script, seconds=300):
    """The output of a script, which is long, over a serial line."""
    return gzip.decompress(base64.b64decode(node.sh(f"{{ {script}; }} | gzip -9 | base64 -w 0", seconds))).decode()


def boots(cluster):
    """A boot, and what it asked for."""
    node, = cluster.up(CLIENT)
    settle(node)
    trace = packed(node, "mount -t tracefs none /sys/kernel/tracing; cat /sys/kernel/tracing/trace")
    counts, received = operations(node.sh("cat /proc/self/mountstats"), LOWER)
    device = next(line.split()[2] for line in node.sh("cat /proc/self/mountinfo").splitlines() if f" {LOWER} " in line)
    names = packed(cluster.master, f"find /srv/nfs{cluster.root_of(CLIENT)} -xdev -printf '%i %P\\n'")
    record = {
        "tftp": loads(cluster, node),
        "nfs": {"operations": counts, "bytes": received, "steps": steps(trace, device, paths(names))},
        "tools": {**cluster.tools, "kernel": cluster.kernel},
    }
    cluster.down(CLIENT)
    return record


def loads(cluster, node):
    """Each file that was asked for, in order, with its size; one that is not there has none."""
    found = []
    for (_, name), way in zip(node.seen().files, node.seen().loads, strict=True):
        file = cluster.tree / "srv/tftp" / name
        found.append([way, name, file.stat().st_size if file.is_file() else None])
    return found


def paths(text):
    """Inodes of the shared root, and where they are."""
    return {int(inode): path for inode, _, path in (line.partition(" ") for line in text.splitlines())}


def steps(trace, device, names):
    """The root's part of a trace: `path` is a look-up, `path/` a list, `path@` a link, and a list an open with what is read."""
    here = "".join(f"{int(part):02x}:" for part in device.split(":"))
    found, opened = [], {}

    def path(field, text):
        match = re.search(rf"\b{field}={here}([0-9]+)(?:/(\S+))?", text)
        if match is None or int(match[1]) not in names:
            return None
        return "/".join(part for part in (names[int(match[1])], match[2]) if part)

    for kind, error, text in (match.groups() for match in map(ASKED.search, trace.splitlines()) if match):
        if kind == "nfs4_lookup" and path("name", text):
            found.append(path("name", text))
        elif error != "0":
            continue
        elif kind == "nfs4_open_file" and path("name", text):
            # By one name or another: a file that is known is opened by its inode.
            name = path("fileid", text) or path("name", text)
            opened[name] = [name]
            found.append(opened[name])
        elif kind == "nfs4_read" and path("fileid", text):
            name = path("fileid", text)
            offset, count = (int(re.search(rf"\b{word}=([0-9]+)", text)[1]) for word in ("offset", "res"))
            if name not in opened:
                opened[name] = [name]
                found.append(opened[name])
            opened[name] += [offset, count]
        elif kind in ("nfs4_readlink", "nfs4_readdir") and path("fileid", text):
            found.append(path("fileid", text) + ("@" if kind == "nfs4_readlink" else "/"))
    return found


def keep(record):
    """In lines that can be read."""
    nfs = dict(record["nfs"])
    lines = [""]
    for step in map(json.dumps, nfs.pop("steps")):
        if len(lines[-1]) + len(step) > 240:
            lines.append("")
        lines[-1] += f"{step}, "
    steps = "\n  ".join(line.rstrip() for line in lines).rstrip(",")
    text = json.dumps({**record, "nfs": nfs}, indent=1)
    FILE.write_text(f'{text[:-2]},\n "steps": [\n  {steps}\n ]\n}}\n', encoding="utf-8")


def kept():
    return json.loads(FILE.read_text(encoding="utf-8"))
