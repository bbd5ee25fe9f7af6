"""Starts that fail, starts in numbers, and ends by a signal to runsc-cpp."""
import os
import re
import signal
import time

from sandbox import check


def become_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


class Files:
    """Things that a start can stumble over."""

    def __init__(self, directory):
        self.directory = directory
        os.chmod(directory, 0o755)
        self.plain = self._file("plain", b"just words\n", 0o644)
        self.garbage = self._file("garbage", b"\x00\x01\x02\x03", 0o755)
        self.broken_elf = self._file("broken-elf", b"\x7fELF\x02\x01\x01" + bytes(57), 0o755)
        self.lost_interpreter = self._file("lost-interpreter", b"#!/no/such/shell\n", 0o755)
        self.closed = os.path.join(directory, "closed")
        os.makedirs(self.closed, exist_ok=True)
        os.chmod(self.closed, 0)

    def _file(self, name, content, mode):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as out:
            out.write(content)
        os.chmod(path, mode)
        return path


def failed_starts(files):
    """name -> (exit code, pattern that the line must match, flags, command, run as nobody)."""
    at = files.directory
    volume = [f"--volume={at}:/fault"]
    return {
        "missing_path": (127, r"/no/such/program.*No such file", [], ["/no/such/program"], False),
        "missing_in_path": (127, r"no-such-program.*No such file.*PATH", [], ["no-such-program"], False),
        "empty_command": (127, r"No such file", [], [""], False),
        "not_executable": (126, r"/etc/passwd.*Permission denied", [], ["/etc/passwd"], False),
        "directory": (126, r"/etc.*Permission denied", [], ["/etc"], False),
        "not_a_program": (126, r"/fault/garbage.*ELF", volume, ["/fault/garbage"], False),
        "broken_elf": (126, r"/fault/broken-elf.*", volume, ["/fault/broken-elf"], False),
        "lost_interpreter": (127, r"lost-interpreter.*interpreter", volume, ["/fault/lost-interpreter"], False),
        "path_through_file": (126, r"/etc/passwd/x.*Not a directory", [], ["/etc/passwd/x"], False),
        "unknown_flag": (125, r"--no-such-flag.*help", ["--no-such-flag"], ["true"], False),
        "unknown_platform": (125, r"no-such.*platforms", ["--platform=no-such"], ["true"], False),
        "no_command": (125, r"usage", [], [], False),
        "little_memory": (125, r"--memory.*16M", ["--memory=1K"], ["true"], False),
        "bad_memory": (125, r"--memory.*512M", ["--memory=much"], ["true"], False),
        "bad_env": (125, r"--env.*NAME=VALUE", ["--env=x"], ["true"], False),
        "missing_root": (125, r"--root.*/no/such/dir", ["--root=/no/such/dir"], ["true"], False),
        "root_is_file": (125, r"--root.*/etc/passwd.*directory", ["--root=/etc/passwd"], ["true"], False),
        "unreadable_root": (125, r"--root.*closed.*Permission denied", [f"--root={files.closed}"], ["true"], True),
        "missing_volume": (125, r"--volume.*/no/such/dir", ["--volume=/no/such/dir:/x"], ["true"], False),
        "malformed_volume": (125, r"--volume.*HOST:GUEST", ["--volume=/tmp"], ["true"], False),
        "volume_below_file": (125, r"/etc/passwd/x", [f"--volume={at}:/etc/passwd/x"], ["true"], False),
        "missing_cwd": (125, r"--cwd.*/no/such/dir", ["--cwd=/no/such/dir"], ["true"], False),
        "relative_cwd": (125, r"--cwd.*absolute", ["--cwd=etc"], ["true"], False),
        "cwd_is_file": (125, r"--cwd.*/etc/passwd.*directory", ["--cwd=/etc/passwd"], ["true"], False),
    }


def failed_start(name):
    def run(context):
        code, pattern, flags, command, as_nobody = failed_starts(Files(context.directory))[name]
        drop = become_nobody if as_nobody and os.geteuid() == 0 else None
        with context.run(command, flags=flags, preexec_fn=drop) as sandbox:
            got = sandbox.wait(10)
            lines = sandbox.error_lines()
            check(got == code, f"exit code {got}, expected {code}: {lines[:3]}")
            check(len(lines) == 1, f"{len(lines)} lines on stderr, expected one: {lines[:4]}")
            check(re.search(pattern, lines[0]), f"{lines[0]!r} does not match {pattern!r}")
            check(lines[0].startswith("runsc-cpp"), f"does not say who speaks: {lines[0]!r}")
            check(not sandbox.output, f"stdout: {sandbox.output!r}")
            sandbox.check_nothing_left(0.5)
    return run


def ended_by(signo):
    """The guest dies of what runsc-cpp is sent."""
    def run(context):
        # bash itself would ignore SIGQUIT.
        with context.run(["bash", "-c", "echo started; exec sleep 1000"]) as sandbox:
            sandbox.wait_for_output(b"started\n")
            sandbox.look()
            time.sleep(0.2)
            start = time.monotonic()
            os.kill(sandbox.pid, signo)
            code = sandbox.wait(5)
            check(code == 128 + signo, f"exit code {code}, expected {128 + signo}: {sandbox.errors()!r}")
            check(time.monotonic() - start <= 1, "took more than a second")
            check(not sandbox.errors(), f"stderr: {sandbox.errors()!r}")
            sandbox.check_nothing_left(0.5)
    return run


def caught_signal(context):
    with context.run(["bash", "-c", "trap 'echo caught; exit 9' TERM; echo started; while :; do sleep 0.05; done"]) as s:
        s.wait_for_output(b"started\n")
        os.kill(s.pid, signal.SIGTERM)
        code = s.wait(5)
        check(code == 9 and b"caught" in s.output, f"exit code {code}, output {s.output!r}")
        s.check_nothing_left(0.5)


def ignored_signal(context):
    """What the caller ignores, as under nohup, does not reach the guest."""
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with context.run(["bash", "-c", "echo started; sleep 0.5; exit 6"], preexec_fn=ignore) as sandbox:
        sandbox.wait_for_output(b"started\n")
        os.kill(sandbox.pid, signal.SIGHUP)
        code = sandbox.wait(5)
        check(code == 6, f"exit code {code}: {sandbox.errors()!r}")


def signal_during_start(context):
    """Whenever it comes, it ends the sandbox, or the guest that has just begun."""
    for delay_ms in range(0, 60, 3 if context.full else 12):
        with context.run(["sleep", "1000"]) as sandbox:
            # Before runsc-cpp blocks signals it is a program like any other.
            time.sleep(delay_ms / 1000)
            sandbox.look()
            os.kill(sandbox.pid, signal.SIGTERM)
            code = sandbox.wait(5)
            check(code == 128 + signal.SIGTERM, f"{delay_ms} ms after the start: exit code {code}, {sandbox.errors()!r}")
            sandbox.check_nothing_left(0.5)


def twenty_at_once(context):
    start = time.monotonic()
    sandboxes = [context.run(["bash", "-c", f"ls /usr/share | wc -l >/dev/null; echo {i}; exit {i}"]) for i in range(20)]
    try:
        for i, sandbox in enumerate(sandboxes):
            sandbox.look()
            code = sandbox.wait(60)
            check(code == i, f"sandbox {i}: exit code {code}, {sandbox.errors()!r}")
            check(sandbox.output == f"{i}\n".encode(), f"sandbox {i}: output {sandbox.output!r}")
            check(not sandbox.errors(), f"sandbox {i}: {sandbox.errors()!r}")
        for sandbox in sandboxes:
            sandbox.before = sandboxes[0].before
            sandbox.check_nothing_left(1)
    finally:
        for sandbox in sandboxes:
            sandbox.close()
    context.note(f"{time.monotonic() - start:.2f} s for all")


def nothing_left_after_normal_end(context):
    with context.run(["bash", "-c", "echo started; sleep 0.3; cat /etc/hostname >/tmp/x; exit 5"]) as sandbox:
        sandbox.wait_for_output(b"started\n")
        check(len(sandbox.look()) >= 5, f"too few processes: {sandbox.processes}")
        check(sandbox.wait(5) == 5, "exit code")
        sandbox.check_nothing_left(0.0)


def orphans_end_with_the_first_process(context):
    with context.run(["bash", "-c", "(setsid sleep 1000 &) ; (sleep 1000 &); echo started; sleep 0.2"]) as sandbox:
        sandbox.wait_for_output(b"started\n")
        sandbox.look()
        check(sandbox.wait(5) == 0, "exit code")
        sandbox.check_nothing_left(0.5)


NAMES = list(failed_starts(type("Names", (), {"directory": "", "closed": ""})))
CASES = {
    **{f"start_{name}": failed_start(name) for name in NAMES},
    **{f"end_by_{signo.name}": ended_by(signo) for signo in
       (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)},
    "end_by_caught_signal": caught_signal,
    "end_not_by_ignored_signal": ignored_signal,
    "signal_during_start": signal_during_start,
    "twenty_at_once": twenty_at_once,
    "normal_end": nothing_left_after_normal_end,
    "orphans": orphans_end_with_the_first_process,
}
