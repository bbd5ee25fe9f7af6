"""docker exec."""
import subject
import suite
from suite import check, equal, until

CASES = suite.Cases()


@CASES.case()
def exec_output(docker):
    name = docker.start("box")
    equal(docker("exec", name, "sh", "-c", "echo out; echo err >&2; exit 6", code=6), "out\n", "standard output")
    equal(docker.stderr, "err\n", "standard error")
    equal(docker("exec", "-i", name, "cat", data="typed\n"), "typed\n", "what came back")


@CASES.case()
def exec_options(docker):
    name = docker.start("box", "-e", "GIVEN=1")
    out = docker("exec", "-u", "user", "-w", "/tmp", "-e", "A=b", name, "sh", "-c", "id -un; id -G; pwd; echo $A $GIVEN $HOME")
    equal(out, "user\n1000 2000\n/tmp\nb 1 /home/user\n", "user, directory, environment")
    equal(docker("exec", "-u", "7:8", name, "id", "-G"), "8\n", "by number")


@CASES.case()
def exec_errors(docker):
    name = docker.start("box")
    for program in ("/no/such/program", "no-such-program", "/etc/not-a-program"):
        docker("exec", name, program, code=None)
        check(docker.last_code in (126, 127), f"{program}: code {docker.last_code}")  # which, is dockerd's choice
    docker("exec", "-w", "/no/such/directory", name, "true", code=None)
    check(docker.last_code != 0, "exec in a directory that is not there")
    equal(docker("exec", name, "echo", "still"), "still\n", "after that")


@CASES.case()
def exec_signalled(docker):
    name = docker.start("box")
    docker("exec", name, "sh", "-c", "kill -9 $$", code=137)
    docker("exec", name, "sh", "-c", "kill -TERM $$", code=143)


@CASES.case()
def exec_detached(docker):
    name = docker.start("box")
    docker("exec", "-d", name, "sh", "-c", "echo done >/tmp/done; sleep 1000")
    until(lambda: docker("exec", name, "cat", "/tmp/done", code=None) == "done\n", 10, "it has run")
    check("sleep 1000" in docker("exec", name, "ps"), "not among the processes")


@CASES.case()
def exec_terminal(docker):
    name = docker.start("box")
    code, shown = docker.terminal("exec", "-it", name, "sh", typed=["stty size\n", (33, 99), "stty size\n", "exit 4\n"])
    equal(code, 4, f"code; {shown}")
    check("24 80" in shown and "33 99" in shown, shown)


@CASES.case()
def exec_many(docker):
    name = docker.start("box")
    running = [docker.popen("exec", name, "sh", "-c", f"sleep 0.{number}; exit {number}") for number in range(10)]
    equal([process.wait(60) for process in running], list(range(10)), "codes")


@CASES.case()
def exec_sees_the_same(docker):
    name = docker.start("box", "--hostname", "named", "--tmpfs", "/scratch", command=("sh", "-c", "echo x >/scratch/x; exec sleep 77"))
    out = docker("exec", name, "sh", "-c", "cat /scratch/x; hostname; cat /proc/1/comm; readlink /proc/1/ns/net; readlink /proc/self/ns/net")
    lines = out.split()
    equal(lines[:3], ["x", "named", "sleep"], "files, name, processes")
    equal(lines[3], lines[4], "network namespace")


@CASES.case()
def exec_ends_with_container(docker):
    name = docker.start("box")
    process = docker.popen("exec", name, "sleep", "1001")  # the container itself is a `sleep 1000`
    until(lambda: "sleep 1001" in docker("exec", name, "ps", "-o", "args"), 10, "exec runs")
    docker("kill", name)
    check(process.wait(20) != 0, "the exec has outlived its container")
    docker("exec", name, "true", code=1)


@CASES.case()
def exec_background_child(docker):
    """A child that keeps the exec's output open: the client waits for the exec, not for it."""
    name = docker.start("box")
    equal(docker("exec", name, "sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $?", seconds=20), "0\n", "output")
    check("sleep 300" in docker("exec", name, "ps"), "the child is gone")


@CASES.case()
def exec_privileged(docker):
    if docker.is_runc:
        raise suite.Skip("runc can't, without CAP_SYS_RESOURCE")
    name = docker.start("box")
    check(docker("exec", "--privileged", name, "grep", "CapEff", "/proc/self/status").split()[1].strip("0") != "", "no capabilities")


@CASES.case("full")
def exec_storm(docker):
    name = docker.start("box")
    for _ in range(20):
        running = [docker.popen("exec", name, "true") for _ in range(5)]
        equal([process.wait(60) for process in running], [0] * 5, "codes")
    equal(len(docker("top", name).splitlines()), 2, "lines of top after that")
    check(subject.NAME == docker.inspect(name)["HostConfig"]["Runtime"], "another runtime")
