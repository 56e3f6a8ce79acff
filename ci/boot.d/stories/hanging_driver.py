"""A driver that does not come to an end keeps a node neither from its network card nor from its root."""

from basic import boot_and_check
from cluster import LOWER, QUICKLY

HANGS = f"{LOWER}/etc/modprobe.d/rig.conf"
# All machines have this bridge, and no driver for it. It is asked for before what a card on the virtio bus asks for.
BRIDGE = "/sys/bus/pci/devices/0000:00:00.0/modalias"


def run(report, cluster):
    master = cluster.master
    try:
        master.sh(f"echo install $(cat {BRIDGE}) sleep 1000 >{HANGS} && {QUICKLY} voidclust apply", 900)
        boot_and_check(report, cluster, "n1")
        node = cluster.nodes["n1"]
        report.check("n1: it did not wait for the driver", any("a driver takes long" in line for _, line in node.lines),
                     node.last_lines())
        cluster.down("n1")
    finally:
        master.sh(f"rm -f {HANGS}; {QUICKLY} voidclust apply", 900)
