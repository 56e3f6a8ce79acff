"""The site has an rc.local of its own in the master's overlay: it runs, ours does too, each once."""

from cluster import LOWER

SCRIPT = f"{LOWER}/etc/voidclust/overlays/rig-master/rc.local"
# The lower tree's is run on every node that has no other from an overlay.
SHARED = f"{LOWER}/etc/rc.local"


def run(report, cluster):
    master = cluster.master
    master.sh(f"cp -a {SHARED} /home/rc.local.kept && printf '#!/bin/sh\\necho shared >>/run/rig/rc\\n' >{SHARED}")
    master.sh(f"printf '#!/bin/sh\\necho site >>/run/rig/rc\\n' >{SCRIPT} && chmod 755 {SCRIPT}")
    try:
        status, said = cluster.configure("")
        report.check("master: apply succeeds", status == 0, said)
        cluster.reboot_master(serves=False)
        ran = master.sh("cat /run/rig/rc; true").split()
        report.equal("master: the site's rc.local ran once, in the place of the shared root's", ran, ["site"])
        bound = master.facts()["mounts"]
        report.check("master: ours ran, the shared root and the home are bound",
                     {"/srv/nfs/head", "/srv/nfs/home"} <= set(bound), sorted(bound))
        times = master.sh("grep -c ' /srv/nfs/head ' /proc/self/mounts; true").strip()
        report.equal("master: and once", times, "1")
        status, said = master.sh("for try in $(seq 60); do exportfs -s | grep /srv/nfs/head && exit; sleep 1; done; exit 1",
                                 120, check=False)
        report.check("master: the shared root is exported", status == 0, said)
    finally:
        master.sh(f"rm -f {SCRIPT}; cp -a /home/rc.local.kept {SHARED} && rm /home/rc.local.kept")
        cluster.configure("")
        cluster.reboot_master()
