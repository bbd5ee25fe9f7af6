"""The runtime under Docker, as the cases see it."""
import json
import os
import subprocess

import clients
import images
import suite

NAME = "tried"
# First in dockerd's PATH, as `runc`: BuildKit calls that one.
RUNC = """#!/bin/sh
echo "$@" >>{log}
exec {runtime} "$@"
"""
IMAGE = "img:1"
DEBIAN = "deb:1"


class Subject:
    """docker.run(...) runs a container with the runtime; docker(...) is any other command."""

    def __init__(self, house, runtime):
        self.house, self.runtime = house, runtime
        self.is_runc = os.path.basename(runtime) == "runc"
        self.runc_log = house.base + "/runc.log"
        house.file("bin/runc", RUNC.format(log=self.runc_log, runtime=runtime), 0o755)
        house.path = house.base + "/bin:" + house.path
        self.client = clients.Docker(house, {NAME: {"path": runtime}}, NAME, ("--live-restore",))
        self._have_debian = False
        house.know_mounts()

    def __call__(self, *words, code=0, data=None, seconds=60, env=None):
        """Standard output of a docker command that has to end with the code."""
        self.client(*words, data=data, seconds=seconds, env=env)
        last = self.client.last
        if code is not None and last.returncode != code:
            raise suite.Failure(f"docker {' '.join(words)}: code {last.returncode}, not {code}: {last.stdout[-500:]}{last.stderr[-800:]}")
        return last.stdout

    @property
    def stderr(self):
        return self.client.last.stderr

    @property
    def last_code(self):
        return self.client.last.returncode

    def run(self, *words, **options):
        return self("run", "--runtime", NAME, *words, **options)

    def once(self, *words, **options):
        """run --rm without a network, which most cases don't need."""
        return self.run("--rm", "--network", "none", *words, **options)

    def start(self, name, *words, image=IMAGE, command=("sleep", "1000"), network="none"):
        """A container in the background."""
        self.run("-d", "--name", name, "--network", network, *words, image, *command)
        return name

    def terminal(self, *words, typed=(), seconds=60):
        return self.client.terminal(*words, typed=typed, seconds=seconds)

    def popen(self, *words, **options):
        return self.house.popen([*self.client.words, *words], **options)

    def inspect(self, name):
        return json.loads(self("inspect", name))[0]

    def state(self, name):
        return self.inspect(name)["State"]

    def debian(self):
        """The name of an image with python3 and GNU tools; made when first asked for."""
        if not self._have_debian:
            path = images.debian_tar(self.house.base + "/debian.tar")
            self("import", "-c", 'CMD ["bash"]', path, DEBIAN, seconds=120)
            os.unlink(path)
            self._have_debian = True
        return DEBIAN

    def script(self, text):
        """A shell script run in the house, beside the daemons: output of one that has to succeed."""
        done = self.house.run(["sh", "-c", text])
        if done.returncode:
            raise suite.Failure(f"{text}: code {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def clean(self):
        """Removes all that a case has made in Docker; what is left after that should not be there."""
        containers = self("ps", "-aq", code=None).split()
        if containers:
            self("rm", "-f", "-v", *containers, code=None)
        for kind in ("network", "volume"):
            names = self(kind, "ls", "-q", *(("--filter", "type=custom") if kind == "network" else ()), code=None).split()
            if names:
                self(kind, "rm", *names, code=None)
        return self.house.leftovers(("containerd", "dockerd"))

    def server(self, *words):
        """A program in the house, for a case's time: use with `with`."""
        return Server(self.house.popen(list(words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), self.house)


class Server:
    def __init__(self, process, house):
        self.process, self.house = process, house

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.house.children(self.process.pid):
            os.kill(pid, 9)
        self.process.wait()
