"""An own instance of the kernel's tracing, which follows given processes and the threads that they make."""
import ctypes
import os
import re
import tempfile
import threading
import time

import host

_EVENT = re.compile(rb"-(\d+)\s+\[\d+\].*sys_enter: NR (-?\d+) \(([0-9a-f, ]+)\)")
_LOST = re.compile(rb"LOST (\d+) EVENTS")
BUFFER_KB = 32768  # a CPU


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class Tracing:
    def __init__(self, mount, instance):
        self._mount = mount
        self.instance = instance

    @staticmethod
    def open():
        """(Tracing, None) or (None, why not)."""
        mount = tempfile.mkdtemp(prefix="tracefs-", dir="/tmp")
        if not host.mount("tracefs", mount, "tracefs"):
            words = os.strerror(ctypes.get_errno())
            os.rmdir(mount)
            return None, f"tracefs can't be mounted ({words})"
        instance = os.path.join(mount, "instances", f"runsc-cpp-{os.getpid()}")
        tracing = Tracing(mount, instance)
        try:
            os.mkdir(instance)
            _write(f"{instance}/buffer_size_kb", str(BUFFER_KB))
            _write(f"{instance}/options/event-fork", "1")
            os.stat(f"{instance}/events/raw_syscalls/sys_enter/enable")
        except OSError as error:
            tracing.close()
            return None, f"tracing can't be set up ({error})"
        return tracing, None

    def follow(self, parts, policies):
        return Follower(self.instance, parts, policies)

    def close(self):
        try:
            os.rmdir(self.instance)
        except OSError:
            pass
        host.unmount(self._mount)
        os.rmdir(self._mount)


class Follower:
    """While it is entered, counts the calls of the processes in `parts` (name -> pid).

    Of a call's arguments it keeps those that its policy looks at; the others are 0.
    """

    def __init__(self, instance, parts, policies):
        self._instance = instance
        self._part_of = {}
        self._parts = parts
        self._policies = policies
        self.calls = {name: {} for name in parts}
        self.lost = 0
        self._stop = False
        self._reader = threading.Thread(target=self._read)

    def __enter__(self):
        for name, pid in self._parts.items():
            for tid in os.listdir(f"/proc/{pid}/task"):
                self._part_of[int(tid)] = name
        # Each thread alone: what a thread makes is followed, too.
        _write(f"{self._instance}/set_event_pid", " ".join(str(tid) for tid in self._part_of))
        _write(f"{self._instance}/trace", "")
        self._reader.start()
        _write(f"{self._instance}/events/raw_syscalls/sys_enter/enable", "1")
        return self

    def __exit__(self, *_):
        _write(f"{self._instance}/events/raw_syscalls/sys_enter/enable", "0")
        self._stop = True
        self._reader.join()
        _write(f"{self._instance}/set_event_pid", "")

    def _read(self):
        pipe = os.open(f"{self._instance}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        rest = b""
        while True:
            last = self._stop
            try:
                chunk = os.read(pipe, 1 << 20)
            except BlockingIOError:
                chunk = b""
            if not chunk:
                if last:
                    break
                time.sleep(0.01)
                continue
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self._take(line)
        os.close(pipe)

    def _take(self, line):
        match = _EVENT.search(line)
        if match is None:
            lost = _LOST.search(line)
            self.lost += int(lost[1]) if lost else 0
            return
        tid, number = int(match[1]), int(match[2])
        part = self._part_of.get(tid)
        if part is None:
            # Made since. The gofer's threads are all there from the start; stubs are nobody's of ours.
            part = self._part_of[tid] = self._owner(tid)
        if number < 0:
            return
        arguments = tuple(int(word, 16) for word in match[3].split(b", "))
        key = (number, self._kept(part, number, arguments))
        self.calls[part][key] = self.calls[part].get(key, 0) + 1

    def _owner(self, tid):
        for name, pid in self._parts.items():
            if os.path.exists(f"/proc/{pid}/task/{tid}"):
                return name
        return "sentry"

    def _kept(self, part, number, arguments):
        indices = self._policies[part].argument_indices(number)
        return tuple(value if index in indices else 0 for index, value in enumerate(arguments))
