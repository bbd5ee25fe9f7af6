"""What is recorded: for each engine, the uses that make it call the runtime in another way.

A scenario is a function of an engine's helper. `SCENARIOS` keeps them in order by engine.
"""
import time

SCENARIOS = {}


def scenario(engine):
    def register(function):
        SCENARIOS.setdefault(engine, []).append(function)
        return function
    return register


def _docker_life(name, *more, then=()):
    def run(docker):
        docker("run", "-d", "--name", "box", *more, "img:1", "sleep", "100")
        for words in then:
            docker(*words)
        docker("rm", "-f", "box")
    run.__name__ = name
    SCENARIOS.setdefault("docker", []).append(run)


def _docker_once(name, *words, data=None):
    def run(docker):
        docker("run", "--rm", *words, data=data)
    run.__name__ = name
    SCENARIOS.setdefault("docker", []).append(run)


_docker_once("run_rm", "img:1", "true")
_docker_once("run_exit_code", "--network", "none", "img:1", "sh", "-c", "exit 7")
_docker_once("run_stdin", "-i", "img:1", "cat", data="typed\n")
_docker_once("run_user_and_limits", "-u", "user", "-w", "/tmp", "--read-only", "--tmpfs", "/tmp:size=1m", "--ulimit", "nofile=64:64",
             "--sysctl", "net.ipv4.ip_unprivileged_port_start=0", "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE",
             "--security-opt", "no-new-privileges", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "50",
             "--hostname", "named", "--shm-size", "8m", "--oom-score-adj", "500", "--group-add", "2000", "img:1", "id")
_docker_once("run_host_namespaces", "--network", "host", "--ipc", "host", "--pid", "host", "--uts", "host", "img:1", "true")
_docker_once("run_init", "--init", "img:1", "true")
_docker_once("run_unconfined", "--security-opt", "seccomp=unconfined", "--device", "/dev/null:/dev/other", "img:1", "true")
_docker_once("run_all_capabilities", "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "img:1", "true")
_docker_once("run_privileged", "--privileged", "img:1", "true")
_docker_once("run_not_found", "img:1", "/no/such/program")
_docker_once("run_not_found_in_path", "img:1", "no-such-program")
_docker_once("run_not_executable", "img:1", "/etc/not-a-program")
_docker_once("run_bad_directory", "-w", "/etc/passwd", "img:1", "true")
_docker_once("run_oom", "--memory", "24m", "--memory-swap", "24m", "img:1", "sh", "-c", "tail /dev/zero")
_docker_life("run_d_rm_f")
_docker_life("stop", then=[("stop", "-t", "1", "box")])
_docker_life("stop_with_init", "--init", then=[("stop", "-t", "5", "box")])
_docker_life("kill", then=[("kill", "-s", "USR1", "box"), ("kill", "box")])
_docker_life("pause", then=[("pause", "box"), ("unpause", "box")])
_docker_life("pause_kill", then=[("pause", "box"), ("kill", "box")])
_docker_life("update", then=[("update", "--memory", "64m", "--memory-swap", "64m", "--cpus", "0.5", "--pids-limit", "40", "box")])
_docker_life("top_and_stats", then=[("top", "box"), ("top", "box", "-o", "pid,comm,args"), ("stats", "--no-stream", "box")])
_docker_life("restart", then=[("restart", "-t", "0", "box")])
_docker_life("exec", then=[("exec", "box", "echo", "hi"), ("exec", "-d", "box", "sleep", "50"), ("exec", "box", "sh", "-c", "exit 9")])
_docker_life("exec_options", then=[("exec", "-u", "user", "-w", "/tmp", "-e", "A=b", "box", "env"),
                                   ("exec", "--privileged", "box", "id")])
_docker_life("exec_errors", then=[("exec", "box", "/no/such/program"), ("exec", "box", "no-such-program"),
                                  ("exec", "box", "/etc/not-a-program"), ("exec", "-w", "/no/such/directory", "box", "true")])
_docker_life("health_check", "--health-cmd", "true", "--health-interval", "3s", then=[("exec", "box", "sleep", "4")])
_docker_life("publish", "-p", "127.0.0.1:8099:80", "-v", "named:/data", "-v", "/etc/hostname:/etc/given:ro")
_docker_life("commit_diff_cp", then=[("exec", "box", "touch", "/new"), ("diff", "box"), ("cp", "box:/new", "/dev/null"),
                                     ("commit", "box", "other:1")])


@scenario("docker")
def run_terminal(docker):
    docker.terminal("run", "--rm", "-it", "img:1", "sh", typed=[(30, 100), "stty size\n", "exit 3\n"])


@scenario("docker")
def exec_terminal(docker):
    docker("run", "-d", "--name", "box", "img:1", "sleep", "100")
    docker.terminal("exec", "-it", "box", "sh", typed=[(30, 100), "stty size\n", "exit 4\n"])
    docker("exec", "-i", "box", "cat", data="typed\n")
    docker("rm", "-f", "box")


@scenario("docker")
def namespaces_of_another(docker):
    docker("run", "-d", "--name", "box", "--ipc", "shareable", "img:1", "sleep", "100")
    docker("run", "--rm", "--network", "container:box", "img:1", "true")
    docker("run", "--rm", "--pid", "container:box", "img:1", "true")
    docker("run", "--rm", "--ipc", "container:box", "img:1", "true")
    docker("rm", "-f", "box")


@scenario("docker")
def restart_policy(docker):
    docker("run", "-d", "--name", "box", "--restart", "on-failure:1", "img:1", "false")
    docker("wait", "box")
    time.sleep(2)
    docker("rm", "-f", "box")


@scenario("docker")
def daemon_restarts(docker):
    docker("run", "-d", "--name", "box", "img:1", "sleep", "100")
    docker.restart_daemon()
    docker("ps")
    docker("rm", "-f", "box")


@scenario("build")
def classic(docker):
    docker.build("FROM img:1\nRUN echo one >/one\nRUN false || echo two >>/one\n", buildkit=False)


@scenario("build")
def classic_failure(docker):
    docker.build("FROM img:1\nRUN exit 3\n", buildkit=False)


@scenario("build")
def buildkit(docker):
    docker.build("FROM img:1\nRUN echo one >/one\nUSER user\nRUN id >/tmp/two\n", buildkit=True)


@scenario("build")
def buildkit_failure(docker):
    docker.build("FROM img:1\nRUN exit 3\n", buildkit=True)


@scenario("build")
def buildkit_not_found(docker):
    docker.build('FROM img:1\nRUN ["/no/such/program"]\n', buildkit=True)


@scenario("build")
def buildkit_mounts(docker):
    docker.build("FROM img:1\nRUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/scratch touch /cache/x\n",
                 buildkit=True)


@scenario("build")
def buildkit_cancelled(docker):
    docker.build("FROM img:1\nRUN sleep 60\n", buildkit=True, seconds=6)


@scenario("ctr")
def ctr_run(ctr):
    ctr("run", "--rm", "img:1", "box", "sh", "-c", "exit 5")


@scenario("ctr")
def ctr_terminal(ctr):
    ctr.terminal("run", "--rm", "-t", "img:1", "box", "sh", typed=["stty size\n", "exit 3\n"])


@scenario("ctr")
def ctr_task(ctr):
    ctr("run", "-d", "img:1", "box", "sleep", "100")
    ctr("task", "exec", "--exec-id", "e", "box", "echo", "hi")
    ctr("task", "ps", "box")
    ctr("task", "metrics", "box")
    ctr("task", "pause", "box")
    ctr("task", "resume", "box")
    ctr("task", "kill", "-s", "USR1", "box")
    ctr("task", "kill", "-a", "-s", "KILL", "box")
    time.sleep(0.5)
    ctr("task", "delete", "box")
    ctr("container", "delete", "box")


@scenario("ctr")
def ctr_options(ctr):
    ctr("run", "--rm", "--null-io", "--net-host", "--read-only", "--privileged", "--runc-binary", "runc",
        "img:1", "box", "true")
    ctr("run", "--rm", "--null-io", "--pid-file", "/run/pid", "--cwd", "/tmp", "--memory-limit", "67108864", "img:1", "d", "true")


@scenario("ctr")
def ctr_forced_delete(ctr):
    ctr("run", "-d", "img:1", "box", "sleep", "100")
    ctr("task", "delete", "--force", "box")
    ctr("container", "delete", "box")


@scenario("cri")
def cri_pod(pods):
    pod = pods.pod("p")
    first = pods.container(pod, "one", ["sleep", "100"])
    second = pods.container(pod, "two", ["sh", "-c", "exit 3"])
    pods.exec_sync(first, ["sh", "-c", "echo hi; exit 4"])
    pods.exec_sync(first, ["/no/such/program"])
    pods.exec_sync(first, ["sleep", "50"], timeout=1)
    pods.cri.ContainerStats(container_id=first)
    pods.cri.UpdateContainerResources(container_id=first, linux={"cpu_shares": 512, "memory_limit_in_bytes": 1 << 26})
    pods.cri.StopContainer(container_id=first, timeout=1)
    pods.cri.RemoveContainer(container_id=first)
    pods.cri.RemoveContainer(container_id=second)
    pods.remove(pod)


@scenario("cri")
def cri_host_namespaces(pods):
    pod = pods.pod("p", network=2, pid=2, ipc=2)
    pods.container(pod, "one", ["sleep", "100"], user=1000, tty=True)
    pods.remove(pod)


@scenario("cri")
def cri_shared_pid(pods):
    pod = pods.pod("p", pid=0)
    pods.container(pod, "one", ["sleep", "100"])
    pods.container(pod, "two", ["sleep", "100"], readonly=True)
    pods.remove(pod)


@scenario("cri")
def cri_failed_start(pods):
    pod = pods.pod("p")
    pods.container(pod, "one", ["/no/such/program"])
    pods.remove(pod)


def _podman_once(name, *words, data=None):
    def run(podman):
        podman("run", "--rm", *words, data=data)
    run.__name__ = name
    SCENARIOS.setdefault("podman", []).append(run)


_podman_once("podman_run", "img:1", "sh", "-c", "exit 7")
_podman_once("podman_run_stdin", "-i", "img:1", "cat", data="typed\n")
_podman_once("podman_not_found", "img:1", "/no/such/program")
_podman_once("podman_not_executable", "img:1", "/etc/not-a-program")
_podman_once("podman_run_limits", "--memory", "64m", "--user", "1000", "--read-only", "--network", "none", "--hostname", "named",
             "img:1", "id")


@scenario("podman")
def podman_life(podman):
    podman("run", "-d", "--name", "box", "img:1", "sleep", "100")
    podman("exec", "box", "echo", "hi")
    podman("exec", "-d", "box", "sleep", "50")
    podman("exec", "box", "/no/such/program")
    podman("ps")
    podman("top", "box")
    podman("stats", "--no-stream", "box")
    podman("pause", "box")
    podman("unpause", "box")
    podman("kill", "-s", "USR1", "box")
    podman("update", "--memory", "64m", "box")
    podman("stop", "-t", "1", "box")
    podman("start", "box")
    podman("inspect", "box")
    podman("rm", "-f", "-t", "0", "box")


@scenario("podman")
def podman_terminal(podman):
    podman.terminal("run", "--rm", "-it", "img:1", "sh", typed=["stty size\n", "exit 3\n"])
    podman("run", "-d", "--name", "box", "img:1", "sleep", "100")
    podman.terminal("exec", "-it", "box", "sh", typed=["stty size\n", "exit 4\n"])
    podman("rm", "-f", "-t", "0", "box")


@scenario("podman")
def podman_preserved_descriptor(podman):
    podman.with_descriptor_3("run", "--rm", "--preserve-fds", "1", "img:1", "sh", "-c", "test -e /proc/self/fd/3")


@scenario("podman")
def podman_pod(podman):
    podman("pod", "create", "--name", "p", "--infra-image", "img:1", "--infra-command", "/bin/sleep 1000", "--network", "none")
    podman("run", "-d", "--pod", "p", "--name", "one", "img:1", "sleep", "100")
    podman("pod", "ps")
    podman("pod", "stop", "-t", "0", "p")
    podman("pod", "rm", "-f", "p")


@scenario("buildah")
def buildah_run(buildah):
    name = buildah("from", "img:1").strip()
    buildah("run", name, "sh", "-c", "echo hi; exit 6")
    buildah("run", name, "/no/such/program")
    buildah.terminal("run", "-t", name, "sh", typed=["stty size\n", "exit 3\n"])
    buildah("rm", name)


@scenario("buildah")
def buildah_bud(buildah):
    buildah.build("FROM img:1\nRUN echo one >/one\nRUN cat /one\n")
