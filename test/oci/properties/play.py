"""The live cases, inside a house; started there by ../run. A line `ok prop.NAME` or `FAIL prop.NAME: words` each."""
import argparse
import ctypes
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.join(os.path.dirname(os.path.dirname(HERE)), "engines")]
import cases  # noqa: E402
import refusal_cases  # noqa: E402
import stand  # noqa: E402
import suite  # noqa: E402


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--oracle", required=True)
    parser.add_argument("--tier", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--busybox", required=True, help="a root file system")
    parser.add_argument("--cgroup", required=True)
    parser.add_argument("names", nargs="*")
    return parser.parse_args()


def main():
    options = parse_args()
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: anchors are our children
    os.chmod(options.base, 0o755)  # a user namespace's root is another user
    place = stand.Stand(options.runtime, options.oracle, options.base, options.cgroup, options.busybox)
    place.tier = options.tier
    chosen = [case for case in cases.ALL if case.name in options.names]
    for case in chosen:
        place.notes = []
        line = suite.verdict(case, lambda case=case: stand.limited(lambda: case.function(place), case.seconds), place.clean, place.notes)
        result, _, rest = line.partition(" ")
        print(f"{result} prop.{rest.lstrip()}", flush=True)
    if "coverage" in options.names:
        without = sorted(refusal_cases.honoured() - place.covered)
        everything = len(chosen) >= len([case for case in cases.ALL if case.tier == "ci"])
        if not everything:
            print("skip prop.coverage: only where all cases run")
        elif without:
            print(f"FAIL prop.coverage: honoured, and in no live case: {', '.join(without)}")
        else:
            print("ok prop.coverage")


if __name__ == "__main__":
    main()
