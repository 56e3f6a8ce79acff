"""One file per story: its first line says what is told, `run(report, cluster)` tells it.

A story begins with the master up and every client off, and leaves them so.
"""

import importlib
from pathlib import Path


def found():
    """Name to module, in the order of their names."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    return {name: importlib.import_module(f"stories.{name}") for name in names}


def disk_of(module):
    """The file system of the master's disk without which a story has nothing to tell."""
    return getattr(module, "DISK", None)
