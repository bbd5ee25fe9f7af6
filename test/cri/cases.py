"""Pods and their containers."""
import json
import os
import time

import cri
import subject
import suite
from suite import check, equal, until

CASES = suite.Cases()
LOOP = "x=$(head -c 50000000 /dev/zero | tr '\\0' x); while :; do :; done"  # 50 MB, one processor


def _pod_of_two(pods, **more):
    pod = pods.pod("p", **more)
    return pod, pods.started(pod, "one", ["sleep", "1000"]), pods.started(pod, "two", ["sleep", "1000"])


@CASES.case()
def pod_without_containers(pods):
    pod = pods.pod("p")
    status = pods.cri.PodSandboxStatus(pod_sandbox_id=pod).status
    equal(status.state, 0, "state")
    check(status.network.ip.startswith("10.99."), f"address {status.network.ip}")
    pods.cri.StopPodSandbox(pod_sandbox_id=pod)
    equal(pods.cri.PodSandboxStatus(pod_sandbox_id=pod).status.state, 1, "state after the stop")
    pods.cri.StopPodSandbox(pod_sandbox_id=pod)
    pods.cri.RemovePodSandbox(pod_sandbox_id=pod)
    equal(len(pods.cri.ListPodSandbox().items), 0, "pods")


@CASES.case()
def two_containers(pods):
    _, one, two = _pod_of_two(pods)
    equal([pods.status(container).state for container in (one, two)], [subject.RUNNING] * 2, "states")
    addresses = [pods.execute(container, "ip", "-4", "-o", "addr", "show", "eth0") for container in (one, two)]
    check("10.99." in addresses[0], addresses)
    equal(addresses[0], addresses[1], "addresses in the pod")
    equal(pods.execute(one, "hostname"), "p\n", "host name")
    pods.execute(one, "touch", "/only-here")
    pods.execute(two, "ls", "/only-here", code=1)
    check("sleep" in pods.execute(one, "cat", "/proc/1/comm"), "the first process")


@CASES.case()
def exec_sync(pods):
    _, one, _ = _pod_of_two(pods)
    answer = pods.cri.ExecSync(container_id=one, cmd=["sh", "-c", "echo out; echo err >&2; exit 5"])
    equal((answer.stdout, answer.stderr, answer.exit_code), (b"out\n", b"err\n", 5), "answer")
    try:
        pods.cri.ExecSync(container_id=one, cmd=["/no/such/program"])
        raise suite.Failure("a program that is not there has run")
    except cri.Error as error:
        check("no such file or directory" in str(error), str(error))
    try:
        pods.cri.ExecSync(container_id=one, cmd=["sleep", "4321"], timeout=1)
        raise suite.Failure("no time-out")
    except cri.Error as error:
        check("DEADLINE_EXCEEDED" in str(error), str(error))
    until(lambda: "4321" not in pods.execute(one, "ps"), 10, "what ran out of time is gone")


@CASES.case()
def exec_terminal(pods):
    _, one, _ = _pod_of_two(pods)
    url = pods.cri.Exec(container_id=one, cmd=["sh"], tty=True, stdin=True, stdout=True).url
    got = pods.stream(url, [[4, {"Width": 99, "Height": 33}], [0, "stty size; tty\n"], [0, "exit 7\n"]])
    check("33 99" in got.get("1", ""), got)
    equal(json.loads(got["3"])["details"]["causes"][0]["message"], "7", "code")


@CASES.case()
def exec_streams(pods):
    _, one, _ = _pod_of_two(pods)
    url = pods.cri.Exec(container_id=one, cmd=["sh", "-c", "echo out; echo err >&2; head -n 1"], stdin=True, stdout=True, stderr=True).url
    got = pods.stream(url, [[0, "typed\n"]])
    equal((got["1"], got["2"]), ("out\ntyped\n", "err\n"), "streams")
    equal(json.loads(got["3"])["status"], "Success", "status")


@CASES.case()
def attach(pods):
    pod = pods.pod("p")
    one = pods.started(pod, "one", ["sh", "-c", "head -n 1; echo read; exit 3"], stdin=True, stdin_once=True)
    got = pods.stream(pods.cri.Attach(container_id=one, stdin=True, stdout=True, stderr=True).url, [[0, "typed\n"]])
    equal(got.get("1"), "typed\nread\n", "what came")
    equal(pods.ended(one).exit_code, 3, "code")


@CASES.case()
def port_forward(pods):
    pod = pods.pod("p")
    pods.started(pod, "one", ["nc", "-ll", "-p", "7777", "-e", "echo", "forwarded"])
    time.sleep(1)
    got = pods.stream(pods.cri.PortForward(pod_sandbox_id=pod, port=[7777]).url + "?port=7777")
    check("forwarded\n" in got.get("0", ""), got)


@CASES.case()
def logs(pods):
    pod = pods.pod("p")
    one = pods.started(pod, "one", ["sh", "-c", "echo out; echo err >&2; sleep 0.1; echo last; exit 9"])
    status = pods.ended(one)
    equal((status.exit_code, status.reason), (9, "Error"), "code and reason")
    equal(sorted(pods.log("one")), [("stderr", "err"), ("stdout", "last"), ("stdout", "out")], "log")


@CASES.case()
def exit_codes(pods):
    pod = pods.pod("p")
    for number, (script, code, reason) in enumerate((("exit 0", 0, "Completed"), ("exit 200", 200, "Error"),
                                                     ("sleep 1000", 137, "Error"))):
        container = pods.started(pod, f"c{number}", ["sh", "-c", script])
        if "sleep" in script:
            pods.cri.StopContainer(container_id=container, timeout=0)
        status = pods.ended(container)
        equal((status.exit_code, status.reason), (code, reason), script)
        check(status.started_at > 0 and status.finished_at > 0, f"times {status.started_at}, {status.finished_at}")
    graceful = pods.started(pod, "graceful", ["sh", "-c", "trap 'exit 4' TERM; echo ready; while :; do sleep 0.1; done"])
    until(lambda: ("stdout", "ready") in pods.log("graceful"), 10, "the trap")
    pods.cri.StopContainer(container_id=graceful, timeout=20)
    equal(pods.status(graceful).exit_code, 4, "code of a handler")


@CASES.case()
def failed_start(pods):
    pod = pods.pod("p")
    container = pods.create(pod, "one", ["/no/such/program"])
    try:
        pods.cri.StartContainer(container_id=container)
        raise suite.Failure("started")
    except cri.Error as error:
        check("no such file or directory" in str(error), str(error))
    status = pods.status(container)
    equal((status.state, status.exit_code, status.reason), (subject.EXITED, 128, "StartError"), "status")
    other = pods.started(pod, "two", ["sleep", "1000"])
    equal(pods.execute(other, "echo", "on"), "on\n", "the pod goes on")


@CASES.case()
def restart_of_one(pods):
    pod, one, two = _pod_of_two(pods)
    before = pods.execute(two, "cat", "/proc/uptime")
    pods.cri.StopContainer(container_id=one, timeout=0)
    pods.cri.RemoveContainer(container_id=one)
    again = pods.started(pod, "again", ["sleep", "1000"])
    equal(pods.execute(again, "echo", "on"), "on\n", "the new one")
    equal([pods.status(two).state, pods.execute(two, "cat", "/proc/1/comm")], [subject.RUNNING, "sleep\n"], "the other")
    check(float(pods.execute(two, "cat", "/proc/uptime").split()[0]) >= float(before.split()[0]), "uptime")


@CASES.case()
def stats_of_two(pods):
    """A loop with 50 MB and one that sleeps: each within 20 % of its own use."""
    pod = pods.pod("p")
    idle = pods.started(pod, "idle", ["sleep", "1000"])
    busy = pods.started(pod, "busy", ["sh", "-c", LOOP], resources={"cpu_quota": 50000, "cpu_period": 100000})

    def read(container):
        stats = pods.cri.ContainerStats(container_id=container).stats
        return stats.cpu.timestamp, stats.cpu.usage_core_nano_seconds.value, stats.memory.working_set_bytes.value

    def memory_settled():
        return 40e6 < read(busy)[2]

    until(memory_settled, 30, lambda: f"{read(busy)[2] / 1e6} MB of 50")
    first = read(busy), read(idle)
    time.sleep(4)
    second = read(busy), read(idle)
    share = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in zip(first, second)]
    check(0.25 < share[0] <= 0.6, f"the loop used {share[0]:.2f} of a processor, with a limit of 0.50 on a machine with other work")
    check(share[1] < 0.05, f"the one that sleeps used {share[1]:.2f} of a processor")
    check(second[0][2] - second[1][2] < 1.2 * 60e6, f"{second[0][2] / 1e6} MB of memory for 50")
    check(second[1][2] < 30e6, f"{second[1][2] / 1e6} MB of memory for the one that sleeps")


@CASES.case()
def out_of_memory(pods):
    pod = pods.pod("p")
    other = pods.started(pod, "other", ["sleep", "1000"])
    one = pods.started(pod, "one", ["sh", "-c", "tail /dev/zero; exit 1"], resources={"memory_limit_in_bytes": 48 << 20})
    equal(pods.ended(one, 60).reason, "OOMKilled", "reason")
    equal(pods.execute(other, "echo", "on"), "on\n", "the other container")


@CASES.case()
def update_resources(pods):
    _, one, _ = _pod_of_two(pods)
    pods.cri.UpdateContainerResources(container_id=one, linux={"memory_limit_in_bytes": 96 << 20, "cpu_shares": 512})
    if not pods.is_runc:
        equal(int(pods.execute(one, "sh", "-c", "grep MemTotal /proc/meminfo").split()[1]), 96 << 10, "KiB of MemTotal")


@CASES.case()
def host_pid(pods):
    """Containers see each other and, in a sandbox, no process of the host."""
    pod = pods.pod("p", pid=cri.NODE)
    one = pods.started(pod, "one", ["sleep", "98761"])
    two = pods.started(pod, "two", ["sleep", "98762"])
    for container in (one, two):
        shown = pods.execute(container, "ps", "-o", "args")
        check("98761" in shown and "98762" in shown, shown)
        check(pods.is_runc or "containerd" not in shown, shown)


@CASES.case()
def shared_pid(pods):
    pod = pods.pod("p", pid=cri.POD)
    pods.started(pod, "one", ["sleep", "98761"])
    two = pods.started(pod, "two", ["sleep", "98762"])
    shown = pods.execute(two, "ps", "-o", "pid,args")
    check("98761" in shown and "98762" in shown, shown)
    pods.execute(two, "sh", "-c", "kill -0 1")


@CASES.case()
def host_network(pods):
    pod = pods.pod("p", network=cri.NODE)
    one = pods.started(pod, "one", ["sleep", "1000"])
    check("10.99." not in pods.execute(one, "ip", "-4", "-o", "addr", "show", "lo"), "not the host's network")


@CASES.case()
def shared_volume(pods):
    """An emptyDir: seen by both, with locks, mappings and later changes; a subfolder of it is the same files."""
    folder = pods.house.base + "/empty-dir"
    os.makedirs(folder + "/sub", exist_ok=True)
    pod = pods.pod("p")
    mounts = [{"container_path": "/shared", "host_path": folder}]
    image = pods.debian()
    one = pods.started(pod, "one", ["sleep", "1000"], image=image, mounts=mounts)
    two = pods.started(pod, "two", ["sleep", "1000"], image=image, mounts=[{"container_path": "/other", "host_path": folder},
                                                              {"container_path": "/read", "host_path": folder, "readonly": True}])
    for turn in range(3):
        pods.execute(one, "sh", "-c", f"echo {turn} >/shared/x")
        equal(pods.execute(two, "cat", "/other/x"), f"{turn}\n", "by the other")
    pods.execute(two, "sh", "-c", "echo back >/other/sub/y; mv /other/sub/y /other/y")
    equal(pods.execute(one, "cat", "/shared/y"), "back\n", "back")
    pods.execute(two, "sh", "-c", "echo x >/read/x", code=1)
    _locks_and_mappings(pods, one, two)
    _watches_and_pipes(pods, one, two)
    pods.cri.StopContainer(container_id=one, timeout=0)
    pods.cri.RemoveContainer(container_id=one)
    equal(pods.execute(two, "sh", "-c", "echo on >/other/on; cat /read/on"), "on\n", "when the other has gone")


def _watches_and_pipes(pods, one, two):
    watch = ("import ctypes, os; libc = ctypes.CDLL(None); fd = libc.inotify_init1(0)\n"
             "assert libc.inotify_add_watch(fd, b'/read', 0x100) > 0; print('ready', flush=True)\n"
             "print(os.read(fd, 4096)[16:].rstrip(b'\\0').decode(), flush=True)")
    pods.execute(two, "sh", "-c", f'python3 -c "{watch}" >/watched 2>&1 &')
    until(lambda: pods.execute(two, "cat", "/watched") == "ready\n", 10, "the watch stands")
    pods.execute(one, "touch", "/shared/seen")
    until(lambda: pods.execute(two, "cat", "/watched") == "ready\nseen\n", 10, lambda: pods.execute(two, "cat", "/watched"))
    pods.execute(one, "mkfifo", "/shared/pipe")
    pods.execute(one, "sh", "-c", "(echo through >/shared/pipe) >/dev/null 2>&1 &")
    equal(pods.execute(two, "timeout", "10", "cat", "/other/pipe"), "through\n", "a pipe between both")


def _locks_and_mappings(pods, one, two):
    hold = "import fcntl, os, time; f = open('/shared/lock', 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(os.getpid(), flush=True); time.sleep(1000)"
    pods.execute(one, "sh", "-c", f'python3 -c "{hold}" >/held 2>&1 &')
    holder = until(lambda: pods.execute(one, "cat", "/held").strip(), 10, "the lock is held")
    take = "import fcntl; fcntl.flock(open('/other/lock'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    pods.execute(two, "python3", "-c", take, code=1)
    pods.execute(one, "sh", "-c", f"kill -9 {holder}")
    until(lambda: pods.cri.ExecSync(container_id=two, cmd=["python3", "-c", take]).exit_code == 0, 10, "the lock is free")
    write = ("import mmap, os; f = open('/shared/map', 'w+b'); f.truncate(4096); m = mmap.mmap(f.fileno(), 4096)\n"
             "import time\nfor i in range(1000): m[0:4] = b'%04d' % i; time.sleep(0.02)")
    pods.execute(one, "sh", "-c", f'python3 -c "{write}" >/written 2>&1 &')
    read = ("import mmap, time; f = open('/other/map', 'r+b'); m = mmap.mmap(f.fileno(), 4096)\n"
            "a = int(m[0:4]); time.sleep(0.5); b = int(m[0:4]); print(b > a)")
    until(lambda: pods.execute(two, "ls", "/other").count("map"), 10, "the mapped file")
    time.sleep(0.3)
    equal(pods.execute(two, "python3", "-c", read), "True\n", "writes through one's mapping are seen in the other's")


@CASES.case()
def security(pods):
    pod = pods.pod("p")
    one = pods.started(pod, "one", ["sleep", "1000"], user=1000, readonly=True,
                       security={"capabilities": {"drop_capabilities": ["ALL"]}, "no_new_privs": True, "supplemental_groups": [2000, 3000]})
    equal(pods.execute(one, "sh", "-c", "id -u; id -G"), "1000\n1000 2000 3000\n", "user and groups")
    out = pods.execute(one, "sh", "-c", "touch /x 2>&1; grep -E '^(CapBnd|NoNewPrivs)' /proc/self/status")
    check("Read-only" in out and "CapBnd:\t0000000000000000" in out and "NoNewPrivs:\t1" in out, out)


@CASES.case()
def terminal_container(pods):
    pod = pods.pod("p")
    one = pods.started(pod, "one", ["sh", "-c", "tty; test -t 0 && echo terminal; exit 3"], tty=True, stdin=True)
    equal(pods.ended(one).exit_code, 3, "code")
    check(any("terminal" in line for _, line in pods.log("one")), pods.log("one"))


@CASES.case()
def pod_killed(pods):
    """The end of a pod ends its containers."""
    pod, one, two = _pod_of_two(pods)
    pods.cri.StopPodSandbox(pod_sandbox_id=pod)
    for container in (one, two):
        equal(pods.status(container).state, subject.EXITED, "state")


@CASES.case()
def containerd_restarted(pods):
    """Streams, codes and what ended meanwhile are kept."""
    _, one, two = _pod_of_two(pods)
    process = pods.info(two)["pid"]
    pods.containerd.stop()
    pods.house.run(["kill", "-9", str(process)])
    pods.containerd.start()
    until(pods.ready, 20, "CRI is back")
    equal(pods.execute(one, "echo", "on"), "on\n", "the one that lives")
    equal(pods.ended(two).exit_code, 137, "code of the one that ended")
    pods.cri.StopContainer(container_id=one, timeout=0)
    equal(pods.status(one).exit_code, 137, "code of the other one")


@CASES.case()
def shim_killed(pods):
    """Its containers end, and nothing of them is left."""
    pod, one, two = _pod_of_two(pods)
    theirs = pods.house.run(["pgrep", "-f", "containerd-shim-runc-v2 .* -id " + pod]).returncode == 0
    pods.house.run(["pkill", "-9", "-f", "containerd-shim-.* -id " + pod])
    for container in (one, two):
        pods.ended(container)
    pods.remove(pod)
    if theirs:
        pods.house.forget_shims()
    other = pods.started(pods.pod("q"), "other", ["sleep", "1000"])
    equal(pods.execute(other, "echo", "on"), "on\n", "the next pod")


def _many(pods, count):
    made = []
    for number in range(count):
        pod = pods.pod(f"p{number}")
        pods.started(pod, f"c{number}", ["sleep", "1000"])
        made.append(pod)
    equal(len(pods.cri.ListPodSandbox().items), count, "pods")
    for pod in made:
        pods.remove(pod)


@CASES.case()
def five_pods(pods):
    _many(pods, 5)


@CASES.case("full")
def fifty_pods(pods):
    _many(pods, 50)
