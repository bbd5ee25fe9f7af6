#!/usr/bin/env python3
"""Length of files, a README in each room, no notes to self, no odd bytes."""

import re
import sys

import common

MAX_LINES = 500
REASON = re.compile(r"(//|#|<!--)\s*Length: \S+")
TEXT = (".cc", ".h", ".c", ".S", ".py", ".sh", ".bzl", ".bazel", ".BUILD", ".proto", ".md", ".lds")
# Spelled so that this file does not find itself.
NOTES = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
NO_README_NEEDED = ("third_party/bazel4/",)


def check_text(name, text):
    lines = text.splitlines()
    if len(lines) > MAX_LINES and not any(REASON.search(line) for line in lines[:30]):
        yield f"{name}: {len(lines)} lines, more than {MAX_LINES}: split it, or say why in a line '// Length: reason'"
    for number, line in enumerate(lines, 1):
        match = NOTES.search(line)
        if match:
            yield f"{name}:{number}: {match[0]}: do it, or file an issue"
        if line != line.rstrip() and not name.endswith(".md"):
            yield f"{name}:{number}: blanks at the end of the line"
        if "\t" in line and name.endswith((".cc", ".h", ".py", ".bazel", ".bzl")):
            yield f"{name}:{number}: a tab"
    if name.endswith(".h") and not re.search(r"^#ifndef \w+_H_$", text, re.MULTILINE) and "#pragma once" not in text:
        yield f"{name}: no include guard"


def rooms(names):
    for name in names:
        folder, _, base = name.rpartition("/")
        if base == "BUILD.bazel" and not (folder + "/").startswith(NO_README_NEEDED):
            yield folder + "/" if folder else ""


def main():
    root = common.root_from_argv()
    names = common.tree_files(root)
    findings = []
    for name in names:
        if name.endswith(TEXT) or "." not in name.rsplit("/", 1)[-1]:
            findings += check_text(name, common.read(root, name))
    known = set(names)
    findings += [f"{room or './'}: a room without README.md" for room in rooms(names) if room + "README.md" not in known]
    return common.finish("check_files", findings)


if __name__ == "__main__":
    sys.exit(main())
