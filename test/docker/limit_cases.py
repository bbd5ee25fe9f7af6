"""Limits, and what Docker shows of use."""
import json

import subject
import suite
from suite import check, equal, until

CASES = suite.Cases()
IMAGE = subject.IMAGE


@CASES.case()
def out_of_memory(docker):
    name = docker.start("box", "--memory", "48m", "--memory-swap", "48m", command=("sh", "-c", "tail /dev/zero; echo code $?; exit 3"))
    docker("wait", name, seconds=60)
    state = docker.state(name)
    check(state["OOMKilled"], f"not shown as OOMKilled: {state}; {docker('logs', name)}")


def limit_is(docker, shown, wanted):
    """Docker shows the host's limit, which has room for the sandbox's own processes."""
    limit = float(shown["MemUsage"].split("/")[1].removesuffix("MiB"))
    return limit == wanted if docker.is_runc else wanted < limit <= wanted * 1.03125 + 16


@CASES.case()
def memory_limit_seen(docker):
    name = docker.start("box", "--memory", "64m", "--memory-swap", "64m")
    shown = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", name))
    check(limit_is(docker, shown, 64), shown["MemUsage"])
    check(shown["PIDs"] != "0", shown["PIDs"])
    if not docker.is_runc:
        total = int(docker("exec", name, "sh", "-c", "grep MemTotal /proc/meminfo").split()[1])
        equal(total, 65536, "KiB of MemTotal")


@CASES.case()
def memory_in_stats(docker):
    name = docker.start("box", "--memory", "256m", command=("sh", "-c", "head -c 50000000 /dev/zero | tail -c 50000000 | sleep 1000"),
                        )

    def usage():
        text = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", name))["MemUsage"].split()[0]
        return float(text.rstrip("MiBkG")) if text.endswith("MiB") else 0

    until(lambda: 40 < usage() < 90, 30, lambda: f"{usage()} MiB for 50 MB")


@CASES.case()
def processor_in_stats(docker):
    name = docker.start("box", "--cpus", "0.5", command=("sh", "-c", "while :; do :; done"))

    def percent():
        return float(json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", name))["CPUPerc"].rstrip("%"))

    until(lambda: 10 < percent() < 75, 30, lambda: f"{percent()} % of a loop with half a processor")


@CASES.case()
def pids_limit(docker):
    out = docker.once("--pids-limit", "8", IMAGE, "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 3 & done; echo on", code=None)
    check("fork" in docker.stderr.lower() or "fork" in out, f"12 processes in spite of a limit of 8: {out}{docker.stderr}")


@CASES.case()
def processors_seen(docker):
    equal(docker.once("--cpuset-cpus", "0", IMAGE, "nproc"), "1\n", "nproc of one processor")


@CASES.case()
def ulimits(docker):
    out = docker.once("--ulimit", "nofile=64:128", "--ulimit", "core=0", IMAGE, "sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c")
    equal(out, "64\n128\n0\n", "limits")


@CASES.case()
def raised_limits(docker):
    if docker.is_runc:
        raise suite.Skip("runc can't, without CAP_SYS_RESOURCE")
    equal(docker.once("--ulimit", "nofile=1048576:1048576", "--oom-score-adj", "-500", IMAGE, "sh", "-c",
                      "ulimit -n; cat /proc/self/oom_score_adj"), "1048576\n-500\n", "limits")


@CASES.case()
def update(docker):
    name = docker.start("box", "--memory", "64m", "--memory-swap", "64m")
    docker("update", "--memory", "128m", "--memory-swap", "128m", "--cpus", "0.5", "--pids-limit", "40", name)
    shown = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", name))
    check(limit_is(docker, shown, 128), shown["MemUsage"])
    equal(docker.inspect(name)["HostConfig"]["PidsLimit"], 40, "pids limit")
    docker("exec", name, "sh", "-c", "for i in $(seq 60); do sleep 3 & done", code=None)
    check("fork" in docker.stderr.lower(), f"60 processes after the update: {docker.stderr}")


@CASES.case()
def oom_score(docker):
    equal(docker.once("--oom-score-adj", "500", IMAGE, "cat", "/proc/self/oom_score_adj"), "500\n", "oom_score_adj")


@CASES.case()
def sysctls(docker):
    equal(docker.once("--sysctl", "net.ipv4.ip_unprivileged_port_start=100", IMAGE, "cat",
                      "/proc/sys/net/ipv4/ip_unprivileged_port_start"), "100\n", "value")
    equal(docker.once("--sysctl", "fs.mqueue.msg_max=7", IMAGE, "cat", "/proc/sys/fs/mqueue/msg_max"), "7\n", "inside")
    docker.once("--sysctl", "fs.mqueue.msg_max=much", IMAGE, "true", code=None)
    check('"much" to /proc/sys/fs/mqueue/msg_max' in docker.stderr, docker.stderr)
