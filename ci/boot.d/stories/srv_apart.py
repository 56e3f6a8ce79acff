"""/srv is a file system of its own: what `apply` writes is what is served, or it refuses."""

from cluster import LOWER
from run import run as command

MENUS = "cat /srv/tftp/pxelinux.cfg/default"
MARK = "rig.apart"


def run(report, cluster):
    master = cluster.master
    disk = cluster.work / "srv.img"
    command(["mke2fs", "-q", "-t", "ext4", disk, "256M"])
    master.sh("sync")
    master.stop()
    master.disks.append(disk)
    try:
        cluster.start_master()
        master.sh("mkdir -p /run/rig/srv && mount /dev/vdb /run/rig/srv &&"
                  f" cp -a {LOWER}/srv/. /run/rig/srv && umount /run/rig/srv &&"
                  f" echo '/dev/vdb /srv ext4 defaults 0 0' >>{LOWER}/etc/fstab", 240)
        cluster.reboot_master()
        report.equal("master: /srv is the other disk",
                     master.facts()["mounts"].get("/srv", {}).get("source"), "/dev/vdb")
        status, said = cluster.configure(f'[client]\ncmdline = "console=ttyS0 {MARK}"\n')
        served = MARK in master.sh(MENUS)
        report.check("master: apply wrote what is served, or refused and named /srv",
                     served if status == 0 else "/srv" in said, f"status {status}, served: {served}\n{said}")
        status, said = master.sh("voidclust diff", 120, check=False)
        report.check("master: in sync is said only of what is served", served or "in sync" not in said, said)
    finally:
        if master.alive():
            cluster.configure("")
            master.sh(f"sed -i '/ .srv ext4 /d' {LOWER}/etc/fstab && sync")
        master.stop()
        master.disks.remove(disk)
        cluster.start_master()
        cluster.configure("")
        disk.unlink()
