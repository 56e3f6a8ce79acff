"""A UEFI client boots, through GRUB and the same images."""

import vm
from basic import boot_and_check


def run(report, cluster):
    if not vm.ovmf():
        report.skip("uefi", "no OVMF on this machine")
        return
    boot_and_check(report, cluster, "n3")
    status, _ = cluster.nodes["n3"].sh("test -d /sys/firmware/efi", check=False)
    report.check("n3: the firmware is UEFI", status == 0)
    cluster.down("n3")
