#!/usr/bin/python3
"""Pseudo terminals inside: line discipline, echo, control characters, window size, a shell on one."""
import fcntl
import os
import pty
import struct
import termios
import time
import tty

master, slave = pty.openpty()
print(os.isatty(master), os.isatty(slave), os.ttyname(slave).startswith("/dev/pts/"))
os.write(master, b"hello\n")
print(os.read(slave, 100), os.read(master, 100))
os.write(master, b"abcx\x7f\x7fC\n")
print(os.read(slave, 100), os.read(master, 100))
os.write(master, b"gone\x15kept\n")
print(os.read(slave, 100))
os.write(master, b"end\x04")
print(os.read(slave, 100))
os.write(slave, b"line\n")
time.sleep(0.05)
print(os.read(master, 1000)[-6:])
attributes = termios.tcgetattr(slave)
print([hex(n) for n in attributes[:4]], attributes[6][:8])
tty.setraw(slave)
termios.tcflush(slave, termios.TCIOFLUSH)
os.write(master, b"r\x03\r")
print(os.read(slave, 10))
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
print(struct.unpack("4H", fcntl.ioctl(slave, termios.TIOCGWINSZ, bytes(8))), os.get_terminal_size(slave))
os.close(slave)
try:
    os.read(master, 1)
except OSError as error:
    print(error)
os.close(master)

pid, master = pty.fork()
if pid == 0:
    os.environ["PS1"] = "> "
    os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting"])
text = b""


def expect(end):
    global text
    while not text.endswith(end):
        text += os.read(master, 1000)
    got, text = text, b""
    print(got)


expect(b"> ")
for line in (b"tty | cut -c1-9", b"stty size", b"stty -a | grep -o 'intr = ^C'", b"sleep 100 & jobs | cut -c1-20",
             b"kill %1; wait %1 2>/dev/null; echo $?"):
    os.write(master, line + b"\n")
    if b"sleep 100" in line:  # the job's number is followed by a pid
        while not text.endswith(b"> "):
            text += os.read(master, 1000)
        text = b""
    else:
        expect(b"> ")
os.write(master, b"sleep 100\n")
time.sleep(0.3)
os.write(master, b"\x03")
expect(b"> ")
os.write(master, b"exit 7\n")
try:
    while os.read(master, 1000):
        pass
except OSError as error:
    print(error)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
