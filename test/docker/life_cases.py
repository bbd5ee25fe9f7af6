"""Start, end, streams, terminals, signals."""
import hashlib
import time

import subject
import suite
from suite import check, equal, until

CASES = suite.Cases()
IMAGE = subject.IMAGE


@CASES.case()
def run_output(docker):
    equal(docker.once(IMAGE, "sh", "-c", "echo out; echo err >&2"), "out\n", "standard output")
    equal(docker.stderr, "err\n", "standard error")


@CASES.case()
def run_exit_codes(docker):
    docker.once(IMAGE, "sh", "-c", "exit 7", code=7)
    docker.once(IMAGE, "sh", "-c", "sh -c 'kill -9 $$'; exit $?", code=137)
    docker.once(IMAGE, "sh", "-c", "kill -9 $$; exit 8", code=8)  # the first process of a pid namespace can't
    docker.once(IMAGE, "sh", "-c", "trap 'exit 9' TERM; kill $$; sleep 1", code=9)


@CASES.case()
def run_not_found(docker):
    for words, code, text in ((("/no/such/program",), 127, "no such file or directory"),
                              (("no-such-program",), 127, "executable file not found in $PATH"),
                              (("/etc/not-a-program",), 126, "permission denied")):
        docker.once(IMAGE, *words, code=code)
        check(text in docker.stderr, docker.stderr)


@CASES.case()
def run_stdin(docker):
    text = "".join(f"line {number}\n" for number in range(40000))
    sent = hashlib.sha256(text.encode()).hexdigest()
    equal(docker.once("-i", IMAGE, "sha256sum", data=text).split()[0], sent, "what was read")
    equal(docker.once("-i", IMAGE, "cat", data=text), text, "what came back")


@CASES.case()
def run_much_output(docker):
    equal(docker.once(IMAGE, "sh", "-c", "yes 0123456789 | head -n 200000 | tee /dev/stderr | sha256sum; exit 3", code=3)
          .split()[0], hashlib.sha256(b"0123456789\n" * 200000).hexdigest(), "sum")
    equal(len(docker.stderr), 11 * 200000, "bytes of standard error")


@CASES.case()
def run_environment(docker):
    out = docker.once("-e", "A=b c", "-w", "/var/log", "--hostname", "named", IMAGE, "sh", "-c", "echo $A; pwd; hostname; echo $HOME")
    equal(out, "b c\n/var/log\nnamed\n/root\n", "environment")
    equal(docker.once("--entrypoint", "echo", IMAGE, "a", "b"), "a b\n", "entrypoint")


@CASES.case()
def run_user(docker):
    equal(docker.once("-u", "user", IMAGE, "sh", "-c", "id -u; id -g; id -G"), "1000\n1000\n1000 2000\n", "by name")
    equal(docker.once("-u", "12:34", "--group-add", "2000", IMAGE, "sh", "-c", "id -u; id -g; id -G"), "12\n34\n34 2000\n", "by number")


@CASES.case()
def run_init(docker):
    out = docker.once("--init", IMAGE, "sh", "-c", "cat /proc/1/comm; (sleep 0.1 &) ; sleep 0.5; ps -o stat | grep -c Z; exit 6", code=6)
    equal(out.split(), ["docker-init", "0"], "first process and zombies")


@CASES.case()
def terminal_size(docker):
    code, shown = docker.terminal("run", "--runtime", subject.NAME, "--rm", "-it", "--network", "none", IMAGE, "sh",
                                  typed=["stty size\n", (41, 123), "stty size; tty\n", "exit 5\n"])
    equal(code, 5, "code")
    check("24 80" in shown and "41 123" in shown and "/dev/pts/" in shown or "/dev/console" in shown, shown)


@CASES.case()
def terminal_signals(docker):
    code, shown = docker.terminal("run", "--runtime", subject.NAME, "--rm", "-it", "--network", "none", IMAGE, "sh", "-c",
                                  "trap 'echo caught' INT; echo ready; sleep 5; echo on; cat", typed=["\x03", "word\n", "\x04"])
    equal(code, 0, f"code; {shown}")
    check("caught" in shown and shown.count("word") == 2, shown)


@CASES.case()
def terminal_hang_up(docker):
    name = docker.start("box", "-t", command=("sh", "-c", "tty >/tmp/tty; sleep 1000"))
    check(docker("exec", name, "cat", "/tmp/tty").startswith("/dev/"), "no terminal without somebody there")


@CASES.case()
def detached_logs(docker):
    name = docker.start("box", command=("sh", "-c", "echo one; echo two >&2; exit 4"))
    equal(docker("wait", name), "4\n", "code")
    equal(docker("logs", name), "one\n", "log")
    equal(docker.stderr, "two\n", "log of standard error")
    state = docker.state(name)
    equal((state["Status"], state["ExitCode"], state["Pid"]), ("exited", 4, 0), "state")


@CASES.case()
def create_start_attach(docker):
    docker("create", "--runtime", subject.NAME, "--name", "box", "-i", "--network", "none", IMAGE, "cat")
    equal(docker("start", "-a", "-i", "box", data="hello\n"), "hello\n", "what came back")
    equal(docker("start", "-a", "-i", "box", data="again\n"), "again\n", "at the second start")


@CASES.case()
def stop_gracefully(docker):
    name = docker.start("box", command=("sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done"))
    until(lambda: "ready" in docker("logs", name), 10, "the trap is not set")
    start = time.monotonic()
    docker("stop", "-t", "20", name)
    check(time.monotonic() - start < 15, "stop waited for its time-out")
    equal((docker.state(name)["ExitCode"], docker("logs", name)), (3, "ready\nbye\n"), "code and log")


@CASES.case()
def stop_by_force(docker):
    name = docker.start("box")
    docker("stop", "-t", "1", name)
    equal(docker.state(name)["ExitCode"], 137, "code")


@CASES.case()
def kill_signals(docker):
    name = docker.start("box", command=("sh", "-c", "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.1; done"))
    until(lambda: "ready" in docker("logs", name), 10, "the trap is not set")
    docker("kill", "-s", "USR1", name)
    until(lambda: "usr1" in docker("logs", name), 10, "no signal came")
    docker("kill", name)
    equal(docker("wait", name), "137\n", "code")
    docker("kill", name, code=1)
    check("is not running" in docker.stderr, docker.stderr)


@CASES.case()
def pause(docker):
    name = docker.start("box", command=("sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.05; done"))

    def count():
        docker("cp", f"{name}:/count", docker.house.base + "/count")
        with open(docker.house.base + "/count", encoding="ascii") as file:
            return file.read()

    until(lambda: docker("exec", name, "cat", "/count"), 10, "no count")
    docker("pause", name)
    equal(docker.state(name)["Status"], "paused", "status")
    first = count()
    time.sleep(0.5)
    equal(count(), first, "count of a paused container")
    docker("exec", name, "true", code=1)
    docker("unpause", name)
    until(lambda: count() != first, 10, "goes on counting")
    docker("pause", name)
    docker("kill", name)
    equal(docker.state(name)["Status"], "exited", "status of one that was killed while paused")


@CASES.case()
def restart(docker):
    name = docker.start("box", command=("sh", "-c", "echo x >>/starts; sleep 1000"))
    until(lambda: docker("exec", name, "cat", "/starts"), 10, "no start")
    docker("restart", "-t", "0", name)
    until(lambda: docker("exec", name, "cat", "/starts") == "x\nx\n", 10, "its files are not those of the first start")
    docker("stop", "-t", "0", name)
    docker("start", name)
    until(lambda: docker("exec", name, "cat", "/starts") == "x\nx\nx\n", 10, "third start")


@CASES.case()
def restart_policy(docker):
    name = docker.start("box", "--restart", "on-failure:2", command=("sh", "-c", "echo x; exit 1"))
    until(lambda: docker.state(name)["Status"] == "exited" and docker.inspect(name)["RestartCount"] == 2, 30, "two restarts")
    equal(docker("logs", name), "x\n" * 3, "log")
    other = docker.start("other", "--restart", "always", command=("sh", "-c", "sleep 1000"))
    pid = docker.state(other)["Pid"]
    docker.house.run(["kill", "-9", str(pid)])
    until(lambda: docker.state(other)["Running"] and docker.state(other)["Pid"] not in (0, pid), 20, "started anew")


@CASES.case()
def top(docker):
    name = docker.start("box", command=("sh", "-c", "sleep 1234 & exec sleep 4321"))
    until(lambda: all(word in docker("top", name) for word in ("sleep 1234", "sleep 4321")), 10, lambda: docker("top", name))
    lines = docker("top", name, "-o", "pid,comm").splitlines()
    equal(sorted(line.split()[1] for line in lines[1:]), ["sleep", "sleep"], "names")
    equal(len(docker("top", name).splitlines()), 3, "lines")


@CASES.case()
def inspect_pid(docker):
    name = docker.start("box")
    pid = docker.state(name)["Pid"]
    docker.script(f"test -d /proc/{pid}")
    docker("kill", name)
    until(lambda: docker.house.run(["test", "-d", f"/proc/{pid}"]).returncode == 1, 5, "the process is gone")


@CASES.case()
def health_check(docker):
    name = docker.start("box", "--health-cmd", "test ! -e /sick", "--health-interval", "1s", "--health-retries", "1",
                        "--health-start-period", "0s")
    until(lambda: docker.state(name)["Health"]["Status"] == "healthy", 20, "healthy")
    docker("exec", name, "touch", "/sick")
    until(lambda: docker.state(name)["Health"]["Status"] == "unhealthy", 20, "unhealthy")


@CASES.case()
def many_at_once(docker):
    running = [docker.popen("run", "--runtime", subject.NAME, "--rm", "--network", "none", IMAGE, "sh", "-c", f"exit {number}")
               for number in range(10)]
    equal([process.wait(120) for process in running], list(range(10)), "codes")


@CASES.case("full")
def fifty_at_once(docker):
    running = [docker.popen("run", "--runtime", subject.NAME, "--rm", "--network", "none", IMAGE, "true") for _ in range(50)]
    equal([process.wait(300) for process in running], [0] * 50, "codes")
