"""The cases without engines, inside a house; started there by run."""
import argparse
import ctypes
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, *(os.path.join(os.path.dirname(HERE), name) for name in ("oci/properties", "oci", "engines"))]
import kill_cases  # noqa: E402
import record_cases  # noqa: E402
import stand  # noqa: E402
import suite  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    for name in ("--runtime", "--tier", "--base", "--busybox", "--cgroup"):
        parser.add_argument(name, required=True)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: anchors are our children
    place = stand.Stand(options.runtime, options.runtime, options.base, options.cgroup, options.busybox)
    place.tier = options.tier
    for case in kill_cases.CASES.all + record_cases.CASES.all:
        if case.name in options.names:
            place.notes = []
            print(suite.verdict(case, lambda case=case: case.function(place), place.clean, place.notes), flush=True)


if __name__ == "__main__":
    main()
