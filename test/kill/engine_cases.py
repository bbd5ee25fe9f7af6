"""Death and return of shims and daemons around containers that run."""
import os

import clients
import house
import suite
from suite import check, equal, until

CASES = suite.Cases()
NEEDED = ("containerd", "ctr", "containerd-shim-runc-v2")
COUNT = ("sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.1; done")


def call(case, runtime):
    """Runs a case in a house of its own."""
    reason = house.missing(NEEDED + (("dockerd", "docker") if "docker" in case.name else ()))
    if reason:
        raise suite.Skip(reason)
    with house.House("kill") as place:
        case.function(place, runtime)
        left = place.leftovers(("containerd -c", "dockerd "))
        check(not left, f"left behind: {'; '.join(left[:8])}")


def _start(engine, place, runtime, *command):
    engine("run", "-d", "--runc-binary", runtime, "--cgroup", f"/{place.cgroup}/box", "img:1", "box", *command)
    equal(engine.last.returncode, 0, engine.last.stderr)


def _kill(place, word):
    pids = [pid for pid, line in place.processes().items() if word in line]
    check(pids, f"no process {word}")
    place.run(["kill", "-9", *map(str, pids)])


@CASES.case("full")
def shim_killed(place, runtime):
    """containerd cleans up by `delete --force`: the task is gone, and all of ours."""
    engine = clients.Ctr(place)
    place.know_mounts()
    _start(engine, place, runtime, "sleep", "1000")
    _kill(place, "containerd-shim")
    until(lambda: not any("runsc-sandbox" in line or "sleep 1000" in line for line in place.processes().values()), 20,
          lambda: f"still there: {place.processes()}")
    engine("task", "delete", "--force", "box")
    engine("container", "delete", "box")
    equal(engine.last.returncode, 0, engine.last.stderr)
    place.forget_shims()


@CASES.case("full")
def containerd_killed(place, runtime):
    """The shim and the container go on, and the new containerd knows them."""
    engine = clients.Ctr(place)
    place.know_mounts()
    _start(engine, place, runtime, *COUNT)
    engine.containerd.stop(9)
    engine.containerd.start()
    check("RUNNING" in engine("task", "ls"), engine.last)
    before = engine("task", "exec", "--exec-id", "a", "box", "cat", "/count")
    until(lambda: engine("task", "exec", "--exec-id", "b", "box", "cat", "/count") not in ("", before), 10, "it stands still")
    engine("task", "kill", "-s", "KILL", "box")
    until(lambda: "STOPPED" in engine("task", "ls"), 10, "stopped")
    engine("task", "delete", "box")
    engine("container", "delete", "box")
    equal(engine.last.returncode, 0, engine.last.stderr)


def _docker(place, runtime):
    engine = clients.Docker(place, {"tried": {"path": runtime}}, "tried", ("--live-restore",))
    place.know_mounts()
    engine("run", "-d", "--name", "box", "--network", "none", "img:1", *COUNT)
    equal(engine.last.returncode, 0, engine.last.stderr)
    return engine


def _goes_on(engine):
    before = engine("exec", "box", "cat", "/count")
    until(lambda: engine("exec", "box", "cat", "/count") not in ("", before), 10, lambda: f"it stands still: {engine.last}")
    engine("rm", "-f", "box")
    equal(engine.last.returncode, 0, engine.last.stderr)


@CASES.case("full")
def dockerd_restarted(place, runtime):
    engine = _docker(place, runtime)
    engine.restart_daemon()
    equal(engine("inspect", "-f", "{{.State.Status}}", "box"), "running\n", "status")
    _goes_on(engine)


@CASES.case("full")
def dockerd_killed(place, runtime):
    engine = _docker(place, runtime)
    engine.daemon.stop(9)
    os.unlink(place.base + "/dk.pid")
    engine.daemon.start()
    equal(engine("inspect", "-f", "{{.State.Status}}", "box"), "running\n", "status")
    _goes_on(engine)


@CASES.case("full")
def docker_and_containerd_killed(place, runtime):
    engine = _docker(place, runtime)
    engine.daemon.stop(9)
    engine.containerd.stop(9)
    os.unlink(place.base + "/dk.pid")
    engine.containerd.start()
    engine.daemon.start()
    equal(engine("inspect", "-f", "{{.State.Status}}", "box"), "running\n", "status")
    _goes_on(engine)
