#!/usr/bin/python3
# workload: seconds=600 tier=full stderr=ignore
"""Python's own tests of threads, processes, mappings, files and fatal signals (package libpython3.11-testsuite)."""
import importlib.util
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

MODULES = ("test_mmap", "test_faulthandler", "test_threading", "test_subprocess", "test_io")
# Left out unless asked for: more threads, and sparse files of some GiB.
OPTIONS = ("-u", "cpu,largefile")


def outcome_of(case):
    """ok, FAILED (an error is one too) or skipped."""
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return "FAILED"
    return "skipped" if "skipped" in kinds else "ok"


def run_module(module):
    """Prints what came of each case of a module that was not simply ok; whether nothing failed."""
    results = pathlib.Path(f"{module}.xml")
    run = subprocess.run([sys.executable, "-m", "test", *OPTIONS, "-v", "--junit-xml", results, module],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if run.returncode != 0:
        sys.stderr.buffer.write(run.stdout)
    if not results.exists():
        print(f"{module}: status {run.returncode}, no results")
        return False
    cases = list(xml.etree.ElementTree.parse(results).iter("testcase"))
    outcomes = sorted((outcome_of(case), case.get("name").removeprefix(f"test.{module}.")) for case in cases)
    failed, skipped = ([name for outcome, name in outcomes if outcome == kind] for kind in ("FAILED", "skipped"))
    print(f"{module}: status {run.returncode}, {len(cases)} run, {len(failed)} failed, {len(skipped)} skipped")
    for outcome, name in outcomes:
        if outcome != "ok":
            print(f"  {outcome} {name}")
    sys.stdout.flush()
    return run.returncode == 0 and not failed


missing = [module for module in MODULES if importlib.util.find_spec(f"test.{module}") is None]
if missing:
    print("skipped: libpython3.11-testsuite is not installed: no", *missing)
    sys.exit(0)
sys.exit(0 if all([run_module(module) for module in MODULES]) else 1)
