#!/usr/bin/python3
# workload: seconds=600 tier=full stderr=ignore
"""Python's own tests of threads, processes, mappings, files and fatal signals (package libpython3.11-testsuite)."""
import collections
import importlib.util
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

MODULES = ("test_mmap", "test_faulthandler", "test_threading", "test_subprocess", "test_io")
# Left out unless asked for: more threads, and sparse files of some GiB.
OPTIONS = ("-u", "cpu,largefile")
# Some cases allow a thread only so much time to be scheduled; on a busy machine that is not always enough.
RETRIES = 2


def outcome_of(case):
    """ok, FAILED (an error is one too) or skipped."""
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return "FAILED"
    return "skipped" if "skipped" in kinds else "ok"


def run_cases(module, names):
    """Runs the named cases of a module, or all: the status, and each case's outcome."""
    results = pathlib.Path(f"{module}.xml")
    results.unlink(missing_ok=True)
    matches = [word for name in names for word in ("-m", name)]
    run = subprocess.run([sys.executable, "-m", "test", *OPTIONS, *matches, "-v", "--junit-xml", results, module],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if run.returncode != 0:
        sys.stderr.buffer.write(run.stdout)
    cases = xml.etree.ElementTree.parse(results).iter("testcase") if results.exists() else ()
    return run.returncode, {case.get("name"): outcome_of(case) for case in cases}


def run_module(module):
    """Prints what came of each case of a module that was not simply ok; whether nothing failed."""
    status, outcomes = run_cases(module, ())
    for _ in range(RETRIES):
        failed = [name for name, outcome in outcomes.items() if outcome == "FAILED"]
        if failed:
            status, again = run_cases(module, failed)
            outcomes.update(again)
    count = collections.Counter(outcomes.values())
    print(f"{module}: status {status}, {len(outcomes)} run, {count['FAILED']} failed, {count['skipped']} skipped")
    for name, outcome in sorted(outcomes.items()):
        if outcome != "ok":
            print(f"  {outcome} {name.removeprefix(f'test.{module}.')}")
    sys.stdout.flush()
    return status == 0


missing = [module for module in MODULES if importlib.util.find_spec(f"test.{module}") is None]
if missing:
    print("skipped: libpython3.11-testsuite is not installed: no", *missing)
    sys.exit(0)
sys.exit(0 if all([run_module(module) for module in MODULES]) else 1)
