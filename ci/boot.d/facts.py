"""What a node tells of itself: the output of `tree/usr/libexec/rig/facts`, made ready for JSON."""

import re


def parse(text):
    parts = {}
    name = None
    for line in text.splitlines():
        if line.startswith("@") and re.fullmatch(r"@[a-z0-9_]+", line):
            name = line[1:]
            parts[name] = []
        elif name:
            parts[name].append(line)
    parts = {name: "\n".join(lines).strip() for name, lines in parts.items()}
    mounts = {}
    for line in parts["mounts"].splitlines():
        source, target, kind, options = line.split()[:4]
        # The last one mounted on a place is the one that is seen.
        mounts[target] = {"source": source, "type": kind, "options": options.split(",")}
    services = {}
    for line in parts["services"].splitlines():
        match = re.match(r"(\w+): (?:\S*/)?([^/:]+): ", line)
        if match:
            services[match[2]] = match[1]
    links = {}
    for line in parts["links"].splitlines():
        mac, name, *addresses = line.split()
        links[mac] = {"name": name, "addresses": addresses}

    def seconds(name):
        return float(parts[name].split()[0]) if parts[name] else None

    return {
        "hostname": parts["hostname"],
        "kernel": parts["kernel"],
        "cmdline": parts["cmdline"].split(),
        "mounts": mounts,
        "services": services,
        "links": links,
        "identifier": parts["identifier"],
        "profile": parts["profile"],
        "overlays": parts["overlays"],
        "overlay_seconds": seconds("overlay_seconds"),
        "stage1_seconds": seconds("stage1_seconds"),
        "boot_id": parts["boot_id"],
    }


def operations(mountstats, place):
    """Of the mount at a place: how often each operation was asked for, and the bytes that came."""
    counts, received, here = {}, 0, False
    for line in mountstats.splitlines():
        if line.startswith("device "):
            here = f" mounted on {place} with fstype nfs4" in line
        match = re.match(r"\s+([A-Z_]+): ([0-9 ]+)$", line)
        if here and match and not match[2].startswith("0 "):
            fields = match[2].split()
            counts[match[1]] = int(fields[0])
            received += int(fields[4])
    return counts, received
