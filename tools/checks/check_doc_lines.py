#!/usr/bin/env python3
"""`PATH:LINE TEXT` in docs/*.md: TEXT stands in that file, at that line or near.

Code moves, so NEAR lines off is good enough. `check_doc_lines.py ROOT --fix`
sets the numbers right where TEXT is found at all.
"""

import re
import sys

import common

NEAR = 15
REFERENCE = re.compile(r"`([\w./+-]+\.(?:cc|h|S)):(\d+) ([^`\n]+)`")


def place_of(text, lines, number):
    """The line that has `text` and is the nearest to `number`; 0 if none has."""
    places = [i for i, line in enumerate(lines, 1) if text in line]
    return min(places, key=lambda i: abs(i - number), default=0)


def check_page(root, name, names, findings):
    page = common.read(root, name)

    def visit(match):
        path, number, text = match[1], int(match[2]), match[3]
        if path not in names:
            findings.append(f"{name}: no file {path}")
            return match[0]
        place = place_of(text, common.read(root, path).splitlines(), number)
        if place == 0:
            findings.append(f"{name}: {path} has no `{text}` any more")
            return match[0]
        if abs(place - number) > NEAR and "--fix" not in sys.argv:
            findings.append(f"{name}: {path}:{number} {text} is now at line {place}; check_doc_lines.py . --fix")
        return f"`{path}:{place} {text}`"

    fixed = REFERENCE.sub(visit, page)
    if "--fix" in sys.argv and fixed != page:
        (root / name).write_text(fixed, encoding="utf-8")


def main():
    root = common.root_from_argv()
    names = set(common.tree_files(root))
    findings = []
    for name in sorted(names):
        if name.startswith("docs/") and name.endswith(".md"):
            check_page(root, name, names, findings)
    return common.finish("check_doc_lines", findings)


if __name__ == "__main__":
    sys.exit(main())
