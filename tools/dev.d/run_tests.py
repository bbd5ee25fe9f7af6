"""tools/dev test: unit tests by Bazel, then each suite test/*/run.

A suite is an executable that takes --tier=ci|full --binary PATH [ARGS] and
closes with "N passed, N failed" (", N skipped" may follow). The sum of all is
the last line here, and the only one of that form.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import xml.etree.ElementTree

BINARY_TARGET = "//runsc-cpp:runsc-cpp"
# Programs of the suites' own, which they look for in bazel-bin.
SUITE_TARGETS = {
    "syscalls": ["//test/syscalls:syscalls_test"],
    "fault": ["//test/fault/stub:stub_attacks"],
    "hostile": ["//test/hostile:hostile"],
    "qemu": ["//platform:conformance_test", "//platform/kvm:kvm_test", "//test/hostile:hostile", "//test/syscalls:syscalls_test"],
}
RESULT_LINE = re.compile(r"^(?:\S+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
SUITE_SECONDS = {"ci": 15 * 60, "full": 3 * 3600}
NOT_A_TEST = {"benchmarks"}  # tools/dev bench runs these
CACHE_LIMIT_BYTES = 6 << 30
CACHE_AGE_SECONDS = 3 * 86400


class Score:
    """Counts of all steps so far."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def add(self, step, passed, failed, skipped, seconds):
        self.passed += passed
        self.failed += failed
        say(f"{step}: passed {passed}, failed {failed}, skipped {skipped} in {seconds:.0f} s")


def say(text):
    print(f"== {text}", flush=True)


def plain_ui():
    """Bazel's flags for output that nobody watches."""
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return []
    return ["--curses=no", "--color=no", "--show_progress_rate_limit=30"]


def cases_of(xml_path):
    """(passed, failed, skipped) cases of a test.xml; None if there is none."""
    try:
        tree = xml.etree.ElementTree.parse(xml_path)
    except (OSError, xml.etree.ElementTree.ParseError):
        return None
    passed = failed = skipped = 0
    for case in tree.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.get("status") == "notrun" or case.get("result") in ("skipped", "suppressed"):
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


class BuildEvents:
    """What Bazel's build event file tells of targets and their tests."""

    def __init__(self, path):
        self.xml_of = {}
        self.status_of = {}
        self.broken = set()
        self.ran = False
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError:
            lines = []
        for line in lines:
            try:
                self._read(json.loads(line))
            except json.JSONDecodeError:
                continue  # a server that was killed leaves half a line

    def _read(self, event):
        event_id = event.get("id", {})
        if "targetCompleted" in event_id:
            self.ran = True
            if not event.get("completed", {}).get("success", False):
                self.broken.add(event_id["targetCompleted"]["label"])
        elif "testResult" in event_id:
            label = event_id["testResult"]["label"]
            for output in event.get("testResult", {}).get("testActionOutput", []):
                if output.get("name") == "test.xml" and "uri" in output:
                    path = urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
                    self.xml_of.setdefault(label, []).append(path)
        elif "testSummary" in event_id:
            label = event_id["testSummary"]["label"]
            self.status_of[label] = event.get("testSummary", {}).get("overallStatus", "NO_STATUS")

    def count(self):
        """(passed, failed, skipped); a target that did not build is one failure."""
        totals = [0, 0, 0]
        for label, status in sorted(self.status_of.items()):
            if label in self.broken:
                continue
            counts = [0, 0, 0]
            for path in self.xml_of.get(label, []):
                for i, value in enumerate(cases_of(path) or (0, 0, 0)):
                    counts[i] += value
            good = status in ("PASSED", "FLAKY")
            if not good and counts[1] == 0:
                counts[1] = 1
            if good and sum(counts) == 0:
                counts[0] = 1
            totals = [a + b for a, b in zip(totals, counts)]
        for label in sorted(self.broken):
            say(f"did not build: {label}")
        totals[1] += len(self.broken)
        return totals


class Runner:
    def __init__(self, args):
        self.root = pathlib.Path(args.root)
        self.binary = args.binary
        self.tier = "full" if args.full else "ci"
        self.score = Score()

    def bazel(self, step, verb, flags, targets):
        """Runs Bazel and adds its cases, or its failure to run at all."""
        say(f"{step}: bazel {verb} {' '.join(targets)}")
        start = time.monotonic()
        events = self.root / f".bazel-events-{os.getpid()}.json"
        command = ["bazel", verb, "--keep_going", f"--build_event_json_file={events}", "--show_result=0", *plain_ui()]
        try:
            status = subprocess.run(command + flags + targets, cwd=self.root, stdin=subprocess.DEVNULL).returncode
            result = BuildEvents(events)
        finally:
            events.unlink(missing_ok=True)
        passed, failed, skipped = result.count()
        # 4: all built, and none of the targets is a test.
        if status not in (0, 4) and failed == 0:
            say(f"{step}: bazel ended with status {status}")
            failed = 1
        if verb == "test" or failed:
            self.score.add(step, passed, failed, skipped, time.monotonic() - start)
        else:
            say(f"{step}: took {time.monotonic() - start:.0f} s")

    def build_first(self, targets):
        """Compiles before any test runs: a busy machine makes timing tests fail.

        Counts nothing, as the test step meets what did not build again.
        """
        say(f"build: bazel build {' '.join(targets)}")
        start = time.monotonic()
        command = ["bazel", "build", "-c", "opt", "--keep_going", "--show_result=0", *plain_ui(), *targets]
        subprocess.run(command, cwd=self.root, stdin=subprocess.DEVNULL, check=False)
        say(f"build: took {time.monotonic() - start:.0f} s")

    def suite(self, name, extra):
        say(f"{name}: test/{name}/run --tier={self.tier}")
        start = time.monotonic()
        command = [str(self.root / "test" / name / "run"), f"--tier={self.tier}", "--binary", self.binary, *extra]
        process = subprocess.Popen(
            command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)
        late = threading.Event()

        def stop():
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(SUITE_SECONDS[self.tier], stop)
        timer.start()
        counts = None
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            print(f"{name} | {line}", flush=True)
            match = RESULT_LINE.match(line.strip())
            if match:
                counts = [int(value or 0) for value in match.groups()]
        status = process.wait()
        timer.cancel()
        if late.is_set():
            say(f"{name}: killed after {SUITE_SECONDS[self.tier]} s")
        if counts is None:
            say(f"{name}: ended with status {status} and without a line 'N passed, N failed'")
            counts = [0, 1, 0]
        elif status != 0 and counts[1] == 0:
            say(f"{name}: ended with status {status}")
            counts[1] = 1
        self.score.add(name, *counts, time.monotonic() - start)

    def suite_names(self):
        return sorted(
            path.parent.name for path in self.root.glob("test/*/run")
            if os.access(path, os.X_OK) and path.parent.name not in NOT_A_TEST)


def trim_disk_cache():
    """Bazel 4 never deletes from its disk cache: drop what is old once it is big."""
    cache = pathlib.Path(os.environ["HOME"]) / ".cache" / "runsc-cpp-bazel"
    files = [(path, path.stat()) for path in cache.glob("*/*/*") if path.is_file()]
    if sum(stat.st_size for _, stat in files) < CACHE_LIMIT_BYTES:
        return
    horizon = time.time() - CACHE_AGE_SECONDS
    for path, stat in files:
        if max(stat.st_mtime, stat.st_atime) < horizon:
            path.unlink(missing_ok=True)


def parse_args():
    parser = argparse.ArgumentParser(prog="tools/dev test")
    parser.add_argument("--root", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--binary", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--full", action="store_true", help="sanitizers, clang, and the suites' long tier")
    parser.add_argument("names", nargs="*", help="bazel targets or suites; all if none is named")
    argv = sys.argv[1:]
    extra = []
    if "--" in argv:
        extra = argv[argv.index("--") + 1:]
        argv = argv[:argv.index("--")]
    return parser.parse_args(argv), extra


def main():
    args, extra = parse_args()
    runner = Runner(args)
    start = time.monotonic()
    targets = [name for name in args.names if name.startswith(("//", "@", ":", "-//"))]
    suites = [name for name in args.names if name not in targets]
    unknown = sorted(set(suites) - set(runner.suite_names()))
    if unknown:
        print(f"tools/dev test: no suite {unknown}; there are {runner.suite_names()}", file=sys.stderr)
        return 2
    if not args.names:
        targets, suites = ["//..."], runner.suite_names()

    trim_disk_cache()
    if targets:
        runner.build_first(targets)
        runner.bazel("unit tests", "test", ["-c", "opt"], targets)
    if suites:
        if targets != ["//..."]:
            programs = {target for name in suites for target in SUITE_TARGETS.get(name, [])}
            runner.bazel("build", "build", ["-c", "opt"], [BINARY_TARGET, *sorted(programs)])
        for name in suites:
            runner.suite(name, extra)
    if args.full and targets:
        hidden = ["--experimental_convenience_symlinks=ignore"]  # bazel-bin stays the optimised one
        runner.bazel("address sanitizer", "test",
                     hidden + ["--config=asan", "--test_tag_filters=-noasan", "--build_tag_filters=-noasan"], targets)
        runner.bazel("clang", "build", hidden + ["--config=clang"], targets)
    say(f"took {time.monotonic() - start:.0f} s")
    print(f"{runner.score.passed} passed, {runner.score.failed} failed", flush=True)
    return 1 if runner.score.failed or not runner.score.passed else 0


if __name__ == "__main__":
    sys.exit(main())
