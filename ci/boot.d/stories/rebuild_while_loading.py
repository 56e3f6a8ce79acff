"""The clients' image is rebuilt while one of them loads the old one: it boots a whole image."""

import time

from basic import settle
from cluster import LOWER


def run(report, cluster):
    node, master = cluster.node("n1"), cluster.master
    images = f"ls {LOWER}/srv/tftp/images"
    before = set(master.sh(images).split())
    node.start()
    try:
        # The kernel is 12 MB: it is now in the initramfs, and from here on in slow motion.
        node.wait(lambda: node.seen().load_bytes > 14 << 20 or None, 600, "the load of the initramfs")
        node.slow(0.1)
        report.check("n1: it is still loading", "initramfs" in node.seen().files[-1][1], node.seen().files)
        status, said = cluster.configure('[client]\nmodules = ["dummy"]\n')
        report.check("master: apply builds an image", status == 0, said)
        after = set(master.sh(images).split())
        report.check("master: the new image stands beside the old one", before < after, (before, after))
        report.check("n1: it is still loading after the rebuild", node.ready is None and
                     time.time() - (node.seen().load_last or 0) < 10, node.last_lines())
        node.slow(0)
        node.wait_ready(600)
        settle(node)
        loaded = {name.split("/")[-2] for _, name in node.seen().files if "/images/" in f"/{name}"}
        report.check("n1: kernel and initramfs are of one image, the old one",
                     len(loaded) == 1 and loaded <= before, loaded)
        cluster.down("n1")
        node.start()
        node.wait_ready(600)
        loaded = {name.split("/")[-2] for _, name in node.seen().files if "/images/" in f"/{name}"}
        report.check("n1: the next boot takes the new image", len(loaded) == 1 and not loaded & before, loaded)
    finally:
        node.slow(0)
        node.stop()
        cluster.configure("")
