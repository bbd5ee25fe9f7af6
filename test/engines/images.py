"""Root file systems from the machine's own files: no registry is asked."""
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nuser:x:1000:1000::/home/user:/bin/sh\n"
GROUP = "root:x:0:\nnogroup:x:65534:\nuser:x:1000:\nextra:x:2000:user\n"
FOLDERS = ("bin", "dev", "etc", "home/user", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "var/tmp", "var/log")
BUSYBOX = "/bin/busybox"


def busybox_root(folder):
    """Fills a folder with a root file system of busybox."""
    for name in FOLDERS:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    os.chmod(os.path.join(folder, "tmp"), 0o1777)
    os.chown(os.path.join(folder, "home/user"), 1000, 1000)
    for name, text in (("passwd", PASSWD), ("group", GROUP)):
        with open(os.path.join(folder, "etc", name), "w", encoding="ascii") as file:
            file.write(text)
    with open(BUSYBOX, "rb") as source, open(os.path.join(folder, "bin/busybox"), "wb") as copy:
        copy.write(source.read())
    os.chmod(os.path.join(folder, "bin/busybox"), 0o755)
    for applet in subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
        if applet != "busybox":
            os.symlink("busybox", os.path.join(folder, "bin", applet))
    with open(os.path.join(folder, "etc/not-a-program"), "w", encoding="ascii") as file:
        file.write("x\n")
    return folder


def tar_of(folder, path):
    with tarfile.open(path, "w") as tar:
        tar.add(folder, ".")
    return path


def debian_tar(path):
    """A tar of a Debian with python3, of the installed packages' files."""
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), "qemu"))
    import archive  # pylint: disable=import-outside-toplevel
    import debian  # pylint: disable=import-outside-toplevel
    root = archive.Root()
    debian.add_packages(root, ["bash", "coreutils", "python3-minimal", "libpython3.11-stdlib", "procps", "iproute2", "grep",
                               "sed", "tar", "findutils", "libc-bin", "base-files", "base-passwd", "gzip"])
    root.link("usr/bin/python3", "python3.11")
    kinds = {stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFREG: tarfile.REGTYPE, stat.S_IFLNK: tarfile.SYMTYPE}
    with tarfile.open(path, "w") as tar:
        for name, mode, data, mtime in root.items():
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = kinds[stat.S_IFMT(mode)], stat.S_IMODE(mode), mtime
            if info.type == tarfile.SYMTYPE:
                info.linkname = os.fsdecode(data)
            elif info.type == tarfile.REGTYPE:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def docker_archive(root_tar, name, path, command):
    """An archive for `ctr image import` or `docker load`: one layer."""
    with open(root_tar, "rb") as file:
        layer = file.read()
    digest = "sha256:" + hashlib.sha256(layer).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": command, "Env": [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}, "rootfs": {"type": "layers", "diff_ids": [digest]}})
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}])
    with tarfile.open(path, "w") as tar:
        for member, data in (("config.json", config.encode()), ("layer.tar", layer), ("manifest.json", manifest.encode())):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
