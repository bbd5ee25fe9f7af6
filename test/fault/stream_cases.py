"""Standard streams of every sort, and the terminal: as the caller left them."""
import fcntl
import os
import signal
import subprocess
import tempfile
import termios
import time

import host
from sandbox import Skip, check


def is_nonblocking(fd):
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)


def never_nonblocking(make_pair):
    """The flag is the open file's, shared with the caller: looked at all the time the sandbox runs."""
    def run(context):
        inside, outside = make_pair(context)
        try:
            with context.run(["bash", "-c", "read x; echo got $x; sleep 0.2; echo end; exit 4"],
                             stdin=inside, stdout=inside, stderr=inside) as sandbox:
                seen = False
                os.write(outside, b"word\n")
                end = time.monotonic() + 10
                while sandbox.process.poll() is None and time.monotonic() < end:
                    seen = seen or is_nonblocking(inside)
                    time.sleep(0.002)
                code = sandbox.wait(1)
                check(code == 4, f"exit code {code}")
                check(not seen and not is_nonblocking(inside), "O_NONBLOCK was set on an inherited stream")
        finally:
            os.close(inside)
            os.close(outside)
    return run


def socket_pair(_):
    import socket
    a, b = socket.socketpair()
    return a.detach(), b.detach()


def terminal_pair(_):
    outside, inside = os.openpty()
    return inside, outside


def fifo_pair(context):
    path = os.path.join(context.directory, f"fifo-{time.monotonic_ns()}")
    os.mkfifo(path)
    inside = os.open(path, os.O_RDWR)
    outside = os.open(path, os.O_RDWR)
    return inside, outside


def stdin_at_end(context):
    with context.run(["cat"]) as sandbox:
        check(sandbox.wait(5) == 0 and not sandbox.output, "cat of an empty stdin")


def closed_streams(context):
    for closed in ([0], [1], [0, 1], [0, 1, 2]):
        def close(fds=tuple(closed)):
            for fd in fds:
                os.close(fd)
        with context.run(["bash", "-c", "read x; echo hi; exit 3"], preexec_fn=close) as sandbox:
            code = sandbox.wait(5)
            check(code == 3, f"with {closed} closed: exit code {code}, {sandbox.errors()!r}")
            sandbox.check_nothing_left(0.5)


def no_space(context):
    """ENOSPC is the guest's to see."""
    with open("/dev/full", "wb") as full:
        with context.run(["bash", "-c", "echo hi || exit 6"], stdout=full) as sandbox:
            code = sandbox.wait(5)
            check(code == 6, f"/dev/full: exit code {code}")
            check("No space left" in sandbox.errors(), f"/dev/full: {sandbox.errors()!r}")


def full_disk(context):
    if not context.private:
        raise Skip("needs the right to mount")
    directory = tempfile.mkdtemp(dir=context.directory)
    check(host.mount("none", directory, "tmpfs", options="size=64k"), "mount a tmpfs")
    try:
        with open(os.path.join(directory, "out"), "wb") as out:
            with context.run(["bash", "-c", "head -c 1000000 /dev/zero; exit $?"], stdout=out) as sandbox:
                code = sandbox.wait(5)
                check(code == 1, f"exit code {code}")
                check("No space left" in sandbox.errors(), sandbox.errors())
        check(os.path.getsize(os.path.join(directory, "out")) == 65536, "what fits is there")
    finally:
        host.unmount(directory)


def broken_pipe(context):
    for command, expected in ((["yes"], 128 + signal.SIGPIPE),
                              (["bash", "-c", "trap '' PIPE; echo hi 2>/dev/null; exit $?"], 1)):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with context.run(command, stdout=write_end) as sandbox:
            os.close(write_end)
            code = sandbox.wait(5)
            check(code == expected, f"{command}: exit code {code}, expected {expected}; {sandbox.errors()!r}")
            sandbox.check_nothing_left(0.5)


def pipe_closed_later(context):
    with subprocess.Popen([context.binary, "do", "--", "yes"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as yes:
        yes.stdout.read(100000)
        yes.stdout.close()
        start = time.monotonic()
        code = yes.wait(5)
        check(code == 128 + signal.SIGPIPE, f"exit code {code}")
        check(time.monotonic() - start < 1, "took more than a second")


def blocked_on_stream(write):
    """A guest that waits for the host's reader or writer still dies at once."""
    def run(context):
        read_end, write_end = os.pipe()
        command, options = (["yes"], {"stdout": write_end}) if write else (["cat"], {"stdin": read_end})
        with context.run(command, **options) as sandbox:
            time.sleep(0.5)
            sandbox.look()
            start = time.monotonic()
            os.kill(sandbox.pid, signal.SIGTERM)
            code = sandbox.wait(5)
            check(code == 128 + signal.SIGTERM, f"exit code {code}, {sandbox.errors()!r}")
            check(time.monotonic() - start < 1, "took more than a second")
            sandbox.check_nothing_left(0.5)
        os.close(read_end)
        os.close(write_end)
    return run


def shared_offset(context):
    """stdout is the caller's open file, with its offset: what comes after goes behind."""
    path = os.path.join(context.directory, "offset")
    with open(path, "wb") as out:
        out.write(b"before\n")
        out.flush()
        with context.run(["echo", "inside"], stdout=out) as sandbox:
            check(sandbox.wait(5) == 0, "exit code")
        os.write(out.fileno(), b"after\n")
    with open(path, "rb") as file:
        content = file.read()
    check(content == b"before\ninside\nafter\n", f"the file has {content!r}")
    with open(path, "rb") as file:
        with context.run(["bash", "-c", "read x; echo $x"], stdin=file) as sandbox:
            check(sandbox.wait(5) == 0 and sandbox.output == b"before\n", f"read {sandbox.output!r}")
        check(os.lseek(file.fileno(), 0, os.SEEK_CUR) == 7, "the shell reads a line and no more")


# --- The terminal ---

TERMINAL_SCRIPT = 'stty -g >"$0/before"; "$@"; echo $? >"$0/code"; stty -g >"$0/after"'


def on_terminal(context, command, act=None):
    """Runs it as a shell on a terminal would. Returns (code, stty before, stty after)."""
    directory = tempfile.mkdtemp(dir=context.directory)
    pid, master = os.forkpty()
    if pid == 0:
        os.execvp("sh", ["sh", "-c", TERMINAL_SCRIPT, directory, context.binary, "do", "--", *command])
    fcntl.ioctl(master, termios.TIOCSWINSZ, b"\x1e\x00\x64\x00\x00\x00\x00\x00")
    output, end = b"", time.monotonic() + 15
    os.set_blocking(master, False)
    acted = act is None
    while time.monotonic() < end and not os.path.exists(os.path.join(directory, "after")):
        try:
            output += os.read(master, 65536)
        except BlockingIOError:
            time.sleep(0.005)
        except OSError:
            break
        if not acted and b"started" in output:
            acted = True
            time.sleep(0.1)
            act(pid, master)
    if not os.path.exists(os.path.join(directory, "after")):
        for late in host.descendants(pid):
            os.kill(late, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(master)

    def text(name):
        try:
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return None
    return text("code"), text("before"), text("after"), output


def part_below(pid, name):
    return next(p for p, comm in host.descendants(pid).items() if comm == name)


def terminal_restored(name, command, act, expected):
    def run(context):
        code, before, after, output = on_terminal(context, command, act)
        check(code == str(expected), f"{name}: exit code {code}, expected {expected}: {output!r}")
        check(before is not None and before == after, f"{name}: stty before {before}, after {after}")
    return run


def kill_to(name, signo):
    return lambda pid, _: os.kill(part_below(pid, name), signo)


LONG = ["bash", "-c", "echo started; sleep 1000"]
CASES = {
    "nonblock_socket": never_nonblocking(socket_pair),
    "nonblock_terminal": never_nonblocking(terminal_pair),
    "nonblock_fifo": never_nonblocking(fifo_pair),
    "stdin_at_end": stdin_at_end,
    "closed_streams": closed_streams,
    "stdout_no_space": no_space,
    "stdout_full_disk": full_disk,
    "stdout_broken_pipe": broken_pipe,
    "stdout_closed_later": pipe_closed_later,
    "blocked_in_write": blocked_on_stream(True),
    "blocked_in_read": blocked_on_stream(False),
    "shared_offset": shared_offset,
    "terminal_after_normal_end": terminal_restored("exit", ["bash", "-c", "stty -echo; exit 3"], None, 3),
    "terminal_after_ctrl_c": terminal_restored("^C", LONG, lambda _, master: os.write(master, b"\x03"), 130),
    "terminal_after_sigterm": terminal_restored("SIGTERM", LONG, kill_to("runsc-cpp", signal.SIGTERM), 143),
    "terminal_after_kill_of_sentry": terminal_restored("kill", LONG, kill_to("runsc-sandbox", signal.SIGKILL), 125),
    "terminal_after_kill_of_gofer": terminal_restored("kill", LONG, kill_to("runsc-gofer", signal.SIGKILL), 125),
    "terminal_after_failed_start": terminal_restored("start", ["/no/such/program"], None, 127),
}
