"""What every boot must show: one master, and clients that are each themselves."""

import hashlib

import disks
from cluster import MACHINES, MASTER


def check_master(report, cluster, facts):
    mounts = facts["mounts"]
    root, lower = mounts["/"], mounts.get("/run/rootfs/lower", {})
    report.equal("master: / is an overlay", root["type"], "overlay")
    report.equal("master: its lower tree is the disk", (lower.get("source"), lower.get("type")),
                 disks.KINDS[cluster.options.disk].lower)
    report.equal("master: its upper tree is in memory",
                 mounts.get("/run/rootfs/cowspace", {}).get("type"), "tmpfs")
    report.equal("master: host name", facts["hostname"].split(".")[0], "master")
    wanted = {"dnsmasq", "nfs-server", "nfsdcld", "rpcbind", "statd"}
    running = {name for name, state in facts["services"].items() if state == "run"}
    report.check("master: the services run", wanted <= running, facts["services"])


def check_client(report, cluster, node, facts):
    name = node.name
    machine = MACHINES[name]
    mounts = facts["mounts"]
    root, lower = mounts["/"], mounts.get("/run/rootfs/lower", {"options": []})
    report.equal(f"{name}: / is an overlay", root["type"], "overlay")
    report.equal(f"{name}: its lower tree is the master's, over NFSv4",
                 (lower.get("source"), lower.get("type")), (f"{MASTER}:{cluster.root_of(name)}", "nfs4"))
    report.check(f"{name}: the lower tree is read-only", "ro" in lower["options"], lower["options"])
    report.equal(f"{name}: its upper tree is in memory",
                 mounts.get("/run/rootfs/cowspace", {}).get("type"), "tmpfs")
    report.equal(f"{name}: the NFSv4 identifier is that of the boot card", facts["identifier"],
                 hashlib.md5(f"{node.boot_mac}\n".encode()).hexdigest())
    address = facts["links"].get(node.boot_mac, {}).get("addresses", [])
    if "address" in machine:
        report.equal(f"{name}: the boot card has the node's address", address, [f"{machine['address']}/24"])
    ahead = node.sh("cat /sys/class/bdi/$(mountpoint -d /run/rootfs/lower)/read_ahead_kb; ls /run/udev/rules.d")
    report.equal(f"{name}: the root's read-ahead, small for the boot, is the kernel's again", ahead.split(), ["128"])
    home = mounts.get("/home", {})
    report.equal(f"{name}: /home is the master's", (home.get("source"), home.get("type")),
                 (f"{MASTER}:/home", "nfs4"))
    down = [service for service, state in facts["services"].items() if state != "run"]
    report.equal(f"{name}: every enabled service runs", down, [])
    loaded = [node.seen().way(name) for name in ("vmlinuz", "initramfs.img")]
    report.equal(f"{name}: its kernel and its initramfs came as they should", loaded, [cluster.transfer] * 2)
    if machine.get("listed") == []:
        return
    report.equal(f"{name}: host name", facts["hostname"].split(".")[0], name)
    profile = machine["profiles"][0]
    report.equal(f"{name}: the file of its profile", facts["profile"], f"{profile} {name}")
    report.equal(f"{name}: the service of its profile", "marker" in facts["services"], profile == "blue")
    wanted = cluster.kernels[0] if machine.get("kernel") else cluster.kernel
    report.equal(f"{name}: its kernel", facts["kernel"], wanted)


def settle(node):
    """Wait for what comes after the first answer: the services, and /home."""
    node.eventually("mountpoint -q /home && sv check /var/service/* >/dev/null", 120, "/home and the services")
    return node.facts()


def boot_and_check(report, cluster, *names):
    """Boot machines at the same time, and look inside each."""
    facts = {}
    for node in cluster.up(*names):
        facts[node.name] = settle(node)
        report.boot(node, facts[node.name])
        check_client(report, cluster, node, facts[node.name])
    return facts


def run(report, cluster, names):
    cluster.start_master()
    facts = {"master": cluster.master.facts()}
    report.boot(cluster.master, facts["master"])
    check_master(report, cluster, facts["master"])
    # For the stories that need the master only.
    if not names:
        return
    facts.update(boot_and_check(report, cluster, *names))

    identifiers = [facts[name]["identifier"] for name in names]
    report.equal("the NFSv4 identifiers differ", len(set(identifiers)), len(names))
    _home_is_shared(report, cluster, names)
    _memory_is_forgotten(report, cluster, names[0], facts[names[0]])


def _home_is_shared(report, cluster, names):
    first, master = cluster.nodes[names[0]], cluster.master
    # Root on a client is nobody here, so the master's own root makes the folder of a user.
    master.sh("mkdir -p /home/user && chown 1000:1000 /home/user")
    script = "setpriv --reuid 1000 --regid 1000 --clear-groups sh -c "
    first.sh(f"{script} 'echo from {names[0]} >/home/user/note'")
    for name in [*names[1:], "master"]:
        found = cluster.nodes[name].eventually("cat /home/user/note", 90, "the file in /home").strip()
        report.equal(f"{name}: a file in /home is the same as on {names[0]}", found, f"from {names[0]}")
    status, _ = first.sh("touch /home/user/root", check=False)
    report.check(f"{names[0]}: its root may not write in /home", status != 0)


def _memory_is_forgotten(report, cluster, name, before):
    node, master = cluster.nodes[name], cluster.master
    node.sh("echo gone >/forgotten && echo gone >/etc/forgotten && test -f /forgotten")
    status, _ = node.sh("touch /run/rootfs/lower/forgotten", check=False)
    report.check(f"{name}: cannot write to the lower tree", status != 0)
    # Asking for a writable mount must not help: the server decides.
    status, said = node.sh(
        f"mkdir -p /run/rig/rw && mount -t nfs4 -o rw,nosharecache {MASTER}:{cluster.root_of(name)} /run/rig/rw &&"
        " touch /run/rig/rw/forgotten", check=False)
    node.sh("umount /run/rig/rw; true")
    report.check(f"{name}: the server lets nobody write to the shared root", status != 0, said)
    found = master.sh("ls /run/rootfs/lower/forgotten /run/rootfs/lower/etc/forgotten; true").strip()
    report.check(f"{name}: what it writes does not reach the master's disk",
                 found.count("No such file") == 2, found)
    node.reboot()
    after = settle(node)
    report.check(f"{name}: rebooted", before["boot_id"] != after["boot_id"])
    status, _ = node.sh("test -e /forgotten || test -e /etc/forgotten", check=False)
    report.check(f"{name}: what it wrote is gone after a reboot", status != 0)
    report.equal(f"{name}: its NFSv4 identifier is the same after a reboot",
                 after["identifier"], before["identifier"])
    report.equal(f"{name}: the file in /home outlives the reboot", node.sh("cat /home/user/note").strip(),
                 f"from {name}")
