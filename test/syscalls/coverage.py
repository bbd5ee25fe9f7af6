#!/usr/bin/env python3
"""Which rows of the sandbox's call table are marked supported and touched by no case?

usage: coverage.py [RUNSC_CPP [SYSCALLS_TEST]]
"""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def output(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def missing(binary, test_binary):
    """Names of the calls marked full or partial that no TOUCHES(...) list holds."""
    rows = json.loads(output([binary, "syscalls", "--json"]))
    touched = set(output([test_binary, "--touches"]).split())
    return [row["name"] for row in rows if row["support"] in ("full", "partial") and row["name"] not in touched]


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "bazel-bin/runsc-cpp/runsc-cpp")
    test = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "bazel-bin/test/syscalls/syscalls_test")
    names = missing(binary, test)
    for name in names:
        print(name)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
