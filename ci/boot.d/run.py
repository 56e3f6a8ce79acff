"""Run commands and write files: every command is bounded, every failure says which."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading


class Failure(Exception):
    """Something the run cannot go on without; the text is for the user."""


_children = {}
_lock = threading.Lock()


def say(text):
    print(text, flush=True)


def warn(text):
    print(text, file=sys.stderr, flush=True)


def spawn(argv, **options):
    """Start a process in a group of its own, remembered until it is reaped."""
    child = subprocess.Popen(argv, start_new_session=True, **options)
    with _lock:
        _children[child.pid] = child
    return child


def end(child, grace=5):
    """End one child's group, first gently; always leaves it reaped."""
    for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 10)):
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            try:
                child.wait(wait)
            except subprocess.TimeoutExpired:
                continue
    with _lock:
        _children.pop(child.pid, None)


def end_by_signals():
    """What is to be undone is, when somebody ends the run."""

    def stop(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def end_all():
    with _lock:
        left = list(_children.values())
    for child in left:
        end(child, grace=1)


def processor_seconds(stat):
    """What a process has taken so far, by its line of proc(5); Linux counts it in hundredths on x86."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def tool(name):
    """The path of a host tool, also where /usr/sbin is not on PATH."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return shutil.which(name, path=path)


def run(argv, timeout=600, check=True, log=None, **options):
    """Run to the end; returns (status, output). A failure shows the output's tail."""
    argv = [str(word) for word in argv]
    child = spawn(
        argv,
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        **options,
    )
    try:
        output, _ = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end(child, grace=1)
        raise Failure(f"{argv[0]}: not done after {timeout} s: {' '.join(argv)}") from None
    finally:
        if child.poll() is not None:
            with _lock:
                _children.pop(child.pid, None)
    if log is not None:
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(argv)}\n{output}")
    if check and child.returncode != 0:
        tail = "\n".join(output.splitlines()[-15:])
        raise Failure(f"{' '.join(argv)}: status {child.returncode}\n{tail}")
    return child.returncode, output
