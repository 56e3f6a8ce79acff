"""Images are built and pruned on the running master: what it serves names only images that it serves."""

from cluster import LOWER, QUICKLY

# As dnsmasq sees them: by this machine's own view of the tree, not by the tree below it.
NAMED = (
    "cd /srv/tftp && find pxelinux.cfg grub -type f -exec grep -ho 'images/[^/ ]*' {} + | sort -u |"
    " while read -r image; do [ -s $image/vmlinuz ] && echo $image || echo \"missing: $image\"; done"
)

# It goes into every image, and a comment more changes nothing in what it does.
HOOK = f"{LOWER}/usr/lib/initcpio/hooks/netroot"


def run(report, cluster):
    master = cluster.master
    before = set(master.sh(NAMED).split())
    report.check("master: what it serves names an image", before and "missing:" not in before, before)
    master.sh(f"cp -a {HOOK} /home/hook.kept")
    try:
        cluster.configure("[boot]\nkeep = 1\n")
        # Two: whatever the site keeps, the newest image but one stays, for a node may be loading it. The same content
        # would be the same image.
        for options in ("--force", ""):
            master.sh(f"echo '# {options} another' >>{HOOK}")
            status, said = master.sh(f"{QUICKLY} voidclust image build {options}", 900, check=False)
            report.check(f"master: image build {options}".rstrip() + " succeeds", status == 0, said)
        built = set(master.sh(NAMED).split())
        report.check("master: what it serves names the new image, and it is there",
                     built and "missing:" not in built and not built & before, (before, built))
        status, said = master.sh("voidclust image prune", 120, check=False)
        report.check("master: image prune succeeds", status == 0, said)
        left = {f"images/{name}" for name in master.sh(f"ls {LOWER}/srv/tftp/images").split()}
        report.check("master: the old image is gone", not left & before, left)
        named = set(master.sh(NAMED).split())
        report.check("master: what it serves names only what is left", named and named <= left, (named, left))
    finally:
        master.sh(f"cp -a /home/hook.kept {HOOK} && rm /home/hook.kept")
        cluster.configure("")
