"""What a recorded call finds around it: bundle, root, mount sources, namespaces, cgroup; and what must be gone later."""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import time

HOOK = """#!/bin/sh
cat >"{file}"
echo "$@" >"{file}.arguments"
"""


class Stage:
    """Files and mounts of one scenario."""

    def __init__(self, options, name):
        self.name = name
        self.number = hashlib.sha256(name.encode()).hexdigest()[:6]
        self.base = os.path.join(options.base, "s" + self.number)
        self.cgroup = options.cgroup
        self.busybox = options.busybox
        self.roots = []
        self.roots_of_runtime = set()
        self.hooks = []
        self.groups = set()
        self.containers = []
        os.makedirs(self.base + "/tmp")
        self._mounts = _mounts()
        self._processes = _processes()

    def substituted(self, value, processes):
        """A copy of a recorded value with things of this run in place of placeholders."""
        text = json.dumps(value)
        for recorded, process in processes.items():
            text = re.sub(re.escape(recorded) + r"(?!\d)", str(process.pid), text)
        text = text.replace("$BASE", self.base).replace("$CGROUP", self.cgroup).replace("$NET", f"replay-{self.number}")
        text = re.sub(r"\$ID(\d+)(S?)", lambda m: self._id(m[1])[:12 if m[2] else 64], text)
        text = re.sub(r"\$X(\d+)", lambda m: self._id(m[1])[:25], text).replace("$N", "1")
        return json.loads(text)

    def _id(self, number):
        return hashlib.sha256(f"{self.name} {number} {os.getpid()}".encode()).hexdigest()

    def prepare(self, call):
        os.makedirs(call["cwd"], exist_ok=True)
        for flag in ("--log", "--pid-file", "--console-socket", "--root"):
            if flag in call["argv"]:
                os.makedirs(os.path.dirname(call["argv"][call["argv"].index(flag) + 1]), exist_ok=True)
        if "--root" in call["argv"]:
            self.roots_of_runtime.add(call["argv"][call["argv"].index("--root") + 1])
        if "process" in call:
            path = call["argv"][call["argv"].index("--process") + 1]
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write(path, json.dumps(call["process"]))
        for word in call["argv"]:
            if word.startswith("--resources="):
                _write(word.partition("=")[2], json.dumps(call.get("resources", {})))
        if "config" in call:
            self._bundle(call)

    def _bundle(self, call):
        config, bundle = call["config"], call["bundle"]
        os.makedirs(bundle, exist_ok=True)
        self._root(os.path.join(bundle, config["root"]["path"]))
        for mount in config.get("mounts", []):
            self._source(mount.get("source", ""), call.get("sources", {}))
        for space in config["linux"].get("namespaces", []):
            path = space.get("path", "")
            if path and not path.startswith("/proc/") and not os.path.exists(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _write(path, "")
                subprocess.run(["unshare", f"--net={path}", "true"], check=True)
                self.roots.append(path)
        for kind, hooks in config.get("hooks", {}).items():
            for hook in hooks:
                name = f"{self.base}/hook{len(self.hooks)}"
                _write(name, HOOK.format(file=name + ".state"))
                os.chmod(name, 0o755)
                hook["path"] = name
                self.hooks.append((kind, name + ".state"))
        group = config["linux"].get("cgroupsPath", "")
        if group and self.cgroup not in group:
            config["linux"]["cgroupsPath"] = f"/{self.cgroup}/{group.strip('/')}" if ":" not in group else group
        elif not group:
            config["linux"]["cgroupsPath"] = f"/{self.cgroup}/{os.path.basename(call['argv'][-1])}"
        if ":" not in config["linux"]["cgroupsPath"]:
            self.groups.add(config["linux"]["cgroupsPath"])
        argv = call["argv"]
        self.containers.append((argv[argv.index("--root") + 1] if "--root" in argv else None, argv[-1]))
        _write(os.path.join(bundle, "config.json"), json.dumps(config))

    def _root(self, path):
        if path in self.roots:
            return
        layers = f"{self.base}/layers{len(self.roots)}"
        for folder in (path, layers + "/up", layers + "/work"):
            os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir={self.busybox},upperdir={layers}/up,workdir={layers}/work", path], check=True)
        self.roots.append(path)

    def _source(self, source, kinds):
        if not source.startswith("/") or os.path.lexists(source) or kinds.get(source) == "none":
            return
        if kinds.get(source) == "file":
            os.makedirs(os.path.dirname(source), exist_ok=True)
            _write(source, "127.0.0.1 localhost\n")
        else:
            os.makedirs(source)

    def close(self, runtime):
        """Takes all down; says what the runtime left behind. With a runtime, it deletes what a broken-off play left."""
        found = []
        for root, container in self.containers if runtime else ():
            subprocess.run([runtime, *(["--root", root] if root else []), "delete", "--force", container],
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            found = self._left()
            if not found:
                break
            time.sleep(0.1)
        for pid in set(_processes()) - set(self._processes):
            if any(f"process {pid}:" in line for line in found):
                _try(os.kill, pid, 9)
        for path in reversed(self.roots):
            subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(self.base, ignore_errors=True)
        for path in self.roots:
            _try(os.unlink, path)
        return found

    def _left(self):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        found = [f"process {pid}: {words}" for pid, words in _processes().items() if pid not in self._processes]
        mounts = _mounts()
        for path in self._mounts + self.roots:
            if os.path.realpath(path) in mounts:
                mounts.remove(os.path.realpath(path))
        found += [f"mount {path}" for path in mounts]
        for root in self.roots_of_runtime:
            found += [f"file {root}/{name}" for name in (os.listdir(root) if os.path.isdir(root) else ())
                      if not name.startswith(".") and re.fullmatch(r"[0-9a-z]{25,}|c|d|buildah.*", name)]
        for group in self.groups:
            found += [f"cgroup {path}" for path in glob.glob("/sys/fs/cgroup/*" + group)]
        return found


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _try(function, *arguments):
    try:
        function(*arguments)
    except OSError:
        pass


def _mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [line.split()[4] for line in file]


def _processes():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                    found[int(name)] = file.read().replace("\0", " ").strip()
            except OSError:
                pass
    return found
