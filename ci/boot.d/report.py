"""Cases, their results, and the table of the boots."""

import json
import time
import traceback

from run import Failure, say


class Report:
    def __init__(self, json_to=None):
        self.cases = []
        self.boots = []
        self.tools = {}
        self.json_to = json_to  # a stream; then nothing is told case by case
        self.begun = time.time()

    def _add(self, result, name, detail=""):
        self.cases.append({"case": name, "result": result, "detail": detail})
        if not self.json_to:
            text = f"{result:4}  {name}"
            say(f"{text}: {detail}" if detail else text)

    def check(self, name, true, detail=""):
        """One case. A failed one is noted with what was found, and the run goes on."""
        self._add("ok" if true else "FAIL", name, "" if true else str(detail))
        return bool(true)

    def equal(self, name, found, wanted):
        return self.check(name, found == wanted, f"found {found!r}, wanted {wanted!r}")

    def fail(self, name, detail):
        self._add("FAIL", name, detail)

    def skip(self, name, why):
        self._add("skip", name, why)

    def count(self, result):
        return sum(case["result"] == result for case in self.cases)

    def boot(self, node, facts):
        """A row of the table, from what the switch and the node saw of one boot."""
        seen = node.switch.of(node.boot_mac)
        kernel_asked = [at for at, name in seen.files if "vmlinuz" in name]
        row = {"node": node.name, "firmware": node.firmware, "card": node.card, "kernel": facts["kernel"]}
        if kernel_asked and seen.load_last:
            row["loader_seconds"] = round(kernel_asked[0] - node.power_on, 1)
            row["transfer_seconds"] = round(seen.load_last - kernel_asked[0], 1)
            row["transfer_bytes"] = seen.load_bytes
            row["transfer"] = seen.way("vmlinuz")
            row["frames"] = seen.frames
        row["overlay_seconds"] = facts["overlay_seconds"]
        row["stage1_seconds"] = facts["stage1_seconds"]
        row["services_seconds"] = node.ready_uptime
        row["total_seconds"] = round(node.ready - node.power_on, 1)
        row["nfs_bytes"] = seen.nfs_bytes
        self.boots.append(row)

    def table(self):
        titles = ("node", "firmware", "loader", "transfer", "overlay", "services", "total", "NFS")
        rows = [titles]
        for row in self.boots:
            size = row.get("transfer_bytes")
            rows.append((
                row["node"],
                f"{row['firmware']}, {row['card'].split('-')[0]}",
                _seconds(row.get("loader_seconds")),
                _seconds(row.get("transfer_seconds")) + (f" {size / 2**20:.1f} MiB {row['transfer']}" if size else ""),
                _seconds(row["overlay_seconds"]),
                _seconds(row["services_seconds"]),
                _seconds(row["total_seconds"]),
                f"{row['nfs_bytes'] / 2**20:.1f} MiB" if row["node"] != "master" else "-",
            ))
        widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)

    def finish(self):
        passed, failed, skipped = self.count("ok"), self.count("FAIL"), self.count("skip")
        if self.json_to:
            json.dump({"cases": self.cases, "boots": self.boots, "tools": self.tools,
                       "seconds": round(time.time() - self.begun)}, self.json_to, indent=1)
            self.json_to.write("\n")
        elif self.boots:
            say("\nseconds of: firmware and loader until they ask for the kernel; kernel and initramfs over\n"
                "the network; from the kernel's start to the overlays laid, and to the services; all of it\n")
            say(self.table())
            say("\n" + "; ".join(f"{what}: {which}" for what, which in self.tools.items()))
        say(f"boot: {passed} passed, {failed} failed, {skipped} skipped")
        return 1 if failed else 0


def _seconds(value):
    return "-" if value is None else f"{value:.1f}"


def story(report, name, function, *arguments):
    """Run one story; what it could not go on without is a failed case of its name."""
    try:
        function(report, *arguments)
    except Failure as failure:
        report.fail(name, str(failure))
        return False
    except Exception:  # noqa: BLE001 - a mistake in a story must not hide the others
        report.fail(name, traceback.format_exc())
        return False
    return True
