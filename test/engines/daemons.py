"""containerd and dockerd, started in a house."""
import json
import os
import signal
import socket
import subprocess
import time

CONTAINERD = """version = 2
root = "{base}/ctd"
state = "{base}/ctd-run"
disabled_plugins = [{disabled}]
[grpc]
  address = "{base}/ctd.sock"
[debug]
  level = "info"
{more}
"""
CRI = """[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{base}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
"""
HANDLER = """    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
      runtime_type = "{type}"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}.options]
"""
CNI = {"cniVersion": "0.4.0", "name": "house", "plugins": [
    {"type": "bridge", "bridge": "cni-house", "isGateway": True, "ipMasq": True, "promiscMode": False,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/16"}]], "dataDir": "/run/cni-ipam",
              "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": True}}]}


class Daemon:
    """A process that listens at a socket, with a log file."""

    def __init__(self, house, name, words, address, env=None):
        self.house, self.name, self.address = house, name, address
        self.words, self.env = words, env
        self.log = os.path.join(house.base, name + ".log")
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = self.house.popen(self.words, self.env, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while not _answers(self.address):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} does not start:\n{self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self, lines=20):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def stop(self, number=signal.SIGTERM):
        # nsenter --pid forks: the daemon is its child.
        for pid in self.house.children(self.process.pid) or [self.process.pid]:
            os.kill(pid, number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def start_containerd(house, handlers=None, image="pause:1"):
    """handlers: None for no CRI, else {name: (runtime type, {option: value})}."""
    more = ""
    if handlers is not None:
        more = CRI.format(base=house.base, image=image)
        for name, (kind, options) in handlers.items():
            more += HANDLER.format(name=name, type=kind)
            more += "".join(f"        {key} = {json.dumps(value)}\n" for key, value in options.items())
        house.file("cni/10-house.conflist", json.dumps(CNI))
    disabled = '"io.containerd.grpc.v1.cri"' if handlers is None else ""
    config = house.file("containerd.toml", CONTAINERD.format(base=house.base, disabled=disabled, more=more))
    return Daemon(house, "containerd", ["containerd", "-c", config], house.base + "/ctd.sock")


def start_dockerd(house, runtimes=None, default="runc", more=()):
    """runtimes: {name: {"path": ..., "runtimeArgs": [...]}}."""
    base = house.base
    config = house.file("docker.json", json.dumps({
        "runtimes": runtimes or {}, "default-runtime": default, "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": "/" + house.cgroup, "log-level": "info"}))
    words = ["dockerd", "--config-file", config, f"--containerd={base}/ctd.sock", f"--host=unix://{base}/dk.sock",
             f"--data-root={base}/dk", f"--exec-root={base}/dk-run", f"--pidfile={base}/dk.pid", *more]
    return Daemon(house, "dockerd", words, base + "/dk.sock")


def _answers(address):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address)
            return True
        except OSError:
            return False

