#!/usr/bin/python3
"""Files as Python programs use them: tempfile, mmap, shutil, pathlib, zipfile, fcntl, os.walk, json, sqlite3."""
import errno
import fcntl
import hashlib
import json
import mmap
import os
import pathlib
import pickle
import shutil
import sqlite3
import stat
import struct
import tarfile
import tempfile
import zipfile

with tempfile.TemporaryFile() as file:
    file.write(b"abc" * 1000)
    file.seek(1500)
    print(file.read(6), file.tell(), os.fstat(file.fileno()).st_nlink)
with tempfile.NamedTemporaryFile(delete=False) as file:
    print(oct(stat.S_IMODE(os.stat(file.name).st_mode)))
os.unlink(file.name)
with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    for a in range(4):
        for b in range(5):
            (root / f"d{a}" / f"e{b}").mkdir(parents=True)
            (root / f"d{a}" / f"e{b}" / "file.txt").write_text(f"{a} {b}\n" * 100)
    print([(len(d), len(f)) for _, d, f in sorted(os.walk(root))][:7])
    print(len(list(root.rglob("*.txt"))), sorted(p.name for p in root.iterdir()))
    shutil.copytree(root / "d0", root / "copy")
    shutil.move(root / "copy", root / "moved")
    shutil.make_archive(str(root / "archive"), "zip", root / "d1")
    with zipfile.ZipFile(root / "archive.zip") as archive:
        print(sorted(archive.namelist())[:4], archive.testzip())
        archive.extractall(root / "out")
    with tarfile.open(root / "a.tar.gz", "w:gz") as archive:
        archive.add(root / "d2", "d2")
    with tarfile.open(root / "a.tar.gz") as archive:
        archive.extractall(root / "untarred")
    print(sorted(os.listdir(root / "untarred/d2")), shutil.disk_usage(root).total > 0)
    shutil.rmtree(root / "d3")
    print(sorted(os.listdir(root)))

with open("map", "w+b") as file:
    file.truncate(3 * 4096 + 100)
    with mmap.mmap(file.fileno(), 0) as view:
        view[5000:5005] = b"hello"
        view.flush()
        print(view.find(b"hello"), len(view), os.pread(file.fileno(), 5, 5000))
        os.pwrite(file.fileno(), b"JELLO", 5000)
        print(view[5000:5005])
        view.resize(8192)
        print(os.fstat(file.fileno()).st_size)
    with mmap.mmap(file.fileno(), 4096, access=mmap.ACCESS_COPY, offset=4096) as private:
        private[0] = 65
        print(private[:2], os.pread(file.fileno(), 2, 4096))
with mmap.mmap(-1, 1 << 20) as anonymous:
    if (pid := os.fork()) == 0:
        anonymous[77] = 7
        os._exit(0)
    os.waitpid(pid, 0)
    print(anonymous[77])

with open("locked", "w") as one:
    fcntl.flock(one, fcntl.LOCK_EX)
    with open("locked", "w") as two:
        try:
            fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            print(errno.errorcode[error.errno])
    fcntl.lockf(one, fcntl.LOCK_EX, 10, 5)
    if (pid := os.fork()) == 0:
        with open("locked", "r+") as three:
            try:
                fcntl.lockf(three, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 14)
                os._exit(1)
            except OSError as error:
                lock = fcntl.fcntl(three, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
                os._exit(2 if struct.unpack("hhqqi4x", lock)[4] == os.getppid() else 3)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(fcntl.fcntl(0, fcntl.F_GETFD), fcntl.fcntl(os.open("locked", os.O_RDONLY | os.O_APPEND), fcntl.F_GETFL) & os.O_APPEND)

data = {"list": list(range(1000)), "text": "\u00e4\u00f6\u00fc\u2603", "none": None}
json.dump(data, open("data.json", "w"))
pickle.dump(data, open("data.pickle", "wb"))
print(json.load(open("data.json")) == pickle.load(open("data.pickle", "rb")) == data,
      hashlib.sha256(open("data.json", "rb").read()).hexdigest())
with sqlite3.connect("py.db") as db:
    db.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")
    db.executemany("INSERT INTO t(b) VALUES(?)", ((f"row {n}",) for n in range(2000)))
    print(db.execute("SELECT count(*), max(b) FROM t").fetchone())
db.close()

os.mkdir("dir")
fd = os.open("dir", os.O_RDONLY | os.O_DIRECTORY)
os.close(os.open("inner", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
os.link("inner", "hard", src_dir_fd=fd, dst_dir_fd=fd)
os.symlink("inner", "soft", dir_fd=fd)
os.rename("hard", "harder", src_dir_fd=fd, dst_dir_fd=fd)
print(sorted(os.listdir(fd)), os.readlink("soft", dir_fd=fd), os.stat("inner", dir_fd=fd).st_nlink)
for action in (lambda: os.rmdir("dir"), lambda: os.mkdir("dir"), lambda: os.open("dir", os.O_WRONLY),
               lambda: os.open("dir/inner/x", os.O_RDONLY), lambda: os.rename("dir", "dir/sub"),
               lambda: os.open("x" * 300, os.O_CREAT), lambda: os.lseek(0, -5, 0), lambda: os.read(99, 1),
               lambda: os.open("/proc/version", os.O_RDONLY | os.O_DIRECTORY), lambda: os.readlink("dir"),
               lambda: os.open("dir/soft", os.O_NOFOLLOW), lambda: os.truncate("missing", 0),
               lambda: os.link("dir", "dirlink"), lambda: os.unlink("dir"), lambda: os.pipe2(1 << 30)):
    try:
        print(action())
    except OSError as error:
        print(errno.errorcode[error.errno])
os.utime("map", ns=(1_000_000_007, 2_000_000_009))
print(os.stat("map").st_mtime_ns, os.stat("map").st_atime_ns)
try:
    os.setxattr("map", "user.test", b"value")
    print(os.getxattr("map", "user.test"), os.listxattr("map"))
except OSError as error:
    print("xattr", error.errno in (errno.ENOTSUP,))
a, b = os.open("map", os.O_RDONLY), os.open("copy", os.O_RDWR | os.O_CREAT)
print(os.sendfile(b, a, 0, 5000), os.lseek(b, 0, os.SEEK_CUR), os.copy_file_range(a, b, 100, 0, 0),
      os.posix_fallocate(b, 0, 10000), os.fstat(b).st_size, os.preadv(b, [bytearray(3), bytearray(2)], 1))
print(os.lseek(b, 0, os.SEEK_END), os.lseek(b, 0, os.SEEK_DATA), os.get_inheritable(b), os.dup2(b, 50), os.isatty(b))
with os.scandir("dir") as entries:
    print(sorted((e.name, e.is_file(), e.is_symlink(), e.is_dir()) for e in entries))
memfd = os.memfd_create("name", os.MFD_CLOEXEC)
os.write(memfd, b"in memory")
print(os.pread(memfd, 20, 3), os.readlink(f"/proc/self/fd/{memfd}"))
