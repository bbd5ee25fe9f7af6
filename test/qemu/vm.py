"""A VM with nested SVM under QEMU's emulation, which runs a list of commands and tells what came of each."""
import copy
import ctypes
import dataclasses
import glob
import lzma
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
QEMU = "qemu-system-x86_64"
# In the order of loading: the port to us, then KVM.
MODULES = ("drivers/virtio/virtio_ring.ko", "drivers/virtio/virtio.ko", "drivers/virtio/virtio_pci_modern_dev.ko",
           "drivers/virtio/virtio_pci_legacy_dev.ko", "drivers/virtio/virtio_pci.ko", "drivers/char/virtio_console.ko",
           "virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-amd.ko")
DISK_MODULES = ("drivers/block/virtio_blk.ko", "fs/overlayfs/overlay.ko")  # besides, where the root is a disk
DISK_WORDS = "systemd.unit=qemu.target systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all systemd.show_status=0 apparmor=0"
BOOT_SECONDS = 180  # of a host that is busy; 5 to 10 are usual
GRACE_SECONDS = 30  # from a command's time limit, which the guest watches over, to the end of the VM
SILENCE_SECONDS = 40  # without the pulse that comes each 2 s
MAX_BOOTS = 5
PR_SET_PDEATHSIG = 1
TAIL_LINES = 25
CRASH = re.compile(r"BUG|Oops|Kernel panic|general protection|stack guard|detected stall|soft lockup|WARNING")


@dataclasses.dataclass
class Command:
    name: str
    script: str  # of sh
    limit: int  # seconds


@dataclasses.dataclass
class Result:
    """Of one command. `code` is None where the VM ended under it or before it: `trouble` then says why."""
    name: str
    code: int = None
    output: bytes = b""
    seconds: float = 0.0
    timed_out: bool = False
    trouble: str = ""

    @property
    def text(self):
        return self.output.decode(errors="replace")

    @property
    def ok(self):
        return self.code == 0 and not self.timed_out

    @property
    def verdict(self):
        """Why it is not ok, in words."""
        if self.trouble:
            return self.trouble
        return "out of time" if self.timed_out else f"exit code {self.code}"


def kernels():
    """Releases of kernels that are here with the modules of KVM."""
    releases = [path[len("/boot/vmlinuz-"):] for path in sorted(glob.glob("/boot/vmlinuz-*cloud-amd64"))]
    return [release for release in releases if os.access("/boot/vmlinuz-" + release, os.R_OK)
            and all(_module_path(release, module) for module in MODULES)]


def missing():
    """Why no VM can be had here, or None."""
    for program in (QEMU, "busybox"):
        if not shutil.which(program):
            return f"no {program}"
    if not kernels():
        return "no /boot/vmlinuz-*-cloud-amd64 with kvm.ko and kvm-amd.ko"
    return None


class Vm:
    """How to start a VM. `root` is an archive.Root, of which each run takes a copy."""

    def __init__(self, root, memory_mib=1536, cpus=2, cpu="max", append="", follow=None, disk=None):
        self.root = root
        self.memory_mib = memory_mib
        self.cpus = cpus
        self.cpu = cpu
        self.append = append  # to the kernel's command line
        self.follow = follow  # called with each chunk of what commands print
        self.disk = disk  # an image whose systemd runs the commands; what is written to it is lost with the VM
        self.boot_seconds = []
        self.console = ""  # of the last boot

    def run(self, commands, seconds=float("inf")):
        """Yields a Result for each command. Where a VM ends early, another goes on behind the command it died of.

        None of them lasts longer than `seconds` from now.
        """
        end = time.monotonic() + seconds
        done = 0
        for _ in range(MAX_BOOTS):
            for result in self._boot(commands[done:], end):
                done += 1
                yield result
            if done == len(commands) or time.monotonic() > end:
                break
        for command in commands[done:]:
            yield Result(command.name, trouble="not run: too many VMs ended early, or no time was left")

    def _boot(self, commands, end):
        with tempfile.TemporaryDirectory(prefix="qemu-", dir="/tmp") as directory:
            boot = _Boot(self, commands, directory, end)
            yield from boot.results()
        self.boot_seconds.append(boot.boot_seconds)
        self.console = boot.console


class _Boot:
    """One run of QEMU, which ends at `end` at the latest."""

    def __init__(self, vm, commands, directory, end):
        self.boot_seconds = None
        self.console = ""
        self._commands = commands
        self._results = []
        self._follow = vm.follow
        self._token = "@@" + os.urandom(8).hex()
        self._console_path, self._port_path = os.path.join(directory, "console"), os.path.join(directory, "port")
        self._monitor_path = os.path.join(directory, "monitor")
        self._rest = b""  # of the port, not yet a whole line
        self._output = None  # lines of the command that runs
        self._began = 0.0
        self._done = False
        self._start = time.monotonic()
        self._end = end
        self._deadline = min(end, self._start + BOOT_SECONDS)
        self._console_size, self._last_sign = 0, self._start
        self._disk = vm.disk
        release = kernels()[-1]
        initramfs = os.path.join(directory, "initramfs")
        self._pack(vm.root, release, initramfs)
        for file in (self._port_path, self._console_path):
            with open(file, "wb"):
                pass
        # Processors in turn, not each in a thread of its own: those lose code that the kernel rewrites (jump labels) and
        # mix the states of host and guest (a guest's rip in kvm_amd, triple faults, a kernel stack overwritten).
        drive = ["-drive", f"file={vm.disk},format=raw,if=virtio,snapshot=on"] if vm.disk else []
        append = vm.append + (" " + DISK_WORDS if vm.disk else "")
        self._process = subprocess.Popen(
            [QEMU, *drive, "-machine", "q35", "-accel", "tcg,thread=single", "-cpu", vm.cpu, "-smp", str(vm.cpus),
             "-m", str(vm.memory_mib), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-serial", "file:" + self._console_path, "-device", "virtio-serial-pci",
             "-chardev", "file,id=port,path=" + self._port_path, "-device", "virtserialport,chardev=port",
             "-monitor", f"unix:{self._monitor_path},server,nowait",
             "-kernel", "/boot/vmlinuz-" + release, "-initrd", initramfs,
             "-append", f"console=ttyS0 quiet panic=-1 mitigations=off {append}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)

    def results(self):
        """Yields a result for each command that ended, and for the one that the VM did not survive."""
        why, told = "", 0
        try:
            with open(self._port_path, "rb") as port:
                while not why:
                    ended = self._process.poll() is not None
                    self._take(port.read())
                    yield from self._results[told:]
                    told = len(self._results)
                    if self._done or ended:
                        break
                    why = self._late()
                    if not why:
                        time.sleep(0.05)
        finally:
            self._process.kill()
            words = self._process.communicate()[0].decode(errors="replace").strip()
            noise = f"(?:{self._token}|Killed)\r?\n"  # the pulse; what sh says of the watcher of a time limit
            self.console = re.sub(noise, "", _read_text(self._console_path))
        if told < len(self._commands):
            yield self._early_end(why or f"the VM ended early, QEMU with status {self._process.returncode}: {words}")

    def _late(self):
        """Why it is killed now, in words; or nothing."""
        now, size = time.monotonic(), os.path.getsize(self._console_path)
        if size != self._console_size:
            self._console_size, self._last_sign = size, now
        if now > self._deadline:
            return "the VM took too long and was killed" + self._look()
        if self.boot_seconds is not None and now > self._last_sign + SILENCE_SECONDS:
            return f"the VM hung: no pulse for {SILENCE_SECONDS} s" + self._look()
        return ""

    def _look(self):
        """Where its processors are, thrice."""
        lines = []
        for _ in range(3):
            registers = monitor(self._monitor_path, "info registers -a")
            lines += re.findall(r"^CPU#\d+|^RIP=.*|^CS =\S+|^CR3=\S+|^R[AS]X=.*", registers.replace("\r", ""), re.MULTILINE)
            time.sleep(0.3)
        return "".join("\n" + line for line in lines) + "\n"

    def _early_end(self, why):
        command = self._commands[len(self._results)]
        lines = self.console.splitlines()
        first = next((number for number, line in enumerate(lines) if CRASH.search(line)), len(lines) - TAIL_LINES)
        tail = "\n".join(lines[max(0, first):][:TAIL_LINES])
        output = b"".join(self._output or []) + self._rest
        where = "in this command" if self._output is not None else "before this command"
        return Result(command.name, output=output, trouble=f"{why}, {where}; the console's end:\n{tail}")

    def _pack(self, root, release, path):
        root = copy.deepcopy(root)
        root.file("qemu/agent", _read(os.path.join(HERE, "guest/agent")), 0o755)
        root.file("qemu/token", self._token.encode() + b"\n")
        modules = MODULES + (DISK_MODULES if self._disk else ())
        names = [os.path.basename(module) for module in modules]
        root.file("qemu/modules", "\n".join(names).encode() + b"\n")
        for name, module in zip(names, modules):
            root.file("qemu/" + name, _read_module(_module_path(release, module)))
        for number, command in enumerate(self._commands):
            root.file(f"qemu/commands/{number}", command.script.encode() + b"\n")
            root.file(f"qemu/commands/{number}.limit", b"%d\n" % command.limit)
        root.write(path, _read(os.path.join(HERE, "guest/init_disk" if self._disk else "guest/init")))

    def _take(self, data):
        """Sorts what came through the port into the agent's lines and a command's output."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        mark = self._token.encode() + b" "
        for line in lines:
            if line.startswith(mark):
                self._agent_says(line[len(mark):].decode().split())
            elif self._output is not None:
                self._output.append(line + b"\n")
                if self._follow:
                    self._follow(line + b"\n")

    def _agent_says(self, words):
        now = time.monotonic()
        if words[0] == "ready":
            self.boot_seconds = now - self._start
        elif words[0] == "begin" and int(words[1]) != len(self._results):
            raise RuntimeError(f"command {words[1]} begins, and {len(self._results)} have ended: the port lost a line")
        elif words[0] == "begin":
            command = self._commands[int(words[1])]
            self._output, self._began = [], float(words[2])
            self._deadline = min(self._end, now + command.limit + GRACE_SECONDS)
        elif words[0] == "end":
            # The agent's line begins with a line break of its own.
            output = b"".join(self._output)[:-1]
            self._results.append(Result(self._commands[int(words[1])].name, int(words[2]), output,
                                        float(words[4]) - self._began, words[3] == "1"))
            self._output = None
            self._deadline = min(self._end, now + GRACE_SECONDS)
        elif words[0] == "done":
            self._done = True


def monitor(path, command):
    """What QEMU answers to a command of its human monitor."""
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(10)
            stream.connect(path)
            stream.sendall(command.encode() + b"\n")
            while answer.count(b"(qemu) ") < 2:
                chunk = stream.recv(1 << 16)
                if not chunk:
                    break
                answer += chunk
    except OSError as error:
        answer += f"monitor: {error}".encode()
    return answer.decode(errors="replace")


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _module_path(release, module):
    for end in ("", ".xz"):
        path = f"/lib/modules/{release}/kernel/{module}{end}"
        if os.path.exists(path):
            return path
    return None


def _read_module(path):
    data = _read(path)
    return lzma.decompress(data) if path.endswith(".xz") else data


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _read_text(path):
    return _read(path).decode(errors="replace") if os.path.exists(path) else ""
