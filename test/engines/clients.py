"""Command lines of engines that run in a house, with images of busybox ("img:1") in them."""
import json
import os
import time

import daemons
import images

POD, CONTAINER, NODE = 0, 1, 2  # CRI's NamespaceMode
IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Client:
    """client("run", ...) gives standard output; `.last` is the whole result."""

    words = ()

    def __init__(self, house):
        self.house = house
        self.last = None

    def __call__(self, *words, data=None, seconds=60, env=None):
        self.last = self.house.run([*self.words, *words], seconds, env, data)
        return self.last.stdout

    def terminal(self, *words, typed=(), seconds=60):
        return self.house.terminal([*self.words, *words], typed, seconds=seconds)

    def root_tar(self):
        path = os.path.join(self.house.base, "busybox.tar")
        if not os.path.exists(path):
            images.tar_of(images.busybox_root(os.path.join(self.house.base, "busybox")), path)
        return path

    def archive(self, name="docker.io/library/img:1"):
        path = os.path.join(self.house.base, name.replace("/", "_") + ".archive")
        return images.docker_archive(self.root_tar(), name, path, ["sh"])

    def build_folder(self, dockerfile):
        folder = os.path.join(self.house.base, f"build{time.monotonic_ns()}")
        self.house.file(folder + "/Dockerfile", dockerfile)
        return folder


class Docker(Client):
    """docker, with a containerd and a dockerd of its own."""

    def __init__(self, house, runtimes=None, default="runc", more=()):
        super().__init__(house)
        self.words = ("docker", "-H", f"unix://{house.base}/dk.sock")
        self.containerd = daemons.start_containerd(house)
        self._options = (runtimes, default, more)
        self.daemon = daemons.start_dockerd(house, *self._options)
        self("import", "-c", 'CMD ["sh"]', self.root_tar(), "img:1")

    def build(self, dockerfile, buildkit, seconds=120, more=()):
        return self("build", "-t", "built:1", "--progress=plain", *more, self.build_folder(dockerfile), seconds=seconds,
                    env={"DOCKER_BUILDKIT": "1" if buildkit else "0"})

    def restart_daemon(self):
        self.daemon.stop()
        self.daemon.start()


class Ctr(Client):
    """containerd's own client."""

    def __init__(self, house):
        super().__init__(house)
        self.words = ("ctr", "-a", house.base + "/ctd.sock")
        self.containerd = daemons.start_containerd(house)
        self("image", "import", self.archive())

    def __call__(self, *words, **options):
        return super().__call__(*_full_image(words), **options)

    def terminal(self, *words, **options):
        return super().terminal(*_full_image(words), **options)


class Podman(Client):
    """podman has no daemon; `runtime` is a path."""

    def __init__(self, house, runtime):
        super().__init__(house)
        house.run(["sh", "-c", "cat >/etc/containers/policy.json"], data='{"default": [{"type": "insecureAcceptAnything"}]}')
        house.run(["sh", "-c", "cat >/etc/containers/registries.conf"], data='unqualified-search-registries = ["docker.io"]\n')
        self.words = ("podman", "--root", house.base + "/pod", "--runroot", "/run/pod", "--cgroup-manager", "cgroupfs",
                      "--events-backend", "file", "--storage-driver", "overlay", "--runtime", runtime)
        self("import", "--change", "ENV=PATH=" + IMAGE_PATH, self.root_tar(), "img:1")

    def with_descriptor_3(self, *words):
        self.last = self.house.run(["sh", "-c", 'exec "$@" 3</dev/null', "sh", *self.words, *words])
        return self.last.stdout


class Buildah(Client):
    """buildah, by its isolation `oci`."""

    def __init__(self, house, runtime):
        super().__init__(house)
        house.run(["sh", "-c", "cat >/etc/containers/policy.json"], data='{"default": [{"type": "insecureAcceptAnything"}]}')
        house.run(["sh", "-c", "cat >/etc/containers/registries.conf"], data='unqualified-search-registries = ["docker.io"]\n')
        self.runtime = runtime
        self.words = ("buildah", "--root", house.base + "/bld", "--runroot", "/run/bld", "--storage-driver", "overlay")
        name = self("from", "scratch").strip()
        self("add", name, self.root_tar(), "/")
        self("config", "--env", "PATH=" + IMAGE_PATH, name)
        self("commit", name, "img:1")
        self("rm", name)

    def __call__(self, *words, **options):
        return super().__call__(*self._with_runtime(words), **options)

    def terminal(self, *words, **options):
        return super().terminal(*self._with_runtime(words), **options)

    def build(self, dockerfile):
        return self("bud", "-t", "built:1", self.build_folder(dockerfile))

    def _with_runtime(self, words):
        if words[0] in ("run", "bud"):
            return (words[0], "--runtime", self.runtime, "--isolation", "oci", *words[1:])
        return words


class Pods(Client):
    """A containerd with CRI, and short ways to pods and containers of its default namespace."""

    def __init__(self, house, handlers=None, handler=""):
        import cri  # pylint: disable=import-outside-toplevel
        super().__init__(house)
        self.words = ("ctr", "-a", house.base + "/ctd.sock", "-n", "k8s.io")
        pause = "docker.io/library/pause:1"
        self.containerd = daemons.start_containerd(house, handlers if handlers is not None else {"runc": (
            "io.containerd.runc.v2", {})}, pause)
        self.handler = handler
        self("image", "import", self.archive())
        self("image", "import", images.docker_archive(self.root_tar(), pause, house.base + "/pause.tar",
                                                      ["/bin/sleep", "1000000"]))
        self.cri = cri.Cri(house.base + "/ctd.sock")
        self._configs = {}

    def pod(self, name, network=POD, pid=CONTAINER, ipc=POD, **more):
        config = {"metadata": {"name": name, "uid": name, "namespace": "default"}, "log_directory": self.house.base + "/logs",
                  "linux": {"cgroup_parent": f"/{self.house.cgroup}/pod{name}", "security_context": {
                      "namespace_options": {"network": network, "pid": pid, "ipc": ipc}}}, **more}
        if network != NODE:
            config["hostname"] = name
        pod = self.cri.RunPodSandbox(config=config, runtime_handler=self.handler).pod_sandbox_id
        self._configs[pod] = config
        return pod

    def create(self, pod, name, command, security=None, resources=None, user=None, readonly=False, **more):
        options = self._configs[pod]["linux"]["security_context"]["namespace_options"]
        security = {"namespace_options": options, "readonly_rootfs": readonly, **(security or {})}
        if user is not None:
            security["run_as_user"] = {"value": user}
        config = {"metadata": {"name": name}, "image": {"image": "docker.io/library/img:1"}, "command": command,
                  "log_path": name + ".log", "linux": {"security_context": security, "resources": resources or {}}, **more}
        return self.cri.CreateContainer(pod_sandbox_id=pod, config=config, sandbox_config=self._configs[pod]).container_id

    def container(self, pod, name, command, **more):
        """Created and started; its id also where the start failed."""
        container = self.create(pod, name, command, **more)
        try:
            self.cri.StartContainer(container_id=container)
        except RuntimeError as error:
            self.last = error
        return container

    def exec_sync(self, container, command, timeout=0):
        try:
            return self.cri.ExecSync(container_id=container, cmd=command, timeout=timeout)
        except RuntimeError as error:
            self.last = error
            return None

    def remove(self, pod):
        self.cri.StopPodSandbox(pod_sandbox_id=pod)
        self.cri.RemovePodSandbox(pod_sandbox_id=pod)

    def info(self, container):
        return json.loads(self.cri.ContainerStatus(container_id=container, verbose=True).info["info"])


def _full_image(words):
    return tuple("docker.io/library/img:1" if word == "img:1" else word for word in words)
