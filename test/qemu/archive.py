"""What the VM's root consists of, as the cpio archive that a kernel takes for its initramfs."""
import os
import stat
import subprocess

BUSYBOX = "/bin/busybox"
FOLDERS = ("dev", "etc", "proc", "qemu", "qemu/commands", "root", "run", "sys", "tmp", "usr", "usr/bin", "usr/lib",
           "usr/lib64", "usr/local", "usr/local/bin", "usr/sbin", "var", "var/tmp")
MERGED = ("bin", "sbin", "lib", "lib64")  # links into usr, as Debian has them


class Cpio:
    """A newc archive in the making. Parents come before what is in them."""

    def __init__(self):
        self._chunks = []
        self._inode = 0

    def add(self, name, mode, data=b"", mtime=0):
        self._inode += 1
        encoded = os.fsencode(name) + b"\0"
        fields = (self._inode, mode, 0, 0, 1, mtime, len(data), 0, 0, 0, 0, len(encoded), 0)
        self._chunks += [b"070701" + b"".join(b"%08X" % field for field in fields) + encoded]
        self._pad(110 + len(encoded))
        self._chunks.append(data)
        self._pad(len(data))

    def _pad(self, length):
        self._chunks.append(b"\0" * (-length % 4))

    def write(self, path):
        self.add("TRAILER!!!", 0)
        with open(path, "wb") as file:
            file.writelines(self._chunks)


class Root:
    """The guest's files, by path without the leading slash. What comes later takes the place of what was there."""

    def __init__(self):
        self._entries = {}  # mode, contents or a link's target, time of change
        self._libraries = set()
        for folder in FOLDERS:
            self._entries[folder] = (stat.S_IFDIR | (0o1777 if folder.endswith("tmp") else 0o755), b"", 0)
        for name in MERGED:
            self.link(name, "usr/" + name)
        self.file("usr/bin/busybox", _read(BUSYBOX), 0o755)
        for applet in subprocess.run([BUSYBOX, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout.split():
            self._entries.setdefault("usr/bin/" + applet, (stat.S_IFLNK | 0o777, b"busybox", 0))
        self.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        self.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
        self.file("etc/hosts", b"127.0.0.1 localhost\n127.0.1.1 vm\n")

    def __contains__(self, name):
        return name in self._entries

    def file(self, name, data, mode=0o644, mtime=0):
        self._parents(name)
        self._entries[name] = (stat.S_IFREG | mode, data, mtime)

    def link(self, name, target):
        self._parents(name)
        self._entries[name] = (stat.S_IFLNK | 0o777, os.fsencode(target), 0)

    def program(self, path, name=None):
        """A host's program with the libraries it needs; at its own place, or at `name`."""
        self.host_file(os.path.realpath(path), name or merged(path))
        self.libraries_of(path)

    def host_file(self, path, name=None):
        """Contents or link, mode and time of a host's file, at its own place or at `name`."""
        name = name or merged(path)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            self.link(name, os.readlink(path))
        elif stat.S_ISREG(status.st_mode):
            self.file(name, _read(path), stat.S_IMODE(status.st_mode), int(status.st_mtime))

    def libraries_of(self, path):
        """What ldd says; nothing for a static program."""
        found = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        for line in found.stdout.splitlines() if found.returncode == 0 else []:
            library = next((word for word in line.split() if word.startswith("/")), None)
            if library and library not in self._libraries:
                self._libraries.add(library)
                self.host_file(os.path.realpath(library), merged(library))

    def write(self, path, init):
        """The whole archive: `init` at its top, all else below root/."""
        archive = Cpio()
        archive.add("init", stat.S_IFREG | 0o755, init)
        archive.add("root", stat.S_IFDIR | 0o755)
        for name, mode, data, mtime in self.items():
            archive.add("root/" + name, mode, data, mtime)
        archive.write(path)

    def items(self):
        """(name, mode, contents or a link's target, time of change), parents first."""
        for name, (mode, data, mtime) in sorted(self._entries.items()):
            yield name, mode, data, mtime

    def _parents(self, name):
        parent = os.path.dirname(name)
        if parent and parent not in self._entries:
            self._parents(parent)
            self._entries[parent] = (stat.S_IFDIR | 0o755, b"", 0)


def merged(path):
    """The place of a host's file below a merged usr, without the leading slash."""
    name = os.path.normpath(path).lstrip("/")
    return "usr/" + name if name.split("/")[0] in MERGED else name


def _read(path):
    with open(path, "rb") as file:
        return file.read()
