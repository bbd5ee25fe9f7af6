"""What the checks share: the files of the tree and the form of a finding."""

import pathlib
import subprocess
import sys

SKIPPED_TOP = ("bazel-", ".git/")


def root_from_argv():
    here = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here


def tree_files(root):
    """Root-relative names of all files that git tracks or would track."""
    try:
        out = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"],
            check=True, capture_output=True).stdout
        names = [name for name in out.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return sorted(name for name in names if not name.startswith(SKIPPED_TOP) and (root / name).is_file())


def read(root, name):
    return (root / name).read_text(encoding="utf-8", errors="replace")


def is_cpp(name):
    return name.endswith((".cc", ".h", ".c", ".S"))


def finish(check, findings):
    for finding in findings:
        print(finding)
    print(f"{check}: {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0
