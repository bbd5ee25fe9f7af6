"""Starts runsc-cpp for a case, finds its processes, and says what it left."""
import os
import signal
import subprocess
import tempfile
import threading
import time

import host

PARTS = {"gofer": "runsc-gofer", "netgofer": "runsc-netgofer", "sentry": "runsc-sandbox", "template": "runsc-template", "stub": "runsc-stub"}


class Failure(Exception):
    """A check of a case that did not hold."""


class Skip(Exception):
    """A case that can't be tried here; not a pass."""


def check(condition, words):
    if not condition:
        raise Failure(words)


def wait_until(condition, seconds, words):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"after {seconds} s still not: {words}")
        time.sleep(0.005)


class Sandbox:
    """One `runsc-cpp do`. Its output is read all the time, so that it never blocks on us."""

    def __init__(self, context, command, flags=(), stdin=subprocess.DEVNULL, **popen):
        self.context = context
        self.before = host.Before(context.private)
        self._errors = tempfile.TemporaryFile(dir=context.directory)
        self.output = b""
        own_output = "stdout" not in popen
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", self._errors)
        self.process = subprocess.Popen([context.binary, "do", *flags, "--", *command], stdin=stdin, **popen)
        self.pid = self.process.pid
        self.processes, self.namespaces = {}, host.Namespaces()
        self._reader = None
        if own_output:
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()

    def _read(self):
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            self.output += chunk

    def errors(self):
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def error_lines(self):
        return self.errors().splitlines()

    def wait_for_output(self, text, seconds=20):
        wait_until(lambda: text in self.output or self.process.poll() is not None, seconds, f"{text!r} in the output")
        check(text in self.output, f"the sandbox ended early with {self.process.returncode}: {bytes(self.output[-400:])!r}; "
              f"{self.errors().strip()[-1000:]}")

    def look(self):
        """Remembers what there is of the sandbox now. Returns pid -> comm."""
        found = host.descendants(self.pid)
        for pid in found:
            stat = host.stat_of(pid)
            if stat is not None:
                self.processes[pid] = stat[4]
                self.namespaces.add(pid)
        return found

    def parts(self, name):
        return sorted(pid for pid, comm in self.look().items() if comm == PARTS[name])

    def part(self, name):
        found = self.parts(name)
        # A stub is a copy of the template, and has its name until it takes another.
        for _ in range(100):
            if len(found) < 2:
                break
            time.sleep(0.01)
            found = self.parts(name)
        check(len(found) == 1, f"{len(found)} processes named {PARTS[name]}, expected one")
        return found[0]

    def stubs_running(self, program):
        """Stubs of guest processes that run this program."""
        return [pid for pid in self.parts("stub")
                if any(path.endswith("/" + program) for path in host.mapped_files(pid))]

    def wait(self, seconds=20):
        """The exit code, 128+signal when killed itself."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"still runs after {seconds} s") from None
        if self._reader:
            self._reader.join(2)
            check(not self._reader.is_alive(), "somebody still holds its stdout")
        return 128 - code if code < 0 else code

    def check_nothing_left(self, within=0.0):
        left = self.before.leftovers(self.processes, self.namespaces, within)
        check(not left, "left behind: " + "; ".join(left[:5]))

    def close(self):
        """Ends it whatever its state, so that one case's failure is not the next one's."""
        for pid, start in list(self.processes.items()) + [(self.pid, None)]:
            stat = host.stat_of(pid)
            if stat is not None and (start is None or stat[4] == start) and self.process.poll() is None:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        if self.process.stdout:
            self._reader and self._reader.join(1)
            self.process.stdout.close()
        self._errors.close()
        self.namespaces.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Context:
    """What every case gets."""

    def __init__(self, binary, tier, private, directory):
        self.binary = binary
        self.full = tier == "full"
        self.private = private
        self.directory = directory
        self.stub_attacks = None  # the guest program of stub_cases.py
        self.notes = []

    def run(self, command, **options):
        return Sandbox(self, command, **options)

    def note(self, text):
        """A figure to print beside the case's result."""
        self.notes.append(text)
