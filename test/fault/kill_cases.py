"""kill -9 of each part of a sandbox in the midst of work."""
import os
import random
import re
import signal
import time

import host
from sandbox import check, wait_until

SECONDS_TO_END = 1.0
WORKLOAD = ("i=0; while :; do i=$((i+1)); cat /etc/passwd /etc/group >/dev/null; (exit 0); "
            "x=$(head -c 64 /etc/hostname); echo line $i; done")


def busy(context, flags=()):
    """A sandbox in the midst of forks and reads."""
    sandbox = context.run(["bash", "-c", WORKLOAD], flags=flags)
    sandbox.wait_for_output(b"line 3\n")
    sandbox.look()
    time.sleep(random.uniform(0, 0.1))
    return sandbox


def kill_part(context, name, words, flags=()):
    """The sandbox ends with one line that names the part, and is gone."""
    with busy(context, flags) as sandbox:
        pid = sandbox.part(name)
        start = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        code = sandbox.wait(10)
        seconds = time.monotonic() - start
        lines = sandbox.error_lines()
        check(code not in (0, 128 + signal.SIGKILL), f"exit code {code}")
        check(len(lines) == 1, f"{len(lines)} lines on stderr, expected one: {lines[:4]}")
        check(words in lines[0] and lines[0].startswith("runsc-cpp"), f"does not name the cause: {lines[0]}")
        check(seconds <= SECONDS_TO_END, f"took {seconds:.2f} s to end")
        sandbox.check_nothing_left(max(0.0, SECONDS_TO_END - seconds))
        return seconds


CHATTER = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    while True:
        connection = listener.accept()[0]
        connection.sendall(connection.recv(10))
        connection.close()
threading.Thread(target=serve, daemon=True).start()
n = 0
while True:
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"hello")
        client.recv(10)
    n += 1
    print("line", n, flush=True)
"""


def kill_netgofer(context):
    """In the midst of connections; the guest may still print an error of its own."""
    with context.run(["/usr/bin/python3", "-c", CHATTER]) as sandbox:
        sandbox.wait_for_output(b"line 3\n")
        sandbox.look()
        time.sleep(random.uniform(0, 0.1))
        pid = sandbox.part("netgofer")
        start = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        code = sandbox.wait(10)
        seconds = time.monotonic() - start
        # Behind what the guest had printed of a line of its own, perhaps.
        lines = re.findall("runsc-cpp: .*", sandbox.errors())
        check(code == 125, f"exit code {code}")
        check(len(lines) == 1 and "netgofer" in lines[0], f"does not name the cause: {sandbox.error_lines()[:5]}")
        check(seconds <= SECONDS_TO_END, f"took {seconds:.2f} s to end")
        sandbox.check_nothing_left(max(0.0, SECONDS_TO_END - seconds))
        return seconds


def kill_supervisor(context, flags=()):
    with busy(context, flags) as sandbox:
        start = time.monotonic()
        os.kill(sandbox.pid, signal.SIGKILL)
        check(sandbox.wait(10) == 128 + signal.SIGKILL, "it did not die of SIGKILL")
        sandbox.check_nothing_left(SECONDS_TO_END)
        lines = sandbox.error_lines()
        check(not lines, f"stderr: {lines[:3]}")
        return time.monotonic() - start


def repeated(once):
    def run(context):
        times = [once(context) for _ in range(20 if context.full else 3)]
        took = f", {min(times) * 1000:.0f} to {max(times) * 1000:.0f} ms to end" if None not in times else ""
        context.note(f"{len(times)} times{took}")
    return run


# --- Stubs: a guest process dies, and no more than that ---

STUB_SCRIPT = """
{child} &
child=$!
echo started
wait $child
echo status $?
for i in 1 2 3; do cat /etc/hostname | wc -l; (exit 3); echo "fork $?"; done
exit 7
"""


def kill_child_stub(context, child, program, settle=0.3):
    """Kills the stub of a guest's child that runs `program`; its parent goes on."""
    with context.run(["bash", "-c", STUB_SCRIPT.format(child=child)]) as sandbox:
        sandbox.wait_for_output(b"started\n")
        time.sleep(settle)
        wait_until(lambda: sandbox.stubs_running(program), 10, f"a stub that runs {program}")
        stubs = sandbox.stubs_running(program)
        check(stubs, f"no stub runs {program}")
        os.kill(max(stubs, key=lambda pid: host.stat_of(pid)[3]), signal.SIGKILL)  # the one with the most work done
        code = sandbox.wait(5)
        output = sandbox.output.decode()
        check("status 137" in output, f"the parent did not see SIGKILL: {output!r}, code {code}, {sandbox.errors()!r}")
        check(output.count("fork 3") == 3, f"the workload did not go on: {output!r}")
        check(code == 7, f"exit code {code}, expected the guest's 7")
        check("stub" in sandbox.errors(), f"the cause is not logged: {sandbox.error_lines()[:4]}")
        sandbox.check_nothing_left(0.5)


def stub_of_sleeper(context):
    return kill_child_stub(context, "sleep 1000", "sleep")


def stub_of_runner(context):
    return kill_child_stub(context, "exec bash -c 'while :; do :; done' busy-guest", "bash")


def stub_of_caller(context):
    """A guest in the midst of system calls."""
    return kill_child_stub(context, "exec cat /dev/zero >/dev/null", "cat")


def stub_of_first_process(context):
    """The command itself: the sandbox's exit code is that of a killed program."""
    with context.run(["sleep", "1000"]) as sandbox:
        wait_until(lambda: sandbox.stubs_running("sleep"), 10, "a stub that runs sleep")
        time.sleep(0.1)
        os.kill(sandbox.stubs_running("sleep")[0], signal.SIGKILL)
        code = sandbox.wait(5)
        check(code == 137, f"exit code {code}, expected 137")
        check("stub" in sandbox.errors(), f"the cause is not logged: {sandbox.error_lines()}")
        sandbox.check_nothing_left(0.5)


def spare_stubs(context):
    """Stubs kept ready that no guest has yet: who gets one may die of it, but nobody else."""
    script = "echo started; sleep 1; for i in 1 2 3 4 5; do cat /etc/hostname >/dev/null && echo ok; done; exit 7"
    with context.run(["bash", "-c", script]) as sandbox:
        sandbox.wait_for_output(b"started\n")
        time.sleep(0.3)
        busy_stubs = set(sandbox.stubs_running("bash")) | set(sandbox.stubs_running("sleep"))
        spare = [pid for pid in sandbox.parts("stub") if pid not in busy_stubs]
        for pid in spare:
            os.kill(pid, signal.SIGKILL)
        code = sandbox.wait(10)
        output = sandbox.output.decode()
        check(code == 7 and output.count("ok") >= 5 - len(spare), f"code {code}, output {output!r}, {sandbox.errors()!r}")
        sandbox.check_nothing_left(0.5)


CASES = {
    "kill_gofer": repeated(lambda context: kill_part(context, "gofer", "gofer")),
    "kill_netgofer": repeated(kill_netgofer),
    "kill_idle_netgofer": repeated(lambda context: kill_part(context, "netgofer", "netgofer")),
    "kill_sentry": repeated(lambda context: kill_part(context, "sentry", "sentry")),
    "kill_template": repeated(lambda context: kill_part(context, "template", "template")),
    "kill_runsc_cpp": repeated(kill_supervisor),
    "kill_stub_of_sleeping_child": repeated(stub_of_sleeper),
    "kill_stub_of_running_child": repeated(stub_of_runner),
    "kill_stub_of_calling_child": repeated(stub_of_caller),
    "kill_stub_of_first_process": repeated(stub_of_first_process),
    "kill_spare_stubs": repeated(spare_stubs),
}
