"""What was changed on a running node is taken over into an overlay: files, with mode and owner, and what was removed."""

from cluster import LOWER

# The machines of the rig have no ssh. This one brings what the node has answered, by the home that they share.
SSH = "#!/bin/sh\nexec cat /home/rig.answer\n"
OVERLAY = f"{LOWER}/etc/voidclust/overlays/taken"


def run(report, cluster):
    master = cluster.master
    try:
        cluster.up("n1")
        node = cluster.node("n1")
        node.sh("echo changed >/etc/motd && mkdir -p /etc/rig.d && echo x >/etc/rig.d/x && "
                "chown 7:8 /etc/rig.d/x && chmod 640 /etc/rig.d/x && rm /etc/issue")
        master.sh(f"mkdir -p /run/rig/bin && printf %b {SSH!r} >/run/rig/bin/ssh && chmod 755 /run/rig/bin/ssh")
        master.sh("chmod 1777 /home")
        node.sh("voidclust hook changed >/home/rig.answer", 120)
        status, said = master.sh("PATH=/run/rig/bin:$PATH voidclust capture n1 -o taken", 120, check=False)
        report.equal("capture: it is taken", status, 0)
        report.check("capture: nothing that was laid is listed", " hosts\n" not in said and " fstab\n" not in said, said)
        report.equal("capture: a file is as it was changed", master.sh(f"cat {OVERLAY}/motd", check=False)[1].strip(), "changed")
        report.equal("capture: with mode and owner",
                     master.sh(f"stat -c '%a %u:%g' {OVERLAY}/rig.d/x", check=False)[1].strip(), "640 7:8")
        report.equal("capture: what was removed is marked",
                     master.sh(f"ls -A {OVERLAY} | grep '^.wh'", check=False)[1].strip(), ".wh.issue")
    finally:
        cluster.down("n1")
        master.sh(f"rm -rf {OVERLAY} /run/rig/bin /home/rig.answer")
