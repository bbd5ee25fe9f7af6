"""Where a case's containers live: bundles, calls of the runtime and of the oracle, and what must be gone afterwards."""
import ctypes
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
import configs  # noqa: E402
import stage  # noqa: E402
from suite import Failure, Skip, check, equal, until  # noqa: E402,F401  pylint: disable=unused-import

SECONDS = 30
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_NET_RAW",
                "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_SYS_CHROOT", "CAP_AUDIT_WRITE"]
SETS = ("bounding", "effective", "permitted")
SPACES = ("pid", "network", "ipc", "uts", "mount")
BASE = {
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "env": ["PATH=/bin"], "cwd": "/",
                "capabilities": {name: CAPABILITIES for name in SETS}},
    "root": {"path": "rootfs"},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
               {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
               {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]}],
    "linux": {"namespaces": [{"type": name} for name in SPACES]},
}
MAPS = ("annotations", "linux.sysctl", "linux.resources.unified")


@dataclasses.dataclass
class Outcome:
    code: int
    out: str
    err: str

    def said(self):
        return self.code, self.out


def properties_of(value, at=""):
    """The paths that PROPERTIES.md would give to what is in a config.json."""
    found = {at} if at else set()
    if at in MAPS:
        return found
    if isinstance(value, dict):
        for key, item in value.items():
            name = "linux.resources.rdma{}" if at == "linux.resources.rdma" else f"{at}.{key}" if at else key
            found |= properties_of(item, name)
    elif isinstance(value, list):
        for item in value:
            found |= properties_of(item, at + "[]") - {at + "[]"}
    return found


class Side:
    """A runtime and where it keeps its state."""

    def __init__(self, name, path, root, flags=()):
        self.name, self.path, self.root, self.flags = name, path, root, list(flags)

    def command(self, *words, flags=()):
        return [self.path, "--root", self.root, *self.flags, *flags, *words]


class Stand:
    """Containers of both sides. Runs inside a house, as a subreaper."""

    def __init__(self, runtime, oracle, base, cgroup, busybox):
        # RUNTIME_FLAGS: such as --platform=ptrace.
        shield(base)
        self.ours = Side("ours", runtime, base + "/state", os.environ.get("RUNTIME_FLAGS", "").split())
        self.oracle = Side("oracle", oracle, base + "/state-oracle")
        self.base, self.cgroup, self.busybox = base, cgroup, busybox
        self.covered = set()
        self.tier, self.notes = "ci", []
        self.numbers = iter(range(1, 1 << 30))
        self._forgiven = set()
        self._live = {}  # id -> (side, bundle)
        self._processes = self._seen_processes()
        self._mounts = stage._mounts()  # pylint: disable=protected-access

    @staticmethod
    def _seen_processes():
        reap()
        return stage._processes()  # pylint: disable=protected-access

    def bundle(self, changes, ident, files=()):
        """A new bundle with a root of its own; files: {path in the root: (mode, text)}."""
        folder = f"{self.base}/{ident}"
        for name in ("rootfs", "up", "work"):
            os.makedirs(f"{folder}/{name}")
        for path, (mode, text) in dict(files).items():
            stage._write(_made(f"{folder}/up/{path.lstrip('/')}"), text)  # pylint: disable=protected-access
            os.chmod(f"{folder}/up/{path.lstrip('/')}", mode)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={self.busybox},upperdir={folder}/up,"
                        f"workdir={folder}/work", folder + "/rootfs"], check=True)
        config = configs.apply(BASE, {"/linux/cgroupsPath": f"/{self.cgroup}/{ident}", **changes})
        text = json.dumps(config).replace("$BUNDLE", folder).replace("$BASE", self.base)
        stage._write(folder + "/config.json", text)  # pylint: disable=protected-access
        return folder, config

    def make(self, side, changes, files=()):
        """(id, bundle) of a container that is still to be created."""
        ident = f"c{next(self.numbers)}-{side.name}"
        folder, config = self.bundle(changes, ident, files)
        self._live[ident] = (side, folder)
        if side is self.ours:
            self.covered |= properties_of(config)
        return ident, folder

    def call(self, side, *words, seconds=SECONDS, data=None, flags=(), **options):
        return finished(side.command(*words, flags=flags), seconds, data, **options)

    def run(self, side, changes, script=None, files=(), flags=(), **options):
        """A container in the foreground, and its end; all of it is gone afterwards."""
        if script is not None:
            changes = {"/process/args": ["/bin/sh", "-c", script], **changes}
        ident, folder = self.make(side, changes, files)
        outcome = self.call(side, "run", "--bundle", folder, ident, flags=flags, **options)
        outcome.err = outcome.err.replace(folder, "$BUNDLE").replace(ident, "$ID")
        self.drop(ident)
        return outcome

    def create(self, side, changes, script=None, files=(), words=(), flags=(), streams=subprocess.DEVNULL):
        """(id, bundle, outcome) of a create. Streams are the container's, so nothing is read from them."""
        if script is not None:
            changes = {"/process/args": ["/bin/sh", "-c", script], **changes}
        ident, folder = self.make(side, changes, files)
        return ident, folder, self.create_at(side, ident, folder, words, flags, streams)

    def create_at(self, side, ident, folder, words=(), flags=(), streams=subprocess.DEVNULL):
        log = folder + "/log.json"
        done = subprocess.run(side.command("--log", log, "--log-format", "json", "create", "--bundle", folder, "--pid-file",
                                           folder + "/pid", *words, ident, flags=flags), stdin=subprocess.DEVNULL,
                              stdout=streams, stderr=streams, timeout=SECONDS, check=False)
        return Outcome(done.returncode, "", last_error(log))

    def note(self, words):
        self.notes.append(words)

    @staticmethod
    def pid(folder):
        with open(folder + "/pid", encoding="ascii") as file:
            return int(file.read())

    def cgroup_files(self, ident):
        """{controller: directory} on the host."""
        top = "/sys/fs/cgroup"
        return {name: f"{top}/{name}/{self.cgroup}/{ident}" for name in os.listdir(top)
                if os.path.isdir(f"{top}/{name}/{self.cgroup}/{ident}")}

    @staticmethod
    def silent(words):
        """Started with no streams: what a container keeps of them is nobody's."""
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    @staticmethod
    def pids():
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]

    def drop(self, ident):
        side, folder = self._live.pop(ident)
        self.call(side, "delete", "--force", ident)
        subprocess.run(["umount", "-l", folder + "/rootfs"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)

    def clean(self):
        """What was left behind although all was deleted."""
        for ident in list(self._live):
            self.drop(ident)
        end = time.monotonic() + 5
        while True:
            found = self.left()
            if not found or time.monotonic() > end:
                break
            time.sleep(0.1)
        for words in found:
            self._forgive(words)
        return found

    def _forgive(self, words):
        """What was told once is not held against the next case."""
        kind, _, what = words.partition(" ")
        if kind == "process":
            _try(os.kill, int(what.partition(":")[0]), signal.SIGKILL)
        elif kind == "cgroup":
            for pid in _lines(what + "/cgroup.procs"):
                _try(os.kill, int(pid), signal.SIGKILL)
            end = time.monotonic() + 2
            while os.path.isdir(what) and time.monotonic() < end:
                _try(os.rmdir, what)
                time.sleep(0.02)
        elif kind == "file":
            _try(os.unlink, what)
        self._forgiven.add(words)

    def left(self):
        return [words for words in self._found() if words not in self._forgiven]

    def _found(self):
        found = [f"process {pid}: {words}" for pid, words in self._seen_processes().items() if pid not in self._processes]
        mounts = stage._mounts()  # pylint: disable=protected-access
        for path in self._mounts:
            if path in mounts:
                mounts.remove(path)
        found += [f"mount {path}" for path in mounts]
        for side in (self.ours, self.oracle):
            for folder, _, names in os.walk(side.root):
                if not folder.endswith("/.ended"):  # post-mortems, which are to outlive their containers
                    found += [f"file {folder}/{name}" for name in names]
        for top in os.listdir("/sys/fs/cgroup"):
            folder = f"/sys/fs/cgroup/{top}/{self.cgroup}"
            found += [f"cgroup {folder}/{name}" for name in (os.listdir(folder) if os.path.isdir(folder) else ())
                      if os.path.isdir(f"{folder}/{name}")]
        return found


def shield(base):
    """From now on nothing but `base` (and the file systems of the kernel and of the house) can be written: whatever a
    runtime that goes wrong, or a mutant, would do to the machine's files fails. To be called inside a house."""
    libc = ctypes.CDLL(None, use_errno=True)
    for source, target, flags in ((base, base, MS_BIND), (None, "/", MS_REMOUNT | MS_BIND | MS_RDONLY)):
        if libc.mount(source and source.encode(), target.encode(), None, flags, None) != 0:
            raise OSError(ctypes.get_errno(), "no shield over " + target)
    for path in ("/etc", "/usr"):
        if os.path.isdir(path) and os.access(path, os.W_OK):
            raise OSError("the shield does not hold: " + path)


def limited(function, seconds):
    """Calls it; a Failure if it takes longer."""
    def late(*_):
        raise Failure(f"not done within {seconds} s")
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        return function()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def finished(words, seconds=SECONDS, data=None, **options):
    options.setdefault("cwd", "/")
    process = subprocess.Popen(words, stdin=subprocess.PIPE if data is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True, **options)
    try:
        out, err = process.communicate(data, seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        try:
            out, err = process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            out, err = "", ""
        err += f"[killed after {seconds} s]"
    return Outcome(process.returncode, out, err)


def last_error(log):
    """The message that a shim would find."""
    try:
        with open(log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.strip()]
    except (OSError, ValueError):
        return ""
    return next((line["msg"] for line in reversed(lines) if line.get("level") == "error"), "")


def warnings(log):
    with open(log, encoding="utf-8") as file:
        return [line["msg"] for line in map(json.loads, file) if line.get("level") == "warning"]


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _made(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def _lines(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def _try(function, *arguments):
    try:
        function(*arguments)
    except OSError:
        pass
