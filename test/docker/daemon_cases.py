"""What has to hold when daemons go and come."""
import os

import subject
import suite
from suite import check, equal, until

CASES = suite.Cases()


@CASES.case()
def dockerd_restarts(docker):
    """With live-restore: containers go on."""
    name = docker.start("box", command=("sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done"), network="bridge")
    pid = docker.state(name)["Pid"]
    docker.client.restart_daemon()
    state = docker.state(name)
    equal((state["Running"], state["Pid"]), (True, pid), "state after the restart")
    count = len(docker("logs", name).splitlines())
    until(lambda: len(docker("logs", name).splitlines()) > count, 10, "its output goes on")
    equal(docker("exec", name, "echo", "on"), "on\n", "exec")
    docker("stop", "-t", "0", name)
    equal(docker.state(name)["ExitCode"], 137, "code")


@CASES.case()
def dockerd_killed(docker):
    name = docker.start("box", command=("sh", "-c", "sleep 3; exit 7"))
    docker.client.daemon.stop(9)
    os.unlink(docker.house.base + "/dk.pid")
    docker.client.daemon.start()
    until(lambda: not docker.state(name)["Running"], 20, "seen as ended")
    equal(docker.state(name)["ExitCode"], 7, "code of what ended meanwhile")


@CASES.case()
def shim_killed(docker):
    name = docker.start("box")
    shims = [pid for pid, line in docker.house.processes().items() if "containerd-shim" in line]
    check(shims, "no shim")
    docker.script("kill -9 " + " ".join(map(str, shims)))
    until(lambda: not docker.state(name)["Running"], 20, "seen as ended")
    docker("rm", "-f", name)
    docker.house.forget_shims()


@CASES.case()
def first_process_killed(docker):
    name = docker.start("box", command=("sh", "-c", "sleep 1000 & exec sleep 1000"))
    docker.script(f"kill -9 {docker.state(name)['Pid']}")
    equal(docker("wait", name, seconds=20), "137\n", "code")
    check(subject.NAME == docker.inspect(name)["HostConfig"]["Runtime"], "another runtime")


@CASES.case()
def runtime_known(docker):
    check(subject.NAME in docker("info", "--format", "{{json .Runtimes}}"), "not among the runtimes")
    docker.run("--rm", subject.IMAGE, "true")


@CASES.case()
def why_and_doctor(docker):
    """What an operator asks of the runtime itself, beside the daemons."""
    if docker.is_runc:
        raise suite.Skip("runc has neither")
    name = docker.start("box")
    ident = docker.inspect(name)["Id"]
    docker("kill", name)
    docker("rm", "-f", name)
    base = docker.house.base
    said = docker.script(f"for root in {base}/dk-run/runtime-*/moby; do {docker.runtime} --root $root why {ident[:12]} && exit; done; exit 1")
    check("killed by SIGKILL of the `kill` command" in said, said)
    done = docker.house.run([docker.runtime, "doctor", "--name=" + subject.NAME, f"--docker-config={base}/docker.json",
                             f"--docker-socket={base}/dk.sock", f"--containerd-config={base}/containerd.toml",
                             f"--containerd-socket={base}/ctd.sock"], 180)
    for words in ("a container by docker works", "a container by containerd works", "is docker's default runtime"):
        check(words in done.stdout, f"no {words!r}: {done.stdout}{done.stderr}")
    # It works, but containerd's CRI plugin has not been told of it.
    check("install --containerd=" in done.stdout, done.stdout)
    equal(docker("ps", "-aq"), "", "containers that doctor left")
