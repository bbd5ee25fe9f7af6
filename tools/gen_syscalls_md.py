#!/usr/bin/env python3
"""Writes docs/syscalls.md from the binary's own call table.

usage: gen_syscalls_md.py [--binary PATH] [--check]
"""

import argparse
import json
import pathlib
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "syscalls.md"
LEVELS = ("full", "partial", "missing")

HEAD = """# System calls of x86-64

Written by `tools/gen_syscalls_md.py` from [the table](../sentry/syscalls/table_amd64.cc); do not edit. `runsc-cpp syscalls`
prints the same.

- *full*: no flag or case is known to be missing.
- *partial*: the note names the flags or cases that are missing.
- *missing*: answered as a kernel without the call would, mostly by ENOSYS, and counted: `runsc-cpp debug --unimplemented`.

"""


def rows_of(binary):
    return json.loads(subprocess.run([binary, "syscalls", "--json"], check=True, capture_output=True, text=True).stdout)


def page(rows):
    counts = [sum(row["support"] == level for row in rows) for level in LEVELS]
    text = HEAD + f"{len(rows)} calls: " + ", ".join(f"{n} {level}" for n, level in zip(counts, LEVELS)) + ".\n\n"
    text += "| number | name | support | note |\n|---|---|---|---|\n"
    for row in rows:
        if row["support"] != "missing":
            note = row["note"].replace("|", "\\|")
            text += f"| {row['number']} | {row['name']} | {row['support']} | {note} |\n"
    missing = ", ".join(f"{row['name']} ({row['number']})" for row in rows if row["support"] == "missing")
    return text + "\n" + textwrap.fill(f"Missing: {missing}.", 120, break_on_hyphens=False) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(ROOT / "bazel-bin/runsc-cpp/runsc-cpp"))
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is out of date")
    options = parser.parse_args()
    text = page(rows_of(options.binary))
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/syscalls.md is out of date; run tools/gen_syscalls_md.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
