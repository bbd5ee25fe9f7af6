"""Capabilities, seccomp, privileges, devices, namespaces of others."""
import json

import subject
import suite
from suite import check, equal, until

CASES = suite.Cases()
IMAGE = subject.IMAGE
STATUS = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status"


def _status(docker, *words):
    lines = docker.once(*words, IMAGE, "sh", "-c", STATUS).splitlines()
    return {line.split(":")[0]: line.split(":")[1].strip() for line in lines}


@CASES.case()
def capabilities(docker):
    equal(_status(docker)["CapEff"], "00000000a80425fb", "Docker's default set")
    equal(int(_status(docker, "--cap-drop", "ALL")["CapBnd"], 16), 0, "bounding set without any")
    equal(int(_status(docker, "--cap-drop", "ALL", "--cap-add", "NET_ADMIN")["CapEff"], 16), 1 << 12, "only NET_ADMIN")
    equal(int(_status(docker, "-u", "1000")["CapEff"], 16), 0, "of a user")
    docker.once("--cap-drop", "CHOWN", IMAGE, "chown", "1", "/etc/passwd", code=1)


@CASES.case()
def no_new_privileges(docker):
    equal(_status(docker, "--security-opt", "no-new-privileges")["NoNewPrivs"], "1", "NoNewPrivs")
    equal(_status(docker)["NoNewPrivs"], "0", "NoNewPrivs by default")


@CASES.case()
def seccomp(docker):
    equal(_status(docker)["Seccomp"], "2", "Docker's profile")
    equal(_status(docker, "--security-opt", "seccomp=unconfined")["Seccomp"], "0", "unconfined")
    profile = docker.house.file("profile.json", json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}))
    docker.once("--security-opt", f"seccomp={profile}", IMAGE, "mkdir", "/made", code=1)
    check("No space left" in docker.stderr, docker.stderr)


@CASES.case()
def privileged(docker):
    if docker.is_runc:
        raise suite.Skip("runc can't, without CAP_SYS_RESOURCE")
    out = docker.once("--privileged", IMAGE, "sh", "-c", "mount -t tmpfs none /mnt 2>/dev/null || mkdir -p /mnt && mount -t tmpfs none /mnt; "
                      "hostname changed; hostname; " + STATUS)
    check("changed\n" in out and "Seccomp:\t0" in out, out)


@CASES.case()
def all_capabilities(docker):
    docker.once("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", IMAGE, "sh", "-c", "mkdir /m; mount -t tmpfs none /m")


@CASES.case()
def masked_paths(docker):
    out = docker.once(IMAGE, "sh", "-c", "cat /proc/timer_list /proc/keys 2>&1 | wc -c; ls /proc/scsi 2>/dev/null | wc -l; "
                      "echo 1 2>/dev/null >/proc/sys/kernel/domainname || echo refused; echo 1 2>/dev/null >/proc/sysrq-trigger || echo refused")
    check(out.count("refused") == 2, out)


@CASES.case()
def devices(docker):
    out = docker.once("--device", "/dev/null:/dev/other", IMAGE, "sh", "-c",
                      "for n in null zero full random urandom tty ptmx other; do test -e /dev/$n || echo no $n; done; "
                      "echo x >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x 2>&1 >/dev/full; ls -l /dev/stdin")
    check("no " not in out.replace("no space", "") and out.split()[:2] == ["4", "4"] and "/proc/self/fd/0" in out, out)


@CASES.case()
def processes_of_another(docker):
    docker.start("box", command=("sleep", "7654"))
    out = docker.once("--pid", "container:box", IMAGE, "ps", "-o", "pid,args")
    check("sleep 7654" in out, out)
    docker("exec", "-d", "box", "sleep", "4567")
    until(lambda: "sleep 4567" in docker("exec", "box", "ps", "-o", "args"), 10, "the exec runs")
    docker.once("--pid", "container:box", IMAGE, "sh", "-c", "kill -9 $(pidof sleep); sleep 0.2", code=None)
    until(lambda: "sleep 4567" not in docker("exec", "box", "ps", "-o", "args"), 10, "killed by its neighbour")
    check(docker.state("box")["Running"], "an init obeys nobody inside")


@CASES.case()
def ipc_of_another(docker):
    docker.start("box", "--ipc", "shareable", "--sysctl", "kernel.shm_rmid_forced=1",
                 command=("sh", "-c", "echo shared >/dev/shm/x; exec sleep 1000"))
    until(lambda: docker.once("--ipc", "container:box", IMAGE, "cat", "/dev/shm/x", code=None) == "shared\n", 10, "/dev/shm is shared")
    docker("exec", "box", "touch", "/dev/mqueue/q")
    equal(docker.once("--ipc", "container:box", IMAGE, "ls", "/dev/mqueue"), "q\n", "queues of the one that it joins")
    forced = "/proc/sys/kernel/shm_rmid_forced"
    equal(docker.once("--ipc", "container:box", IMAGE, "cat", forced), "1\n", "limits of the one that it joins")
    equal(docker.once(IMAGE, "cat", forced), "0\n", "limits of its own")


@CASES.case()
def ipc_private(docker):
    """By default, of each container: also where both are in one sandbox."""
    docker.start("box")
    docker("exec", "box", "touch", "/dev/mqueue/q")
    equal(docker("exec", "box", "ls", "/dev/mqueue"), "q\n", "its own")
    equal(docker.once("--pid", "container:box", IMAGE, "ls", "/dev/mqueue"), "", "another's")


@CASES.case()
def own_namespaces(docker):
    out = docker.once(IMAGE, "sh", "-c", "echo $$; ps | wc -l")
    equal(out.split()[0], "1", "its pid")
    equal(docker.once("--pid", "host", "--uts", "host", "--ipc", "host", IMAGE, "echo", "on"), "on\n", "with the host's")


@CASES.case()
def read_only_system(docker):
    out = docker.once(IMAGE, "sh", "-c", "mkdir /sys/x 2>&1; grep -c ' /proc proc rw' /proc/self/mounts; grep ' /sys sysfs' /proc/self/mounts")
    check(" /sys sysfs ro" in out, out)
