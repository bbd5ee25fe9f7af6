"""Volumes, mounts, cp, diff, commit."""
import os

import subject
import suite
from suite import check, equal, until

CASES = suite.Cases()
IMAGE = subject.IMAGE


@CASES.case()
def bind_mounts(docker):
    folder = docker.house.base + "/shared"
    os.makedirs(folder, exist_ok=True)
    docker.house.file("shared/in", "from host\n")
    out = docker.once("-v", f"{folder}:/data", IMAGE, "sh", "-c", "cat /data/in; echo from guest >/data/out; stat -c %u:%a /data/out")
    equal(out, "from host\n0:644\n", "seen inside")
    with open(folder + "/out", encoding="ascii") as file:
        equal(file.read(), "from guest\n", "seen outside")
    docker.once("-v", f"{folder}:/data:ro", IMAGE, "sh", "-c", "echo x >/data/x", code=1)
    check("Read-only" in docker.stderr, docker.stderr)
    equal(docker.once("-v", f"{folder}/in:/etc/given", IMAGE, "cat", "/etc/given"), "from host\n", "a file as a mount")


@CASES.case()
def bind_mount_changes_seen(docker):
    folder = docker.house.base + "/live"
    os.makedirs(folder, exist_ok=True)
    name = docker.start("box", "-v", f"{folder}:/data")
    docker.house.file("live/new", "1\n")
    equal(docker("exec", name, "cat", "/data/new"), "1\n", "a new file")
    docker.house.file("live/new", "longer\n")
    equal(docker("exec", name, "cat", "/data/new"), "longer\n", "the changed file")
    os.unlink(folder + "/new")
    docker("exec", name, "cat", "/data/new", code=1)


@CASES.case()
def named_volumes(docker):
    docker.once("-v", "store:/data", IMAGE, "sh", "-c", "echo kept >/data/x")
    equal(docker.once("-v", "store:/data", IMAGE, "cat", "/data/x"), "kept\n", "by the next container")
    first = docker.start("box", "-v", "store:/data")
    second = docker.start("other", "--volumes-from", "box")
    docker("exec", first, "sh", "-c", "echo both >/data/y")
    equal(docker("exec", second, "cat", "/data/y"), "both\n", "by another that runs")


@CASES.case()
def tmpfs_and_read_only(docker):
    out = docker.once("--read-only", "--tmpfs", "/scratch:size=1m,mode=1777", IMAGE, "sh", "-c",
                      "touch /x 2>&1; head -c 2000000 /dev/zero >/scratch/big; stat -c %s /scratch/big; stat -c %a /scratch")
    check("Read-only file system" in out and "\n1048576\n1777\n" in out, out + docker.stderr)


@CASES.case()
def shm_size(docker):
    equal(docker.once("--shm-size", "8m", IMAGE, "sh", "-c", "df -k /dev/shm | tail -n 1 | awk '{print $2}'"), "8192\n", "KiB")


@CASES.case()
def copy_while_running(docker):
    name = docker.start("box", command=("sh", "-c", "mkdir /made; echo inner >/made/file; exec sleep 1000"))
    base = docker.house.base
    until(lambda: docker("exec", name, "cat", "/made/file", code=None), 10, "the file")
    docker("cp", f"{name}:/made", base + "/copied")
    with open(base + "/copied/file", encoding="ascii") as file:
        equal(file.read(), "inner\n", "out of it")
    docker.house.file("outer", "outer\n")
    docker("cp", base + "/outer", f"{name}:/made/outer")
    equal(docker("exec", name, "cat", "/made/outer"), "outer\n", "into it")
    docker.house.file("outer", "changed\n")
    docker("cp", base + "/outer", f"{name}:/made/outer")
    equal(docker("exec", name, "cat", "/made/outer"), "changed\n", "into it, over what was read")
    docker("kill", name)
    docker("cp", f"{name}:/made/outer", base + "/back")


@CASES.case()
def diff_and_commit(docker):
    name = docker.start("box", command=("sh", "-c", "echo new >/etc/new; rm /etc/group; ln -s new /etc/link; echo x >>/etc/passwd; exec sleep 1000"))
    until(lambda: docker("exec", name, "sh", "-c", "tail -n 1 /etc/passwd") == "x\n", 10, "changes")
    lines = docker("diff", name).splitlines()
    for line in ("A /etc/new", "D /etc/group", "A /etc/link", "C /etc/passwd"):
        check(line in lines, f"no {line} in {lines}")
    docker("commit", "-c", "ENV ADDED=1", name, "made:1")
    equal(docker.once("made:1", "sh", "-c", "cat /etc/link; ls /etc/group 2>&1 | wc -l; echo $ADDED"), "new\n1\n1\n", "in the new image")
    docker("rmi", "-f", "made:1")


@CASES.case()
def files_outlive_a_stop(docker):
    name = docker.start("box", command=("sh", "-c", "cat /kept 2>/dev/null; echo kept >/kept; exec sleep 1000"))
    until(lambda: docker("exec", name, "cat", "/kept", code=None), 10, "the file")
    docker("stop", "-t", "0", name)
    docker("start", name)
    until(lambda: docker("logs", name) == "kept\n", 10, "the file at the second start")


@CASES.case()
def export(docker):
    name = docker.start("box", command=("sh", "-c", "echo made >/made"))
    docker("wait", name)
    docker("export", "-o", docker.house.base + "/export.tar", name)
    equal(docker.script(f"tar -xOf {docker.house.base}/export.tar made"), "made\n", "in the archive")


@CASES.case()
def resolver_files(docker):
    out = docker.run("--rm", "--dns", "10.1.2.3", "--add-host", "other:10.9.8.7", "--hostname", "named", IMAGE, "sh", "-c",
                     "cat /etc/resolv.conf /etc/hosts /etc/hostname")
    for text in ("nameserver 10.1.2.3", "10.9.8.7\tother", "\tnamed", "\nnamed\n"):
        check(text in out, f"no {text!r} in {out}")


@CASES.case()
def python_program(docker):
    out = docker.once(docker.debian(), "python3", "-c", "import sqlite3, threading, subprocess, json\n"
                      "t = [threading.Thread(target=lambda: None) for _ in range(20)]\n[x.start() for x in t]; [x.join() for x in t]\n"
                      "c = sqlite3.connect('/tmp/x.db'); c.execute('create table t(a)'); c.execute('insert into t values (42)'); c.commit()\n"
                      "print(subprocess.check_output(['bash', '-c', 'echo $BASH_VERSION']).decode()[:2], c.execute('select a from t').fetchone()[0])")
    equal(out, "5. 42\n", "what it printed")
