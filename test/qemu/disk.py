"""A Debian with systemd and container engines, as an ext4 image. Its files are those of the machine's installed packages."""
import json
import os
import stat
import subprocess
import sys

import archive
import debian

HERE = os.path.dirname(os.path.abspath(__file__))
ENGINES = os.path.join(os.path.dirname(HERE), "engines")
sys.path.append(ENGINES)
import images  # noqa: E402

PACKAGES = ("base-files", "base-passwd", "bash", "containerd", "coreutils", "docker.io", "grep", "iptables", "libc-bin", "mount",
            "procps", "protobuf-compiler", "python3", "python3-grpcio", "python3-protobuf", "runc", "sed", "systemd", "tar",
            "util-linux")
IMAGE_MIB = 2048

CONTAINERD = """version = 2
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/pause:1"
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runsc-cpp"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc-cpp]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc-cpp.options]
        BinaryName = "/usr/local/bin/runsc-cpp"
        SystemdCgroup = true
"""
# No network: bridges and iptables are test/docker's matter.
DOCKER = {"exec-opts": ["native.cgroupdriver=systemd"], "bridge": "none", "iptables": False, "ip6tables": False,
          "containerd": "/run/containerd/containerd.sock", "runtimes": {"runsc-cpp": {"path": "/usr/local/bin/runsc-cpp"}},
          "default-runtime": "runsc-cpp"}
# Without the units that a service usually brings along (udev, journal, tmpfiles ...): a minute, emulated.
UNIT = """[Unit]
DefaultDependencies=no
{more}
[Service]
Type={kind}
Delegate=yes
KillMode=process
TimeoutStartSec=300
StandardOutput=append:/var/log/{name}.log
StandardError=inherit
ExecStart={command}
"""
UNITS = {"containerd": ("notify", "/usr/bin/containerd", ""),
         "docker": ("notify", "/usr/sbin/dockerd", "Requires=containerd.service\nAfter=containerd.service"),
         "agent": ("simple", "/qemu/agent", "")}


def missing():
    """Why no image can be made here, or None."""
    if os.geteuid() != 0:
        return "the image is made by root"
    absent = [name for name in PACKAGES if not debian.installed(name)]
    return "not installed: " + " ".join(absent) if absent else None


def make_image(folder):
    """The path of a new image in a folder: 3 s."""
    path = os.path.join(folder, "disk.ext4")
    unpack(make_root(folder), os.path.join(folder, "root"))
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-E", "root_owner=0:0", "-d", os.path.join(folder, "root"), path,
                    f"{IMAGE_MIB}M"], check=True, stdout=subprocess.DEVNULL)
    return path


def make_root(folder):
    root = archive.Root()
    debian.add_packages(root, PACKAGES)
    debian.add_python_caches(root, "/usr/lib/python3.11")
    debian.add_python_caches(root, "/usr/lib/python3/dist-packages")
    root.file("etc/machine-id", b"0123456789abcdef0123456789abcdef\n")
    root.file("etc/hostname", b"vm\n")
    root.file("etc/resolv.conf", b"")
    root.file("etc/containerd/config.toml", CONTAINERD.encode())
    root.file("etc/docker/daemon.json", json.dumps(DOCKER).encode())
    for name, (kind, command, more) in UNITS.items():
        text = UNIT.format(name=name, kind=kind, command=command, more=more)
        root.file(f"etc/systemd/system/{name}.service", text.encode())
    root.file("etc/systemd/system/qemu.target", b"[Unit]\nWants=agent.service docker.service\n")
    root.file("var/log/empty", b"")
    root.file("var/lib/empty", b"")
    busybox = images.tar_of(images.busybox_root(os.path.join(folder, "busybox")), os.path.join(folder, "busybox.tar"))
    for name, command in (("img", ["sh"]), ("pause", ["/bin/sleep", "1000000"])):
        docker = images.docker_archive(busybox, f"docker.io/library/{name}:1", os.path.join(folder, name), command)
        root.host_file(docker, f"project/images/{name}.tar")
    for name in ("cri.py", "cri.proto"):
        root.host_file(os.path.join(ENGINES, name), "project/test/engines/" + name)
    return root


def unpack(root, folder):
    """An archive.Root as files, parents first."""
    os.mkdir(folder, 0o755)
    for name, mode, data, _ in root.items():
        path = os.path.join(folder, name)
        if stat.S_ISDIR(mode):
            os.mkdir(path)
            os.chmod(path, stat.S_IMODE(mode))
        elif stat.S_ISLNK(mode):
            os.symlink(os.fsdecode(data), path)
        else:
            with open(path, "xb") as file:
                file.write(data)
            os.chmod(path, stat.S_IMODE(mode))
