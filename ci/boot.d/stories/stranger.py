"""A machine that is not listed boots with the default overlay."""

from basic import boot_and_check
from cluster import MACHINES


def run(report, cluster):
    facts = boot_and_check(report, cluster, "stranger")["stranger"]
    name = facts["hostname"].split(".")[0]
    report.check("stranger: it has a name that is nobody's",
                 name not in ("", "(none)", "master", *MACHINES), facts["hostname"])
    report.check("stranger: the log says that it took the default", "default" in facts["overlays"], facts["overlays"])
    cluster.down("stranger")
