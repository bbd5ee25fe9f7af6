"""What test/docker and test/cri share: cases, their choice, verdicts, the sum at the end."""
import argparse
import collections
import dataclasses
import fnmatch
import os
import shutil
import subprocess
import sys
import time
import traceback

import house

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failure(Exception):
    """What was wrong, in words."""


class Skip(Exception):
    """Why a case can't be tried here."""


@dataclasses.dataclass
class Case:
    name: str
    function: object
    tier: str = "ci"


class Cases:
    """A registry: @cases.case() over a function whose name is the case's."""

    def __init__(self):
        self.all = []

    def case(self, tier="ci"):
        def register(function):
            self.all.append(Case(function.__name__, function, tier))
            return function
        return register


def check(condition, words):
    if not condition:
        raise Failure(words() if callable(words) else words)


def equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: {got!r}, not {wanted!r}")


def until(condition, seconds, words):
    """Polls a condition; its first true value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"not within {seconds} s: {words() if callable(words) else words}")
        time.sleep(0.1)


def parse_args(prog, doc):
    parser = argparse.ArgumentParser(prog=prog, description=doc.splitlines()[0])
    parser.add_argument("--tier", choices=("ci", "full"), default="ci")
    parser.add_argument("--binary", help="the runsc-cpp to try")
    parser.add_argument("--runtime", help="another OCI runtime in its place: runc proves the tests")
    parser.add_argument("--list", action="store_true", help="print the cases and end")
    parser.add_argument("--keep-logs", metavar="DIR", help="the daemons' logs go there at the end")
    parser.add_argument("patterns", nargs="*", metavar="CASE", help="a name or a pattern such as 'exec*'")
    return parser.parse_args()


def take_shim():
    """The value of --shim, which not all suites have, out of the arguments; or None."""
    if "--shim" not in sys.argv:
        return None
    at = sys.argv.index("--shim")
    path = sys.argv[at + 1]
    del sys.argv[at:at + 2]
    return os.path.abspath(path)


def chosen(options, cases):
    return [case for case in cases
            if (case.tier == "ci" or options.tier == "full" or options.patterns)
            and (not options.patterns or any(fnmatch.fnmatch(case.name, pattern) for pattern in options.patterns))]


def find_runtime(options):
    """(path, None) of what is to be tried, or (None, why not)."""
    words = options.runtime or options.binary or os.path.join(PROJECT, "bazel-bin/runsc-cpp/runsc-cpp")
    path = shutil.which(words, path=house.PATH + ":" + os.environ.get("PATH", ""))
    if path is None:
        sys.exit(f"there is no runtime {words}; `tools/dev build` makes ours")
    path = os.path.realpath(path)
    answer = subprocess.run([path, "state", "no-such-container"], capture_output=True, text=True, check=False)
    if "does not exist" not in answer.stdout + answer.stderr:
        return None, f"{path} has no OCI commands"
    return path, None


def skip_all(reason):
    print(f"skip all: {reason}\n0 passed, 0 failed, 1 skipped")
    return 0


def verdict(case, call, clean=lambda: (), notes=()):
    """The line of a case: call() does it, clean() takes away what is left and says what should not be."""
    start = time.monotonic()
    try:
        call()
        result, words = "ok", "; ".join(notes)
    except Skip as skip:
        result, words = "skip", str(skip)
    except Failure as failure:
        result, words = "FAIL", str(failure)
    except Exception:  # pylint: disable=broad-except
        result, words = "FAIL", traceback.format_exc().strip()
    left = clean()
    if left and result == "ok":
        result, words = "FAIL", "left behind: " + "; ".join(left[:8])
    words = ": " + words.replace("\n", "\n    ") if words else ""
    return f"{result:4} {case.name} ({time.monotonic() - start:.1f} s){words}"


def run_cases(cases, call, clean, gaps=lambda name: None):
    """call(case) does one, clean() takes away what is left and says what should not be; gaps(name) why it is not tried."""
    counts = collections.Counter()
    for case in cases:
        if gaps(case.name):
            counts["skip"] += 1
            print(f"skip {case.name}: not yet: {gaps(case.name)}", flush=True)
            continue
        line = verdict(case, lambda case=case: call(case), clean)
        counts[line.split()[0]] += 1
        print(line, flush=True)
    skipped = f", {counts['skip']} skipped" if counts["skip"] else ""
    print(f"{counts['ok']} passed, {counts['FAIL']} failed{skipped}")
    return 1 if counts["FAIL"] or not cases else 0
