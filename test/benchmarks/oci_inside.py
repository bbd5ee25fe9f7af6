"""The measuring part of oci, inside a house: prints [[row, unit], {runtime: values}] as JSON."""
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(TESTS, name) for name in ("oci/properties", "oci", "engines")]
import stand as stands  # noqa: E402

QUIET = 1.5
SECONDS = 60
SLEEP = ["/bin/sleep", "86399"]


def timed(call, worked=None):
    """Milliseconds, or None if it did not work."""
    start = time.monotonic()
    good = call()
    spent = (time.monotonic() - start) * 1000
    return spent if good and (worked is None or worked()) else None


class Reaper:
    """Reaps what is left to us, as a shim does at each SIGCHLD, but for the command that runs now: runsc waits for that."""

    def __enter__(self):
        self._done = threading.Event()
        self._known = set(children())
        self._thread = threading.Thread(target=self._reap)
        self._thread.start()

    def _reap(self):
        while not self._done.wait(0.002):
            for pid in self._known & set(children()):
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


class Runtime:
    """One of those compared, with bundles for `true` and `sleep`."""

    def __init__(self, stand, name, words):
        self.stand, self.name = stand, name
        self.side = stands.Side(name.replace(" ", "-"), words[0], f"{stand.base}/state-{name.replace(' ', '-')}", words[1:])
        self.true, self.true_folder = stand.make(self.side, {"/process/args": ["/bin/true"]})
        self.sleep, self.sleep_folder = stand.make(self.side, {"/process/args": SLEEP})

    def ok(self, *words, silent=False):
        """Whether the command ended with 0. Silent: without streams, as its container would keep them."""
        streams = subprocess.DEVNULL if silent else subprocess.PIPE
        process = subprocess.Popen(self.side.command(*words), stdin=subprocess.DEVNULL, stdout=streams, stderr=streams, cwd="/")
        try:
            out = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        if process.returncode != 0:
            print(f"{self.name} {words[0]}: code {process.returncode}: {(out[1] or b'').decode()[-300:]}", file=sys.stderr)
        return process.returncode == 0

    def run_true(self):
        return self.ok("run", "--bundle", self.true_folder, self.true)

    def begin(self):
        return self.ok("create", "--bundle", self.sleep_folder, "--pid-file", self.sleep_folder + "/pid", self.sleep,
                       silent=True) and self.ok("start", self.sleep)

    def end(self):
        good = self.ok("kill", self.sleep, "KILL")
        try:
            os.waitpid(self.stand.pid(self.sleep_folder), 0)  # as a shim does
        except (ChildProcessError, OSError):
            pass
        with Reaper():
            good = self.ok("delete", self.sleep) and good
        if not good:
            self.ok("delete", "--force", self.sleep)
        return good

    def life(self):
        return self.begin() and self.end()

    def execs(self, count):
        """Times of `exec true` in one container."""
        if not self.begin():
            return [None] * count
        times = [timed(lambda: self.ok("exec", self.sleep, "/bin/true")) for _ in range(count)]
        self.end()
        return times

    def memory(self):
        """KiB of PSS of whatever has come into being with a container that sleeps."""
        before = set(self.stand.pids())
        if not self.begin():
            return None
        time.sleep(1)
        total = sum(pss_of(pid) for pid in set(self.stand.pids()) - before)
        self.end()
        return total

    def parallel(self, count):
        """(ms, ms of CPU) of that many containers at once."""
        idents = [f"{self.true}-{number}" for number in range(count)]
        folders = []
        for ident in idents:
            folder, _ = self.stand.bundle({"/process/args": ["/bin/true"]}, ident)
            folders.append(folder)
        before = cpu()
        start = time.monotonic()
        running = [subprocess.Popen(self.side.command("run", "--bundle", folder, ident), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
                   for ident, folder in zip(idents, folders)]
        codes = [process.wait() for process in running]
        wall = (time.monotonic() - start) * 1000
        time.sleep(0.3)
        reap()
        spent = (cpu() - before) * 1000
        for folder in folders:
            subprocess.run(["umount", "-l", folder + "/rootfs"], check=False, stderr=subprocess.DEVNULL)
            shutil.rmtree(folder, ignore_errors=True)
        if any(codes):
            print(f"{self.name}: {sum(1 for code in codes if code)} of {count} at once failed", file=sys.stderr)
            return None, None
        return wall, spent


def cpu():
    """Of all children that have ended and been reaped, and of theirs: we are the subreaper."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def pss_of(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
    except OSError:
        return 0


def main():
    work = json.loads(sys.argv[1])
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    ours = next(iter(work["runtimes"].values()))[0]
    place = stands.Stand(ours, ours, work["base"], work["cgroup"], work["busybox"])
    runtimes = [Runtime(place, name, words) for name, words in work["runtimes"].items()]
    values = {}

    def note(row, unit, runtime, value):
        values.setdefault((row, unit), {}).setdefault(runtime.name, []).append(value)

    def wanted(row):
        return not work["only"] or any(row.startswith(word) for word in work["only"])

    for runtime in runtimes:
        runtime.run_true()  # what is remembered from a first run
    for _ in range(work["rounds"]):
        for runtime in runtimes:
            if wanted("run true"):
                note("run true", "ms", runtime, timed(runtime.run_true))
            if wanted("create start kill delete"):
                note("create start kill delete", "ms", runtime, timed(runtime.life))
            reap()
    for runtime in runtimes if wanted("exec true") else ():
        for value in runtime.execs(work["rounds"]):
            note("exec true", "ms", runtime, value)
        reap()
    for _ in range(min(3, work["rounds"])):
        for runtime in runtimes if wanted("memory of sleep") else ():
            note("memory of sleep", "KiB", runtime, runtime.memory())
            reap()
    for _ in range(work["parallel_rounds"]):
        for runtime in runtimes if wanted("at once") else ():
            wall, spent = runtime.parallel(work["parallel"])
            note(f"at once: {work['parallel']} runs", "ms", runtime, wall)
            note(f"at once: {work['parallel']} runs, CPU", "ms", runtime, spent)
    place.clean()
    print(json.dumps([[row, by_runtime] for row, by_runtime in values.items()]))


if __name__ == "__main__":
    main()
