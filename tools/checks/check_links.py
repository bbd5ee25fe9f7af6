#!/usr/bin/env python3
"""Relative links in Markdown lead to a file of the tree."""

import os
import re
import sys

import common

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
OUTSIDE = ("http://", "https://", "mailto:", "#")


def main():
    root = common.root_from_argv()
    names = common.tree_files(root)
    known = set(names)
    for name in names:
        folder = os.path.dirname(name)
        while folder:
            known.add(folder)
            folder = os.path.dirname(folder)
    findings = []
    for name in names:
        if not name.endswith(".md"):
            continue
        text = CODE.sub("", common.read(root, name))
        for target in LINK.findall(text):
            if target.startswith(OUTSIDE):
                continue
            path = os.path.normpath(os.path.join(os.path.dirname(name), target.split("#")[0]))
            if path not in known and path != ".":
                findings.append(f"{name}: the link {target} leads nowhere")
    return common.finish("check_links", findings)


if __name__ == "__main__":
    sys.exit(main())
