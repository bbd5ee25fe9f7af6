"""A recorded call made anew, and the processes that it starts."""
import array
import fcntl
import os
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

SECONDS = 60
WITH_STREAMS = ("create", "run", "exec", "restore")
GIVEN_VALUES = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/", "GOMAXPROCS": "2"}
TIOCGPTN = 0x80045430  # only a master has it
TYPED = "typed\n"
GLOBAL_SWITCHES = ("--systemd-cgroup", "--debug", "--version", "-v")


def command_at(argv):
    at = 0
    while at < len(argv) and argv[at].startswith("-"):
        at += 1 if "=" in argv[at] or argv[at] in GLOBAL_SWITCHES else 2
    return at


def value_of(argv, name):
    return argv[argv.index(name) + 1] if name in argv else None


class Collector(threading.Thread):
    """Reads a descriptor to its end."""

    def __init__(self, descriptor):
        super().__init__(daemon=True)
        self.descriptor, self.data = descriptor, b""
        self.start()

    def run(self):
        while True:
            try:
                chunk = os.read(self.descriptor, 65536)
            except OSError:
                return  # EIO of a terminal that nobody has open
            if not chunk:
                return
            self.data += chunk


class Console(threading.Thread):
    """Listens at a console socket for the terminal's master."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.master = self.name_sent = self.error = None
        self.collector = None
        self._listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self._listener.bind(path)
        self._listener.listen(1)
        self._listener.settimeout(SECONDS)
        self.start()

    def run(self):
        try:
            connection, _ = self._listener.accept()
            with connection:
                data, ancillary, flags, _ = connection.recvmsg(4096, socket.CMSG_SPACE(64))
            fds = array.array("i")
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(content[:len(content) - len(content) % fds.itemsize])
            self.name_sent = data
            if len(fds) != 1 or flags & socket.MSG_CTRUNC or not 0 < len(data) < 4096:
                self.error = f"console socket: {len(fds)} descriptors, {len(data)} bytes"
                return
            self.master = fds[0]
            fcntl.ioctl(self.master, TIOCGPTN, b"\0" * 4)
            self.collector = Collector(self.master)
        except OSError as error:
            self.error = f"console socket: {error}"
        finally:
            self._listener.close()


class Process:
    """A container's first process, or an exec's, by its pid file."""

    def __init__(self, pid, running, original):
        self.pid, self.call = pid, original
        self.recorded_pid = original["pid_file"]["after"]
        self.container = running.container
        self.recorded_container = original["argv"][-1]
        self.init = running.command == "create"
        self.console, self.stdin, self.outputs = running.console, running.stdin, running.outputs
        self.code, self.fed = None, False
        spec = running.call.get("process") or running.call.get("config", {}).get("process", {})
        self.shell = self.console is not None and spec.get("args") in (["sh"], ["/bin/sh"])
        self._reaper = threading.Thread(target=self._reap, daemon=True)
        self._reaper.start()
        if not self.init:
            self.feed()

    def feed(self):
        """What the user types."""
        if self.shell:
            self.console.join(10)
        if self.shell and not self.fed and self.console.master is not None:
            fcntl.ioctl(self.console.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
            self.fed = True
            os.write(self.console.master, b"stty size\nexit 3\n")
        if self.stdin is not None:
            try:
                os.write(self.stdin, TYPED.encode())
            except OSError:
                pass
            os.close(self.stdin)
            self.stdin = None

    def _reap(self):
        # At once, as every caller does: until an exec is reaped, the first process of its pid namespace can't end.
        try:
            _, status = os.waitpid(self.pid, 0)
            self.code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        except ChildProcessError:
            self.code = "not our child"

    def wait(self, seconds):
        """Whether it ended in that time; its code then is that of a shell ($?)."""
        self._reaper.join(seconds)
        return not self._reaper.is_alive()

    def said(self):
        """By its pipes, or 30 100 where a shell on a terminal saw the size set by the caller."""
        if self.shell:
            time.sleep(0.2)
            return "30 100" if self.console.collector and b"30 100" in self.console.collector.data else "no size"
        text = ""
        for collector in self.outputs:
            collector.join(10)
            if collector.is_alive():
                return "somebody has its pipes still open"
            text += collector.data.decode("utf-8", "replace")
        return text

    def kill(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.wait(5)

    def close(self):
        if self.code is None:
            self.kill()


class Call:
    """The runtime's command, started; wait() for its end."""

    def __init__(self, runtime, stage, call, original):
        self.call, self.original, self.stage = call, original, stage
        argv = call["argv"]
        at = command_at(argv)
        self.command = argv[at] if at < len(argv) else ""
        self.container = argv[-2] if self.command == "kill" and len(argv) - at > 2 else argv[-1]
        self.log = value_of(argv, "--log")
        self.log_size = os.path.getsize(self.log) if self.log and os.path.exists(self.log) else 0
        self.pid_path = value_of(argv, "--pid-file")
        path = value_of(argv, "--console-socket")
        self.console = Console(path) if path else None
        self.stdin = None
        self.outputs, self.watched, self.late = [], [], []
        theirs = self._descriptors()
        self._child = subprocess.Popen([runtime, *argv], cwd=call["cwd"], env=self._environment(), pass_fds=tuple(theirs),
                                       preexec_fn=lambda: [os.dup2(fd, number) for number, fd in theirs.items()])
        for fd in theirs.values():
            os.close(fd)
        self.code = None

    def _environment(self):
        given = {**GIVEN_VALUES, "TMPDIR": self.stage.base + "/tmp"}
        found = {}
        for entry in self.call["env"]:
            name, equals, value = entry.partition("=")
            if name != "LD_LIBRARY_PATH":
                found[name] = value if equals else given.get(name, "x")
        return found

    def _descriptors(self):
        """{number: descriptor here} of what the call inherits, of the kinds recorded."""
        theirs = {}
        preserved = int(value_of(self.call["argv"], "--preserve-fds") or 0)
        for word, kind in self.call["fds"].items():
            number = int(word)
            if kind == "/dev/null":
                theirs[number] = os.open("/dev/null", os.O_RDWR)
            elif number == 0:
                theirs[0], self.stdin = os.pipe()
                if "stdin" in self.call:
                    os.write(self.stdin, self.call["stdin"].encode())
                    os.close(self.stdin)
                    self.stdin = None
            elif number <= 2:
                mine, theirs[number] = os.pipe()
                self.outputs.append(Collector(mine))
            else:
                mine, other = socket.socketpair()
                theirs[number] = other.detach()
                if number >= 3 + preserved:
                    self.watched.append((number, mine))
                else:
                    self.late.append(mine)
        return theirs

    def wait(self):
        try:
            self.code = self._child.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            self.code = f"killed after {SECONDS} s"
        if self.console:
            self.console.join(5)

    def kept_open(self):
        """Inherited descriptors that somebody still has: callers wait for their end."""
        found = []
        for number, mine in self.watched:
            mine.settimeout(2)
            try:
                mine.recv(1)
            except OSError:
                found.append(number)
            mine.close()
        self.watched = []
        return found

    def output(self):
        """[stdout, stderr] of a command whose streams are its own."""
        texts = []
        for collector in self.outputs:
            collector.join(5)
            texts.append(collector.data.decode("utf-8", "replace"))
        return texts

    def log_lines(self):
        if not self.log or not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8") as file:
            file.seek(self.log_size)
            return file.read().splitlines()

    def process(self):
        """The process that the pid file names, if the call was to make one and did."""
        if not self.pid_path or self.code != 0 or not os.path.exists(self.pid_path):
            return None
        with open(self.pid_path, encoding="ascii") as file:
            text = file.read()
        return Process(int(text), self, self.original) if text.isdigit() else None
