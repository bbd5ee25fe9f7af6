"""Whole programs for the benchmarks, and the files that they work on."""
import subprocess

GCC_FILES, GIT_FILES, TAR_FILES, ROWS = 20, 10000, 20000, 100000

SQLITE = f"""
import os, sqlite3, sys
for suffix in ("", "-wal", "-shm"):
    if os.path.exists(sys.argv[1] + suffix):
        os.unlink(sys.argv[1] + suffix)
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("pragma journal_mode=wal")
c.execute("create table t(a integer primary key, b text)")
for i in range(0, {ROWS}, 100):
    c.execute("begin")
    c.executemany("insert into t values(?, ?)", ((k, f"row {{k}}") for k in range(i, i + 100)))
    c.execute("commit")
"""
JAVA = "class A { public static void main(String[] a) { System.out.println(a.length); } }\n"


def files(folder, count, per_directory, text):
    for i in range(count):
        if i % per_directory == 0:
            directory = folder / f"d{i // per_directory}"
            directory.mkdir(parents=True)
        (directory / f"f{i}").write_text(text * (1 + i % 7), encoding="utf-8")


def prepare(folder):
    """Makes the files; returns [(name, command)]."""
    source, tree, small = folder / "source", folder / "tree", folder / "small"
    source.mkdir()
    names = [f"f{i}.c" for i in range(GCC_FILES)]
    for i, name in enumerate(names):
        (source / name).write_text("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
                                   f"int f{i}(int a) {{ char b[99]; snprintf(b, 99, \"%d\", a); return strlen(b); }}\n",
                                   encoding="utf-8")
    (source / "A.java").write_text(JAVA, encoding="utf-8")
    (folder / "rows.py").write_text(SQLITE, encoding="utf-8")
    files(tree, GIT_FILES, 100, "some text\n")
    files(small, TAR_FILES, 200, "some other text\n")
    git = ["git", "-C", str(tree), "-c", "user.name=n", "-c", "user.email=e"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run(git + arguments, check=True)
    compile_all = f"cd {source} && printf '%s\\n' {' '.join(names)} | xargs -P2 -n1 gcc -O1 -c"
    return [
        ("python3 -c pass", ["/usr/bin/python3", "-c", "pass"]),
        ("gcc of 20 files, two at once", ["bash", "-c", compile_all]),
        ("git status of 10,000 files", ["git", "-C", str(tree), "status", "--porcelain"]),
        ("sqlite3, 100,000 rows, WAL", ["/usr/bin/python3", str(folder / "rows.py"), str(folder / "rows.db")]),
        ("find /usr", ["find", "/usr"]),
        ("tar of 20,000 files", ["bash", "-c", f"tar cf - -C {small} . | cat >{folder}/out.tar"]),
        ("javac of one file", ["bash", "-c", f"cd {source} && javac A.java"]),
    ]
