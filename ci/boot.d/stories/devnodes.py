"""A client has the static device nodes without their modules; whoever opens one has its module loaded."""

from basic import settle

NODES = {"loop": "loop-control", "tun": "net/tun", "uhid": "uhid", "cuse": "cuse"}


def run(report, cluster):
    node, = cluster.up("n1")
    settle(node)
    try:
        listed = node.sh("kmod static-nodes -f devname | cut -d' ' -f2").split()
        missing = [name for name in listed if node.sh(f"test -c /dev/{name}", check=False)[0]]
        report.equal("n1: every node that depmod lists is there", missing, [])
        for module, name in NODES.items():
            loaded = f"grep -c '^{module} ' /proc/modules"
            report.equal(f"n1: {module} is not loaded", node.sh(loaded, check=False)[1].strip(), "0")
            status, said = node.sh(f"true <>/dev/{name}", check=False)
            report.equal(f"n1: /dev/{name} can be opened", (status, said.strip()), (0, ""))
            report.equal(f"n1: then {module} is loaded", node.sh(loaded, check=False)[1].strip(), "1")
        report.equal("n1: every user may open /dev/net/tun", node.sh("stat -c %a /dev/net/tun").strip(), "666")
    finally:
        cluster.down("n1")
