#!/usr/bin/python3
# workload: seconds=90
"""An interactive bash with job control on a terminal: Ctrl-Z, fg, bg, jobs, Ctrl-C, Ctrl-D, Ctrl-\\, the window's size.

Prints what the terminal showed, with process ids and times taken out.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PROMPT = b"ready> "
COMMAND = os.environ.pop("WORKLOAD_DO", "").split() + ["/bin/bash", "--norc", "--noprofile", "-i"]


class Terminal:
    def __init__(self):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.environ.update(PS1=PROMPT.decode(), TERM="dumb", HISTFILE="/dev/null")
            os.execvp(COMMAND[0], COMMAND)
        self.resize(24, 80)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def read_until(self, end, seconds=15):
        """What is shown until `end` was; says so if it does not come."""
        deadline = time.monotonic() + seconds
        while end not in self.seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                print(f"*** {end!r} did not come; instead {self.seen!r}")
                text, self.seen = self.seen, b""
                return text
            try:
                self.seen += os.read(self.fd, 4096)
            except OSError:
                text, self.seen = self.seen, b""
                return text
        at = self.seen.index(end) + len(end)
        text, self.seen = self.seen[:at], self.seen[at:]
        return text

    def drain(self, seconds=0.6):
        """Forgets what is shown for a while: how often readline draws its prompt anew depends on who was faster."""
        deadline = time.monotonic() + seconds
        while select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
            os.read(self.fd, 4096)
        self.seen = b""

    def show(self, text):
        text = text.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "<CR>")
        text = re.sub(r"\b\d{3,}\b", "<pid>", text)
        text = re.sub(r"(\[\d\]) \d+\b", r"\1 <pid>", text)
        # Which job is the current one when it is told depends on who was faster.
        text = re.sub(r"\[(\d)\][-+ ]( +Terminated)", r"[\1] \2", text)
        print(text, flush=True)

    def command(self, line, end=PROMPT):
        os.write(self.fd, line.encode() + b"\n")
        self.show(self.read_until(end))

    def key(self, key, end=PROMPT, after=0.4):
        time.sleep(after)  # the program in front must be running by then
        os.write(self.fd, key)
        self.show(self.read_until(end))


def main():
    t = Terminal()
    t.show(t.read_until(PROMPT))
    t.command("tty | sed 's/[0-9]*$//'; stty size")
    t.command("echo $((6 * 7)); set -o | grep -E 'monitor|history'")
    os.write(t.fd, b"sleep 101\n")
    t.key(b"\x1a")
    t.command("jobs")
    t.command("sleep 102 &")
    t.command("jobs -r | wc -l")
    t.command("bg %1")
    t.command("kill %1; wait %1 2>/dev/null; echo status $?")
    os.write(t.fd, b"fg %2\n")
    t.key(b"\x03")
    t.command("echo status $?")
    os.write(t.fd, b"cat\n")
    t.key(b"some text\n", b"some text\r\nsome text\r\n")
    t.key(b"\x04")
    os.write(t.fd, b"sleep 103\n")
    t.key(b"\x1c")
    t.command("echo status $?")
    os.write(t.fd, b"bash -c 'trap \"echo interrupted; exit 9\" INT; echo waiting; while :; do sleep 0.05; done'\n")
    t.show(t.read_until(b"waiting\r\n"))
    t.key(b"\x03")
    t.command("echo status $?")
    t.command("sleep 0.1 | cat; echo ${PIPESTATUS[*]}")
    os.write(t.fd, b"sleep 104 | cat\n")
    t.key(b"\x1a")
    t.command("jobs %%; kill %%; sleep 0.3")
    t.command("jobs | wc -l")
    t.resize(40, 100)
    t.drain()
    t.command("stty size")
    t.command("bash -c 'trap \"stty size; exit\" WINCH; echo listening; while :; do sleep 0.05; done'", b"listening\r\n")
    time.sleep(0.3)
    t.resize(50, 120)
    t.show(t.read_until(PROMPT))
    t.command("stty -echo; echo quiet")
    t.command("stty echo; echo loud")
    # Its SIGTTIN is told before the prompt or behind it: "jobs" shows it in any case.
    os.write(t.fd, b"cat <&0 &\n")
    t.drain(1)
    t.command("jobs")
    t.command("kill %%; sleep 0.3")
    t.command("read -t 0.2 x; echo $?")
    t.command("read -n 1 x", b"\n")
    t.key(b"q")
    t.command("echo \"<$x>\"; stty -a | grep -o 'icanon'")
    t.command("(sleep 0.2; kill -STOP $BASHPID; echo resumed)")
    t.command("fg")
    t.command("/usr/bin/python3 -c 'import os; print(os.tcgetpgrp(0) == os.getpgrp(), os.isatty(0), os.ctermid())'")
    # The prompt is drawn anew in between: it is no sign that the command is done.
    t.command("echo typed\x15echo killed line\x17word", b"\nkilled word\r\n")
    t.show(t.read_until(PROMPT))
    os.write(t.fd, b"exit 7\n")
    t.show(t.read_until(b"no such text", 5))
    print("exit", os.waitstatus_to_exitcode(os.waitpid(t.pid, 0)[1]))


if __name__ == "__main__":
    sys.exit(main())
