"""What ci/bench-boot measured beside what was kept: tables, docs/performance.json and docs/boot.svg."""

import json
import statistics

from root import REPOSITORY
from run import Failure

FILE = REPOSITORY / "docs/performance.json"
DRAWING = REPOSITORY / "docs/boot.svg"
OURS, ORIGINAL = "ours", "original"
# The same boot of ours with `transfer = "http"`, held against the original's by TFTP.
HTTP = "by HTTP"
MEGABYTE = 10**6

PHASES = ("kernel and initramfs", "00-pseudofs", "01-static-devnodes", "02-kmods", "02-udev", "03-aa-overlays",
          "all other core services")
COLOURS = ("#4c78a8", "#9ecae9", "#f58518", "#72b7b2", "#54a24b", "#e45756", "#b8b8b8")

# A row: its name, where the figure is, and what it is divided by.
ROWS = (
    ("image, MB", ("image bytes",), MEGABYTE),
    ("image, processor s to build", ("image build, processor s",), 1),
    ("loader, kernel and image, MB", ("loaded bytes",), MEGABYTE),
    ("frames of the whole boot", ("frames",), 1),
    ("loading, processor s of the node", ("loading, processor s",), 1),
    ("loading, processor s of the server", ("loading, server s",), 1),
    ("by HTTP: frames of the whole boot", (HTTP, "frames"), 1),
    ("by HTTP: loading, processor s of the node", (HTTP, "loading, processor s"), 1),
    ("by HTTP: loading, processor s of the server", (HTTP, "loading, server s"), 1),
    *((f"{phase}, guest s", ("guest s", phase), 1) for phase in (*PHASES, "to stage 2")),
    *((f"{phase}, busy guest s", ("busy s", phase), 1) for phase in (*PHASES, "to stage 2")),
    *((f"{phase}, NFS MB", ("NFS bytes", phase), MEGABYTE) for phase in (*PHASES, "to stage 2")),
    ("to stage 2, NFS operations", ("NFS operations", "all"), 1),
)
# What the front page shows of it.
SHORT = ("image, MB", "image, processor s to build", "loader, kernel and image, MB", "frames of the whole boot",
         "kernel and initramfs, guest s", "to stage 2, guest s", "to stage 2, NFS MB", "to stage 2, NFS operations")
# The document, and which rows it has.
TABLES = {"docs/performance.md": None, "README.md": SHORT}


def kept():
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def record(now):
    FILE.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    DRAWING.write_text(drawing(now), encoding="utf-8")
    for path, names in TABLES.items():
        file = REPOSITORY / path
        lines = [f"| {' | '.join(row)} |" for row in rows(now, now, names, ("ours", "original", "ours/original"))]
        lines.insert(1, "|---|" + "---:|" * 3)
        begin, end = "<!-- by ci/bench-boot --record -->", "<!-- -->"
        text = file.read_text(encoding="utf-8")
        if text.count(begin) != 1:
            raise Failure(f"{file}: no line {begin}, behind which the table goes")
        head, rest = text.split(begin)
        file.write_text("\n".join((head + begin, *lines, rest[rest.index(end):])), encoding="utf-8")


def middle(boots):
    """Of each figure of several boots the middle one, the lower of two; what is no number is that of the first."""
    first = boots[0]
    if isinstance(first, dict):
        return {key: middle([boot[key] for boot in boots if key in boot]) for key in first}
    return statistics.median_low(boots) if isinstance(first, (int, float)) else first


def value(figures, path):
    for key in path:
        figures = (figures or {}).get(key)
    return figures


def rows(now, before, names, columns):
    """This run, the original, how much of it this run is, and what was kept of ours."""
    found = [("", *columns)]
    theirs = now.get(ORIGINAL, before.get(ORIGINAL))
    for name, path, unit in ROWS:
        if names and name not in names:
            continue
        mine, old = (value(figures, path) for figures in (now[OURS], before.get(OURS)))
        other = value(theirs, path[1:] if path[0] == HTTP else path)
        if mine is None and old is None:
            continue
        ratio = f"{mine / other:.2f}" if mine is not None and other else "-"
        found.append((name, *[_text(mine, unit), _text(other, unit), ratio, _text(old, unit)][: len(columns)]))
    return found


def table(now, before):
    cells = rows(now, before, None, ("ours", "original", "ours/original", "ours, kept"))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [row[0].ljust(widths[0]) + "".join(f"  {text:>{width}}" for text, width in zip(row[1:], widths[1:], strict=True))
             for row in cells]
    return "\n".join(lines)


def _text(number, unit):
    if number is None:
        return "-"
    if unit != 1:
        return f"{number / unit:.2f}"
    return f"{number:,}" if isinstance(number, int) else f"{number:.2f}"


def drawing(boots):
    """A bar for each boot, a piece for each phase, in guest seconds."""
    boots = {name: boots[name]["guest s"] for name in (ORIGINAL, OURS) if name in boots}
    scale = 560 / max(sum(boot.get(phase, 0) for phase in PHASES) for boot in boots.values())
    parts = []
    for row, (name, boot) in enumerate(boots.items()):
        at, top = 90.0, 20 + row * 40
        parts.append(f'<text x="80" y="{top + 17}" text-anchor="end">{name}</text>')
        for phase, colour in zip(PHASES, COLOURS, strict=True):
            seconds = boot.get(phase, 0)
            parts.append(f'<rect x="{at:.1f}" y="{top}" width="{seconds * scale:.1f}" height="26" fill="{colour}">'
                         f"<title>{phase}: {seconds} s</title></rect>")
            at += seconds * scale
        parts.append(f'<text x="{at + 6:.1f}" y="{top + 17}">{boot["to stage 2"]:.1f} s</text>')
    top = 30 + len(boots) * 40
    for number, (phase, colour) in enumerate(zip(PHASES, COLOURS, strict=True)):
        left, down = 90 + number % 3 * 220, top + number // 3 * 22
        parts.append(f'<rect x="{left}" y="{down}" width="12" height="12" fill="{colour}"/>'
                     f'<text x="{left + 18}" y="{down + 11}">{phase}</text>')
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="770" height="{top + 75}" font-family="sans-serif" font-size="13">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')
