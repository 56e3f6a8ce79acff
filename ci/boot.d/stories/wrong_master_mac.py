"""The master's card is not the one of its `mac`: it does not become a stranger, and says what is wrong."""

OTHER = "52:54:00:c1:00:0f"


def run(report, cluster):
    master = cluster.master
    status, said = cluster.configure(f'[master]\nmac = "{OTHER}"\n')
    cluster.configure("")
    report.check("master: a `mac` that is no card of this machine is refused", status not in (0, 3), said)
    report.check("master: and named", OTHER in said, said)

    right = master.boot_mac
    master.sh("sync")
    master.stop()
    master.macs, master.boot_mac = [OTHER], OTHER
    try:
        # By its console: without its card it has no address that anybody knows.
        master.start()
        master.wait_ready(600)
        facts = master.facts()
        strangers = master.sh("voidclust show default hostname; true").strip()
        report.check("master: it has not the name of strangers", facts["hostname"] != strangers, strangers)
        report.check("master: the overlay of strangers was not laid", "default." not in facts["overlays"], facts["overlays"])
        report.check("master: the home is no mount of its own NFS server",
                     facts["mounts"].get("/home", {}).get("type") not in ("nfs", "nfs4"), facts["mounts"].get("/home"))
        fstab = master.sh("grep nfs /etc/fstab; true").strip()
        report.equal("master: its fstab mounts nothing over NFS", fstab, "")
        said = [text for _, text in master.lines if "WARNING" in text and ("overlay" in text or right in text)]
        report.check("master: the console warns", said, master.last_lines())
    finally:
        master.stop()
        master.macs, master.boot_mac = [right], right
        cluster.start_master()
