"""What the host shows of a sandbox: its processes, and what is left of it."""
import ctypes
import os
import shutil
import tempfile
import time

SHARED_DIRECTORIES = ("/tmp", "/dev/shm", "/run", "/var/tmp")
REMEMBERED = "/run/runsc-cpp"  # the platform's choice, kept until the next boot
CLONE_NEWNS = 0x20000
PR_SET_CHILD_SUBREAPER = 36
MS_BIND, MS_REC, MS_SLAVE = 4096, 16384, 1 << 19
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind, flags=0, options=""):
    return _libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()) == 0


def unmount(target):
    return _libc.umount2(target.encode(), 2) == 0  # MNT_DETACH


def adopt_orphans():
    """From now on whatever loses its parent below us becomes our child."""
    return _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def private_mounts():
    """From now on what this process mounts is seen by nobody else."""
    return _libc.unshare(CLONE_NEWNS) == 0 and mount("none", "/", "none", MS_REC | MS_SLAVE)


def private_view():
    """Gives this process mounts of its own, with empty shared directories: what then appears in them is ours.

    Without the right to do so it changes nothing; leftovers are then told by their names.
    """
    if not private_mounts():
        return False
    for path in SHARED_DIRECTORIES:
        ours = os.open(PROJECT, os.O_PATH) if PROJECT.startswith(path + "/") else None
        if os.path.isdir(path) and mount("tmpfs", path, "tmpfs"):
            os.chmod(path, 0o1777)
            if ours is not None:  # a clone in /tmp stays where it is
                os.makedirs(PROJECT)
                mount(f"/proc/self/fd/{ours}", PROJECT, "none", MS_BIND | MS_REC)
        if ours is not None:
            os.close(ours)
    return True


def copy_of(files):
    """Copies of open files by name, in a new directory that private_view() does not hide and everybody can reach."""
    directory = tempfile.mkdtemp(prefix="fault-bin-", dir="/tmp")
    os.chmod(directory, 0o755)
    for name, data in files.items():
        path = os.path.join(directory, name)
        with data, open(path, "wb") as out:
            shutil.copyfileobj(data, out)
        os.chmod(path, 0o755)
    return directory


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def stat_of(pid):
    """(comm, state, ppid, utime, start time), or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    comm = text[text.index("(") + 1:text.rindex(")")]
    rest = text[text.rindex(")") + 2:].split()
    return comm, rest[0], int(rest[1]), int(rest[11]), int(rest[19])


def descendants(root):
    """pid -> comm of all processes below `root`, itself included."""
    info = {pid: stat for pid in pids() if (stat := stat_of(pid)) is not None}
    found, grew = {root}, True
    while grew:
        more = {pid for pid, stat in info.items() if stat[2] in found} - found
        grew = bool(more)
        found |= more
    return {pid: info[pid][0] for pid in found if pid in info}


def pid_namespace(pid):
    """An open file of it, or None. While that is held, no other namespace gets its number."""
    try:
        return os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def pid_namespace_number(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return None


def mapped_files(pid):
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            return {line.split(maxsplit=5)[5].strip() for line in file if len(line.split(maxsplit=5)) == 6}
    except OSError:
        return set()


def status_kb(pid, field):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Namespaces:
    """The pid namespaces of a sandbox: whatever runs in one of them is of it, known to us or not."""

    def __init__(self):
        self._own = pid_namespace_number("self")
        self._files = {}

    def add(self, pid):
        file = pid_namespace(pid)
        if file is None:
            return
        number = os.fstat(file).st_ino
        if number == self._own or number in self._files:
            os.close(file)
        else:
            self._files[number] = file

    def holds(self, pid):
        return bool(self._files) and pid_namespace_number(pid) in self._files

    def close(self):
        for file in self._files.values():
            os.close(file)
        self._files = {}


class Before:
    """The host before a sandbox starts; leftovers() compares with it."""

    def __init__(self, private):
        self._private = private
        self._mounts = self._read_mounts()
        self._files = self._read_files()

    def _read_mounts(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return set(file)

    def _read_files(self):
        files = set()
        for directory in SHARED_DIRECTORIES:
            try:
                names = os.listdir(directory)
            except OSError:
                continue
            files |= {os.path.join(directory, name) for name in names if self._private or "runsc" in name}
        return files - {REMEMBERED}

    def leftovers(self, processes, namespaces, within=0.0):
        """What is still there, as words; waits up to `within` seconds for it to go. `processes` maps to start times."""
        end = time.monotonic() + within
        while True:
            left = self._left_now(processes, namespaces)
            if not left or time.monotonic() >= end:
                return left
            time.sleep(0.01)

    def _left_now(self, processes, namespaces):
        left = []
        for pid in pids():
            stat = stat_of(pid)
            # A dead one that was left to the host's init is that one's to bury.
            if stat is None or (stat[1] == "Z" and stat[2] not in processes):
                continue
            if processes.get(pid) == stat[4] or namespaces.holds(pid):
                left.append(f"process {pid} ({stat[0]}, state {stat[1]})")
        left += [f"mount {line.split()[4]}" for line in self._read_mounts() - self._mounts]
        left += [f"file {path}" for path in self._read_files() - self._files]
        return left
