"""Each node has keys and ids of its own, over a reboot, and every machine knows whose they are."""

from basic import settle
from cluster import LOWER

KEY = "etc/ssh/ssh_host_ed25519_key"
# The rig has no sshd: one in name, and what makes keys for it in form.
GENERATOR = """\
#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -t) kind=$2 ;; -f) file=$2 ;; esac; shift; done
key=$(od -An -N8 -tx1 /dev/urandom | tr -d ' ')
umask 077
echo "private-$key" >"$file"
umask 022
echo "ssh-$kind $key" >"$file.pub"
"""
OWN = f"cd / && sha256sum {KEY} etc/machine-id etc/hostid"
APPLY = "PATH=/run/rig/bin:$PATH voidclust apply"


def run(report, cluster):
    master = cluster.master
    before = master.sh("cat /etc/machine-id; true")
    master.sh(f"mkdir -p /run/rig/bin {LOWER}/etc/sv/sshd && cat >/run/rig/bin/ssh-keygen <<'EOF'\n{GENERATOR}EOF\n"
              "chmod 755 /run/rig/bin/ssh-keygen")
    try:
        master.sh(APPLY, 600)
        one, two = nodes = cluster.up("n1", "n2")
        for node in nodes:
            settle(node)
        own = {node.name: node.sh(OWN) for node in nodes}
        for first, second in zip(own["n1"].splitlines(), own["n2"].splitlines(), strict=True):
            report.check(f"n1 and n2: {first.split()[1]} is another on each", first != second, first)
        report.equal("n1: its private key is for root alone", one.sh(f"stat -c '%a %u:%g' /{KEY}").strip(), "600 0:0")
        known = {machine.name: machine.sh("cat /etc/ssh/ssh_known_hosts") for machine in (master, *nodes)}
        report.check("master, n1 and n2: they know the same keys", len(set(known.values())) == 1, known)
        for node in nodes:
            public = " ".join(node.sh(f"cat /{KEY}.pub").split()[:2])
            line = f"{node.name},"
            found = [text for text in known["n1"].splitlines() if text.startswith(line) and text.endswith(public)]
            report.check(f"{node.name}: its key is known by its name", len(found) == 1, known["n1"])
        report.equal("master: its machine id is what it was", master.sh("cat /etc/machine-id; true"), before)
        cluster.down("n1")
        one, = cluster.up("n1")
        settle(one)
        report.equal("n1: after a reboot it has the same keys and ids", one.sh(OWN), own["n1"])
        master.sh(f"voidclust node forget-keys n1 && {APPLY}", 600)
        one.sh("voidclust refresh", 120, check=False)
        report.check("n1: once they are forgotten a refresh brings others", one.sh(OWN) != own["n1"])
        report.equal("n2: it keeps its own", two.sh(OWN), own["n2"])
    finally:
        cluster.down("n1", "n2")
        master.sh(f"rm -r /run/rig/bin {LOWER}/etc/sv/sshd {LOWER}/var/lib/voidclust/identity/*/ssh_*; voidclust apply", 600)
