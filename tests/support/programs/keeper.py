"""Starts programs for a test fixture and lives as long as the fixture does. When the fixture ends, or the process of the
test dies in any way, kill -9 included, it kills all that descends from those programs and removes their mounts, cgroups
and directory.

Nothing can leave its tree: it is a child subreaper, so whatever loses its parent becomes its child, new sessions, process
groups and namespaces or not. It also sits in a cgroup of its own in each hierarchy, so that cgroups made relative to
one's own are made there.

Usage: keeper.py DIRECTORY CGROUP. Reads one JSON command a line, answers each with one JSON line, after a
first {} that says it is ready:
  {"start": {"command": [...], "environment": {...}, "log": PATH}}  -> {"pid": N}
  {"kill": N}                                                     -> {}        when that process is gone
  {"end": {}}, or the end of its input                            -> {}        when everything is gone
An {"error": TEXT} is an answer too.
"""
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36

directory, cgroup = pathlib.Path(sys.argv[1]), sys.argv[2]
started = []  # Popen objects, kept so that Python does not look after the processes a second time


def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def mounts():
    """(mount point, file system type, options of the file system) of every mount, in the order of mounting."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), left.split()[4])
        kind, _, options = right.split(" ", 2)
        yield pathlib.Path(point), kind, options.split(",")


def cgroups():
    """The cgroup's directory in each hierarchy."""
    for point, kind, _ in mounts():
        if kind in ("cgroup", "cgroup2"):
            yield point / cgroup


def join_cgroups():
    for path in cgroups():
        path.mkdir(exist_ok=True)
        # A new one of cpusets takes no process before it has been given CPUs and memory nodes.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (path.parent / name).exists():
                (path / name).write_text((path.parent / name).read_text())
        (path / "cgroup.procs").write_text(str(os.getpid()))


def leave_cgroups():
    for path in cgroups():
        (path.parent / "cgroup.procs").write_text(str(os.getpid()))


def descendants():
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command's name, in brackets, may hold anything.
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, unseen = [], [os.getpid()]
    while unseen:
        offspring = children.get(unseen.pop(), [])
        found += offspring
        unseen += offspring
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def start(command, environment, log):
    with open(log, "ab") as output:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   start_new_session=True, cwd=directory)
    started.append(process)
    return {"pid": process.pid}


def until(done, seconds=30):
    """A process that the kernel is taking down, or a cgroup that it is emptying, goes away after a moment."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{done.__name__} is not so after {seconds} s")
        time.sleep(0.01)


def thaw():
    """A frozen process does not die, and Mesos freezes what it is about to kill."""
    for point, _, options in mounts():
        if "freezer" in options:
            for state in (point / cgroup).rglob("freezer.state"):
                state.write_text("THAWED")


def all_are_dead():
    for pid in descendants():
        kill(pid)
    reap()
    return not descendants()


def cgroups_are_gone():
    try:
        for point, kind, _ in mounts():
            if kind in ("cgroup", "cgroup2"):
                for below, _, _ in os.walk(point / cgroup, topdown=False):
                    os.rmdir(below)
    except OSError:
        return False
    return True


def unmount():
    for point, _, _ in reversed(list(mounts())):
        if directory == point or directory in point.parents:
            subprocess.run(["umount", "--lazy", point], check=True)


def remove_directory():
    """By rm, which removes a tree of any depth: a Python function calls itself for each level. Whether it did so is looked
    at, since reap() may have got its status."""
    removal = subprocess.run(["rm", "-rf", "--one-file-system", "--", directory], stderr=subprocess.PIPE, text=True)
    if directory.exists():
        raise OSError(removal.stderr)


def end():
    """Goes on after a step that fails; the errors are the answer."""
    errors = []
    for step in (thaw, lambda: until(all_are_dead), unmount, leave_cgroups, lambda: until(cgroups_are_gone),
                 remove_directory):
        try:
            step()
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    return {"error": "; ".join(errors)} if errors else {}


def answer(command):
    if "start" in command:
        return start(**command["start"])
    if "kill" in command:
        def is_gone():
            kill(command["kill"])
            return command["kill"] not in descendants()
        until(is_gone)
        return {}
    raise ValueError(f"no such command: {command}")


def main():
    os.setsid()  # a Ctrl-C in the terminal is for the test, not for this
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE:
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGCHLD, reap)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        join_cgroups()
        print("{}", flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            if "end" in command:
                break
            try:
                reply = answer(command)
            except Exception as error:
                reply = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(reply), flush=True)
    finally:
        reply = end()
        try:
            print(json.dumps(reply), flush=True)
        except BrokenPipeError:
            pass


main()
