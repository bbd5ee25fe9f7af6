"""The runtime under CRI, as the cases see it."""
import glob
import json
import os
import shutil
import sys

import clients
import cri
import images
import suite

ENGINES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "engines")
RUNNING, EXITED = 1, 2


class Subject(clients.Pods):
    """clients.Pods with the answers that cases look at."""

    def __init__(self, house, handlers, is_runc):
        super().__init__(house, {"runc": ("io.containerd.runc.v2", {}), **handlers})
        self.is_runc = is_runc
        self._have_debian = False
        self.handler = "tried"
        suite.until(self.ready, 20, "the network plugin is not ready")
        house.know_mounts()

    def ready(self):
        try:
            return all(condition.status for condition in self.cri.Status().status.conditions)
        except cri.Error:
            return False  # its daemon is on its way up

    def call(self, function, handler):
        self.handler = handler
        function(self)

    def started(self, pod, name, command, **more):
        """Created and started, or a failure."""
        container = self.create(pod, name, command, **more)
        try:
            self.cri.StartContainer(container_id=container)
        except cri.Error as error:
            raise suite.Failure(str(error)) from None
        return container

    def execute(self, container, *command, code=0, timeout=0):
        """Standard output of an ExecSync that has to end with the code."""
        try:
            answer = self.cri.ExecSync(container_id=container, cmd=list(command), timeout=timeout)
        except cri.Error as error:
            raise suite.Failure(str(error)) from None
        if answer.exit_code != code:
            raise suite.Failure(f"{command}: code {answer.exit_code}, not {code}: {answer.stdout}{answer.stderr}")
        return answer.stdout.decode()

    def status(self, container):
        return self.cri.ContainerStatus(container_id=container).status

    def ended(self, container, seconds=20):
        """The status of a container that has ended by then."""
        suite.until(lambda: self.status(container).state == EXITED, seconds, lambda: f"ended: {self.status(container)}")
        return self.status(container)

    def log(self, name):
        """[(stream, line)] of a container's log file."""
        with open(f"{self.house.base}/logs/{name}.log", encoding="utf-8") as file:
            return [(line.split(" ", 3)[1], line.rstrip("\n").split(" ", 3)[3]) for line in file]

    def stream(self, url, items=()):
        """What came by each channel."""
        done = self.house.run([sys.executable, os.path.join(ENGINES, "stream.py"), url], data=json.dumps(list(items)))
        if done.returncode:
            raise suite.Failure(done.stdout + done.stderr)
        return json.loads(done.stdout)

    def clean(self):
        for pod in self.cri.ListPodSandbox().items:
            try:
                self.remove(pod.id)
            except cri.Error as error:
                print(f"    {error}")
        shutil.rmtree(self.house.base + "/logs", ignore_errors=True)
        for path in glob.glob(f"/sys/fs/cgroup/*/{self.house.cgroup}/pod*"):
            try:
                os.rmdir(path)  # a pod's parent cgroup is the kubelet's
            except OSError:
                pass
        return self.house.leftovers(("containerd -c",))

    def debian(self):
        """An image with python3; made when first asked for."""
        name = "docker.io/library/deb:1"
        if not self._have_debian:
            tar = images.debian_tar(self.house.base + "/debian.tar")
            self("image", "import", images.docker_archive(tar, name, self.house.base + "/debian.archive", ["bash"]), seconds=120)
            self._have_debian = True
        return {"image": name}
