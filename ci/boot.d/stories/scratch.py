"""An empty disk of a node is formatted, mounted and kept; one that holds something is left alone, one that is missing is told."""

from run import run as command

SITE = """[profile.blue]
overlays = ["blue"]
services = ["marker"]
scratch = { device = "/dev/vda", path = "/local", swap = "/dev/vdb" }
"""
MISSING = SITE.replace("/dev/vda", "/dev/vdz")


def run(report, cluster):
    node = cluster.node("n1")
    disks = [cluster.work / "empty.img", cluster.work / "full.img"]
    for disk in disks:
        command(["truncate", "-s", "64M", disk])
    command(["mke2fs", "-q", "-L", "theirs", disks[1]])
    before = disks[1].read_bytes()
    node.disks = disks
    try:
        status, said = cluster.configure(SITE)
        report.equal("scratch: apply", status, 0)
        cluster.up("n1")
        mounts = node.facts()["mounts"]
        work = mounts.get("/local", {})
        report.equal("scratch: an empty disk is in use", (work.get("source"), work.get("type")), ("/dev/vda", "ext4"))
        report.equal("scratch: everybody may write there", node.sh("stat -c %a /local").strip(), "1777")
        report.equal("scratch: what holds something is not swapped to", node.sh("wc -l </proc/swaps").strip(), "1")
        said = node.sh("dmesg | grep scratch:", check=False)[1]
        report.check("scratch: and that is said", "/dev/vdb holds ext" in said, said)
        node.sh("echo kept >/local/rig && sync")
        node.reboot()
        kept = node.sh("cat /local/rig", check=False)[1].strip()
        report.equal("scratch: what was written is there after a reboot", kept, "kept")
        cluster.down("n1")
        report.check("scratch: the other disk is as it was", disks[1].read_bytes() == before)
        cluster.configure(MISSING)
        cluster.up("n1")
        said = node.sh("dmesg | grep scratch:", check=False)[1]
        report.check("scratch: a node without its disk boots and says so", "/dev/vdz is not there" in said, said)
    finally:
        cluster.down("n1")
        node.disks = []
        cluster.configure("")
        for disk in disks:
            disk.unlink()
