"""A place of its own for container engines: mount, network and process namespaces, and a directory.

Engines write to fixed places (/run/netns, /run/containers, /var/lib/cni ...). Here a tmpfs lies over each, so that
nothing of the machine's own engines is seen or changed. All processes end with the namespace's first one; what is left
before that is what an engine or a runtime forgot, and `leftovers` tells it.
"""
import ctypes
import fcntl
import glob
import os
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

HIDDEN = ("/run", "/var/lib/cni", "/var/lib/containers", "/var/lib/containerd", "/var/lib/docker", "/etc/cni/net.d",
          "/etc/containers", "/var/log/containers")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # not /usr/local: Debian's engines
STATE = ("{base}/dk-run/runtime-*/moby/*", "/run/containerd/runc/*/*", "/run/containerd/runsc-cpp/*/*",
         "/run/containerd/s/*", "/run/runc/*", "/run/runsc-cpp/*", "/run/netns/*",
         "{base}/ctd-run/io.containerd.runtime.v2.task/*/*")
REMEMBERED = "/run/runsc-cpp/platform"  # which is measured once in a boot
BETWEEN = ("buildkit",)  # cgroups that runtimes make as parents and nobody removes
NEEDED = ("unshare", "nsenter", "ip", "docker-init")
SET_UP = """
set -e
for folder in {hidden}; do mkdir -p "$folder"; mount -t tmpfs -o mode=755 house "$folder"; done
mkdir -p /run/lock /run/netns
ip link set lo up
echo up
exec docker-init -s -- sleep infinity
"""


def missing(programs=()):
    """Why there can be no house here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for name in NEEDED + tuple(programs):
        if shutil.which(name, path=PATH) is None:
            return f"there is no program {name}"
    return None


class House:
    """Use as a context. `base` is a short path, as it has to hold sockets."""

    def __init__(self, name):
        self.base = tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp")
        self.cgroup = os.path.basename(self.base)
        self.path = PATH
        command = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc",
                   "--propagation", "private", "sh", "-c", SET_UP.format(hidden=" ".join(HIDDEN))]
        self._holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True, preexec_fn=_die_with_parent)
        if self._holder.stdout.readline() != "up\n":
            self.close()
            raise RuntimeError("no namespaces for engines")
        with open(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children", encoding="ascii") as file:
            self.init = int(file.read().split()[0])
        self._mounts_at_start = self.mounts()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def command(self, words):
        space = f"/proc/{self.init}/ns"
        return ["nsenter", f"--mount={space}/mnt", f"--net={space}/net", f"--ipc={space}/ipc", f"--uts={space}/uts",
                f"--pid={space}/pid", "--wdns=" + self.base, "--", *words]

    def environment(self, extra=None):
        return {"PATH": self.path, "HOME": self.base, "LC_ALL": "C.UTF-8", "TMPDIR": self.base, "TZ": "UTC",
                **(extra or {})}

    def popen(self, words, env=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.command(words), env=self.environment(env), start_new_session=True, **options)

    def run(self, words, seconds=60, env=None, data=None):
        """The completed process, its output as text. A process that takes too long is killed with its group."""
        process = self.popen(words, env, stdin=subprocess.PIPE if data is not None else subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
        try:
            out, err = process.communicate(data, seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            err += f"\n[killed after {seconds} s]"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def terminal(self, words, typed="", size=(24, 80), seconds=60, env=None):
        """Runs words on a terminal; (exit code, what it showed). typed: text, or a list of texts and (rows, columns),
        each sent once the output has been silent for a moment after at least one byte."""
        master, slave = os.openpty()
        _set_size(master, size)
        process = subprocess.Popen(self.command(words), env=self.environment({"TERM": "dumb", **(env or {})}), stdin=slave,
                                   stdout=slave, stderr=slave, start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        todo = [typed] if isinstance(typed, str) and typed else list(typed or ())
        shown, end, quiet = b"", time.monotonic() + seconds, time.monotonic() + 3
        while time.monotonic() < end:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    chunk = os.read(master, 65536)
                except OSError:
                    break  # EIO: nobody has the slave any more
                if not chunk:
                    break
                shown += chunk
                quiet = time.monotonic() + 0.3
            elif todo and time.monotonic() > quiet:
                item = todo.pop(0)
                if isinstance(item, str):
                    os.write(master, item.encode())
                else:
                    _set_size(master, item)
                quiet = time.monotonic() + 0.5
        else:
            os.killpg(process.pid, signal.SIGKILL)
        os.close(master)
        return process.wait(), shown.decode("utf-8", "replace")

    def file(self, name, text="", mode=0o644):
        path = os.path.join(self.base, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def processes(self):
        """{pid there: command line} of all but the first process and `ps` itself."""
        text = self.run(["ps", "-e", "-o", "pid=,ppid=,args="]).stdout
        rows = [line.split(None, 2) for line in text.splitlines()]
        return {int(row[0]): row[2] for row in rows
                if row[0] != "1" and row[2] != "sleep infinity" and not row[2].startswith("ps -e -o")}

    @staticmethod
    def children(pid):
        """Of a process that popen started: nsenter's child is the program, as it enters a pid namespace."""
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                return [int(word) for word in file.read().split()]
        except OSError:
            return []

    def know_mounts(self):
        """What is mounted now is no leftover: to be called once daemons are up."""
        self._mounts_at_start = self.mounts()

    def mounts(self):
        with open(f"/proc/{self.init}/mountinfo", encoding="utf-8") as file:
            return sorted(line.split()[4] for line in file)

    def cgroups(self):
        """Cgroups of this house, which engines are told to use as a parent. Those between are the engines' own."""
        found = []
        for top in sorted(os.listdir("/sys/fs/cgroup")):
            for folder, names, _ in os.walk(os.path.join("/sys/fs/cgroup", top, self.cgroup)):
                found += [os.path.join(folder, name) for name in names]
        return found

    def files(self):
        """State of containers in the places where runtimes and shims keep it; names with a dot first are locks."""
        root = f"/proc/{self.init}/root"
        found = [path.removeprefix(root) for pattern in STATE for path in glob.glob(root + pattern.format(base=self.base))]
        return [path for path in found if path != REMEMBERED]

    def forget_shims(self):
        """For who killed containerd-shim-runc-v2, and all of it: with any runtime, nobody takes its socket away."""
        self.run(["find", "/run/containerd/s", "-type", "s", "-delete"])

    def leftovers(self, expected_processes=(), kinds=("process", "mount", "cgroup", "file")):
        """What should not be there once all containers are gone. Waits a little for what is on its way out."""
        end = time.monotonic() + 5
        while True:
            found = [f"process {pid}: {line}" for pid, line in self.processes().items()
                     if not any(word in line for word in expected_processes)]
            mounts = self.mounts()
            for mount in self._mounts_at_start:
                if mount in mounts:
                    mounts.remove(mount)
            # dockerd keeps the host's network namespace from the first --network host on.
            found += [f"mount {mount}" for mount in mounts if not mount.endswith("/netns/default")]
            found += [f"cgroup {cgroup}" for cgroup in self.cgroups() if os.path.basename(cgroup) not in BETWEEN]
            found += [f"file {path}" for path in self.files()]
            found = [words for words in found if words.startswith(kinds)]
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.2)

    def close(self):
        """Ends all processes, and removes directory and cgroups."""
        for pid in (getattr(self, "init", 0), self._holder.pid):
            try:
                if pid:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._holder.wait()
        self._holder.stdout.close()
        for cgroup in sorted(self.cgroups(), key=len, reverse=True) + self._own_cgroups():
            _remove_cgroup(cgroup)
        shutil.rmtree(self.base, ignore_errors=True)

    def _own_cgroups(self):
        return [path for top in os.listdir("/sys/fs/cgroup")
                if os.path.isdir(path := os.path.join("/sys/fs/cgroup", top, self.cgroup))]


def _remove_cgroup(path):
    for _ in range(50):
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.1)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def _set_size(descriptor, size):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
