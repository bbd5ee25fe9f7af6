"""The kvm platform: sandboxes in numbers leave no VM behind, they cost little, and a /dev/kvm that is none is told."""
import glob
import os
import re
import signal
import subprocess
import time

import host
import kill_cases
from platforms import can_open_kvm
from sandbox import Skip, check
from start_cases import become_nobody

KVM = "--platform=kvm"
DEBUGFS = "/sys/kernel/debug/kvm"
SANDBOXES = 64  # of the memory case; fewer drown in what the host does besides
MAX_RATIO = 1.3
# Of /proc/meminfo, what the host's kernel has for itself; VmallocUsed has its stacks.
KERNEL_FIELDS = ("SUnreclaim", "VmallocUsed", "PageTables", "SecPageTables")
DRIFT_KB = 16384  # of these; a VM has about 1000, and the rest of the host does something, too


def needs_kvm(case):
    def run(context):
        if not can_open_kvm():
            raise Skip("/dev/kvm can't be opened")
        case(context)
    return run


def meminfo():
    with open("/proc/meminfo", encoding="utf-8") as file:
        return {line.split(":")[0]: int(line.split()[1]) for line in file}


def kernel_kb():
    info = meminfo()
    return sum(info.get(field, 0) for field in KERNEL_FIELDS)


def vms_of_nobody():
    """VMs whose process is gone, as the host's kernel tells (debugfs, "PID-DESCRIPTOR"); others on this host have some, too."""
    return {name for name in map(os.path.basename, glob.glob(f"{DEBUGFS}/[0-9]*"))
            if not os.path.exists(f"/proc/{name.split('-')[0]}")}


class Census:
    """What could be left of sandboxes that nobody looked at while they ran.

    Orphans come to us: whatever is left of them is a descendant, with its threads, descriptors and VMs.
    """

    def __init__(self, context):
        host.adopt_orphans()
        if context.private and not os.path.isdir(DEBUGFS):
            host.mount("debugfs", os.path.dirname(DEBUGFS), "debugfs")
        self._before = host.Before(context.private)
        self._vms = vms_of_nobody()
        self._own = host.open_files("self")

    def _left(self):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        left = [f"process {pid} ({comm})" for pid, comm in host.descendants(os.getpid()).items() if pid != os.getpid()]
        left += self._before.leftovers({}, host.Namespaces())
        left += [f"VM {name}" for name in vms_of_nobody() - self._vms]
        return left

    def check_nothing_left(self, within=2.0):
        """All that was started was waited for."""
        end = time.monotonic() + within
        while (left := self._left()) and time.monotonic() < end:
            time.sleep(0.02)
        check(not left, f"left behind: {'; '.join(left[:5])} ({len(left)} in all)")
        check(host.open_files("self") == self._own, "descriptors of our own")


def check_drift(context, words, before):
    """The kernel frees some of it later (RCU, work queues); the least of many looks counts."""
    drifts = [kernel_kb() - before]
    while min(drifts) > DRIFT_KB // 8 and len(drifts) < 50:
        time.sleep(0.1)
        drifts.append(kernel_kb() - before)
    context.note(f"{words}: the host kernel's memory {min(drifts):+d} KiB")
    check(min(drifts) <= DRIFT_KB, f"the host kernel keeps {min(drifts)} KiB")


def start_true(context):
    return subprocess.Popen([context.binary, "do", KVM, "--", "true"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def check_end(process):
    errors = process.communicate(timeout=60)[1].decode("utf-8", "replace")
    check(process.returncode == 0 and not errors, f"exit code {process.returncode}: {errors.strip()}")


def cycles(context):
    """One after the other."""
    count = 500 if context.full else 50
    for _ in range(5):  # what the host allots once
        check_end(start_true(context))
    census, before, start, took = Census(context), kernel_kb(), time.monotonic(), []
    line = []
    for i in range(1, count + 1):
        begun = time.monotonic()
        check_end(start_true(context))
        took.append(time.monotonic() - begun)
        if i % (count // 5) == 0:
            line.append(f"{time.monotonic() - start:.1f} s: {i}, {kernel_kb() - before:+d} KiB")
    census.check_nothing_left()
    took.sort()
    context.note("time line: " + "; ".join(line))
    context.note(f"median {took[count // 2] * 1000:.0f} ms, longest {took[-1] * 1000:.0f} ms")
    check_drift(context, f"after {count}", before)


def parallel(context):
    check_end(start_true(context))
    census, before = Census(context), kernel_kb()
    for round_number in (1, 2):
        start = time.monotonic()
        for process in [start_true(context) for _ in range(24)]:
            check_end(process)
        seconds = time.monotonic() - start
        census.check_nothing_left()
        check_drift(context, f"round {round_number}, 24 at once in {seconds:.2f} s", before)


# --- Memory of idle sandboxes ---

def pss_kb(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
    except OSError:
        return 0


def settled_kernel_kb():
    """Once the kernel has freed what earlier sandboxes had (RCU, work queues, lists of each CPU)."""
    before, quiet = kernel_kb(), 0
    for _ in range(100):
        time.sleep(0.1)
        now = kernel_kb()
        quiet = quiet + 1 if abs(now - before) < 64 else 0
        before = now
        if quiet == 10:
            break
    return before


def memory_of(context, platform):
    """(PSS, the kernel's) in KiB of one idle sandbox."""
    sandboxes, before = [], settled_kernel_kb()
    try:
        for _ in range(SANDBOXES):
            sandboxes.append(context.run(["sh", "-c", "echo started; exec sleep 1000"], flags=[f"--platform={platform}"]))
        for sandbox in sandboxes:
            sandbox.wait_for_output(b"started\n", 60)
        kernel = (settled_kernel_kb() - before) / SANDBOXES
        pss = sum(pss_kb(pid) for sandbox in sandboxes for pid in sandbox.look()) / SANDBOXES
        for sandbox in sandboxes:
            os.kill(sandbox.pid, signal.SIGTERM)
        for sandbox in sandboxes:
            sandbox.wait(20)
        return pss, kernel
    finally:
        for sandbox in sandboxes:
            sandbox.close()


def memory_ratio(context):
    total = {}
    for platform in ("systrap", "kvm"):
        pss, kernel = memory_of(context, platform)
        total[platform] = pss + kernel
        context.note(f"{platform}: {pss + kernel:.0f} KiB, of these {kernel:.0f} the host kernel's")
    return total["kvm"] / total["systrap"]


def memory(context):
    """Other work on the host comes into the kernel's part, so a second and a third look may mend a bad first one."""
    memory_of(context, "systrap")  # what the kernel allots once
    for _ in range(3):
        ratio = memory_ratio(context)
        context.note(f"ratio {ratio:.2f}")
        if ratio <= MAX_RATIO:
            return
    check(False, f"an idle sandbox on kvm takes {ratio:.2f} times what it takes on systrap")


# --- No KVM ---

def hide_device():
    """In mounts of its own, a /dev without it."""
    check(host.private_mounts(), "no mounts of our own")
    null = os.open("/dev/null", os.O_PATH)
    check(host.mount("tmpfs", "/dev", "tmpfs"), "tmpfs on /dev")
    with open("/dev/null", "wb"):
        pass
    check(host.mount(f"/proc/self/fd/{null}", "/dev/null", "none", host.MS_BIND), "bind /dev/null")
    os.close(null)


def put_null():
    check(host.private_mounts(), "no mounts of our own")
    check(host.mount("/dev/null", "/dev/kvm", "none", host.MS_BIND), "bind /dev/null")


def without_kvm(prepare, pattern):
    """kvm is refused in one line, auto takes another platform, `platforms` tells why."""
    def run(context):
        if os.geteuid() != 0 or not os.path.exists("/dev/kvm"):
            raise Skip("needs root and a /dev/kvm")
        os.chmod(context.directory, 0o755)
        with context.run(["true"], flags=[KVM], preexec_fn=prepare) as sandbox:
            code, lines = sandbox.wait(20), sandbox.error_lines()
            check(code == 125, f"exit code {code}, expected 125: {lines[:3]}")
            check(len(lines) == 1 and lines[0].startswith("runsc-cpp"), f"not one line: {lines[:4]}")
            check(re.search(pattern, lines[0]), f"{lines[0]!r} does not match {pattern!r}")
            sandbox.check_nothing_left(0.5)
        with context.run(["echo", "fine"], flags=["--platform=auto"], preexec_fn=prepare) as sandbox:
            code = sandbox.wait(20)
            check(code == 0 and sandbox.output == b"fine\n" and not sandbox.errors(),
                  f"auto: exit code {code}, {sandbox.output!r}, {sandbox.errors()!r}")
        done = subprocess.run([context.binary, "platforms"], preexec_fn=prepare, capture_output=True, text=True,
                              timeout=60, check=False)
        lines = [line for line in done.stdout.splitlines() if line.split()[0] == "kvm"]
        check(len(lines) == 1, f"platforms: {done.stdout!r} {done.stderr!r}")
        check(lines[0].split()[1] == "no:" and re.search(pattern, lines[0]), f"platforms: {lines[0]!r}")
        context.note(lines[0])
    return run


KILLS = {
    "kvm_kill_gofer": lambda context: kill_cases.kill_part(context, "gofer", "gofer", [KVM]),
    "kvm_kill_sentry": lambda context: kill_cases.kill_part(context, "sentry", "sentry", [KVM]),
    "kvm_kill_runsc_cpp": lambda context: kill_cases.kill_supervisor(context, [KVM]),
}


def killed(once):
    def run(context):
        census = Census(context)
        kill_cases.repeated(once)(context)
        census.check_nothing_left()
    return needs_kvm(run)


CASES = {
    "kvm_cycles": needs_kvm(cycles),
    "kvm_parallel": needs_kvm(parallel),
    **{name: killed(once) for name, once in KILLS.items()},
    "kvm_memory": needs_kvm(memory),
    "kvm_no_device": without_kvm(hide_device, r"/dev/kvm: No such file.*\(.*module"),
    "kvm_no_permission": without_kvm(become_nobody, r"/dev/kvm: Permission denied.*\(.*group kvm"),
    "kvm_other_device": without_kvm(put_null, r"/dev/kvm is no KVM device.*\(.*\)"),
}
