#!/usr/bin/python3
"""Stands in runc's place: notes how it was called, calls the real one, and notes what came of it.

Put under the name `runc` by record, with RECORDER_* replaced. One JSON file a call. It must change nothing that a
caller can see: same descriptors, same standard streams, same exit code, and children that the caller reaps.
"""
import ctypes
import json
import os
import signal
import stat
import subprocess
import sys
import time

REAL = "@REAL@"
FOLDER = "@FOLDER@"
# Commands whose standard streams become the container's: those can't be looked into.
WITH_STREAMS = ("create", "run", "exec", "restore")
MAX_LOG = 1 << 16
KINDS = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "char", stat.S_IFREG: "file", stat.S_IFDIR: "dir"}


def descriptors():
    found = {}
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            mode, link = os.fstat(int(name)).st_mode, os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # that of the listing
        kind = KINDS.get(stat.S_IFMT(mode), "anon")
        if link == "/dev/null" or kind == "file":
            kind = link
        elif kind == "char":
            kind = "tty" if os.isatty(int(name)) else link
        elif link.startswith("anon_inode"):
            kind = link
        found[name] = kind
    return found


def command_of(argv):
    """Index of the command's word: the first that is neither a global flag nor such a flag's value."""
    i = 1
    while i < len(argv) and argv[i].startswith("-"):
        i += 1 if "=" in argv[i] or argv[i] in ("--systemd-cgroup", "--debug", "--version", "-v") else 2
    return i


def value_of(argv, *names):
    for i, word in enumerate(argv):
        for name in names:
            if word == name and i + 1 < len(argv):
                return argv[i + 1]
            if word.startswith(name + "="):
                return word[len(name) + 1:]
    return None


def text_of(path, limit=MAX_LOG):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(limit)
    except (OSError, TypeError):
        return None


def json_of(path):
    text = text_of(path, -1)
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def process_state(text):
    """Of the process that a pid file names: R, S, Z ...; None when gone."""
    stat_text = text_of(f"/proc/{(text or '').strip()}/stat") if text else None
    return stat_text.rpartition(")")[2].split()[0] if stat_text else None


def sources(config):
    """Of each mount's source that is a path: whether it is a file or a directory."""
    found = {}
    for mount in config.get("mounts", []) if isinstance(config, dict) else []:
        source = mount.get("source", "")
        if source.startswith("/"):
            found[source] = "dir" if os.path.isdir(source) else "file" if os.path.exists(source) else "none"
    return found


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def main():
    argv = sys.argv
    call = {"started": time.time(), "fds": descriptors(), "argv": argv[1:], "env": dict(os.environ), "cwd": os.getcwd(),
            "parent": (text_of(f"/proc/{os.getppid()}/cmdline") or "").split("\0")[0]}
    at = command_of(argv)
    command = argv[at] if at < len(argv) else ""
    log, pid_file = value_of(argv, "--log"), value_of(argv[at:], "--pid-file")
    if command in ("create", "run"):
        bundle = value_of(argv, "--bundle", "-b") or os.getcwd()
        call["bundle"] = bundle
        call["config"] = json_of(os.path.join(bundle, "config.json"))
        call["bundle_files"] = sorted(os.listdir(bundle))
        call["sources"] = sources(call["config"])
    if value_of(argv, "--process", "-p"):
        call["process"] = json_of(value_of(argv, "--process", "-p"))
    container = argv[-2] if command == "kill" else argv[-1]
    known = os.path.join(FOLDER, "pids", os.path.basename(container))
    if command not in ("create", "run"):
        call["init_before"] = process_state(text_of(known))
    call["console_socket"] = value_of(argv, "--console-socket")
    call["pid_file_before"] = text_of(pid_file)
    call["log_before"] = len(text_of(log) or "") if log else None

    options = {"close_fds": False, "preexec_fn": die_with_parent}
    reads_stdin = command == "update" and "-" in argv
    if command not in WITH_STREAMS:
        options.update(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    data = None
    if reads_stdin:
        data = sys.stdin.buffer.read()
        call["stdin"] = data.decode("utf-8", "replace")
        options["stdin"] = subprocess.PIPE
    child = subprocess.Popen([REAL, *argv[1:]], **options)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH, signal.SIGUSR1):
        signal.signal(number, lambda number, _: (call.setdefault("signals", []).append(number), child.send_signal(number)))
    out, err = child.communicate(data)
    if command not in WITH_STREAMS:
        call["stdout"], call["stderr"] = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        sys.stdout.buffer.write(out)
        sys.stderr.buffer.write(err)
        sys.stdout.flush()
    code = child.returncode
    call["exit"] = code if code >= 0 else 128 - code
    call["ended"] = time.time()
    call["pid_file"] = text_of(pid_file)
    call["process_state"] = process_state(call["pid_file"])
    if command == "create" and call["pid_file"]:
        os.makedirs(os.path.dirname(known), exist_ok=True)
        with open(known, "w", encoding="ascii") as file:
            file.write(call["pid_file"])
    if log:
        call["log"] = (text_of(log) or "")[call["log_before"]:]
    name = os.path.join(FOLDER, f"{call['started']:.6f}-{os.getpid()}")
    with open(name + ".new", "w", encoding="utf-8") as file:
        json.dump(call, file)
    os.rename(name + ".new", name + ".json")
    sys.exit(call["exit"])


main()
