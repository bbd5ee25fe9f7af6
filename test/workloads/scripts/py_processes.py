#!/usr/bin/python3
"""subprocess, os.fork and its kin, multiprocessing with semaphores and shared memory, signals."""
import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys

print(subprocess.run(["tr", "a-z", "A-Z"], input=b"some input", stdout=subprocess.PIPE).stdout)
print(subprocess.run("echo out; echo err >&2; exit 3", shell=True, capture_output=True))
print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
try:
    subprocess.run(["sleep", "10"], timeout=0.1)
except subprocess.TimeoutExpired as error:
    print("timed out", error.cmd)
try:
    subprocess.run(["/no/such/program"])
except FileNotFoundError as error:
    print(error)
first = subprocess.Popen(["seq", "1000"], stdout=subprocess.PIPE)
second = subprocess.Popen(["tail", "-n", "1"], stdin=first.stdout, stdout=subprocess.PIPE)
first.stdout.close()
print(second.communicate()[0], first.wait(), second.wait())
many = [subprocess.Popen(["sh", "-c", f"exit {n}"]) for n in range(30)]
print([p.wait() for p in many])
print(subprocess.check_output(["pwd"], cwd="/usr", env={"A": "b"}), subprocess.check_output(["env"], env={"A": "b"}))
print(subprocess.check_output(["sh", "-c", "ulimit -n; umask"], umask=0o27,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))))
print(subprocess.run(["sh", "-c", "test $$ = $(ps -o sid= -p $$)"], start_new_session=True).returncode)
big = subprocess.run(["cat"], input=b"x" * 3_000_000, stdout=subprocess.PIPE).stdout
print(len(big))

pid = os.fork()
if pid == 0:
    os._exit(17)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], os.environ)
print(os.waitid(os.P_PID, pid, os.WEXITED).si_status)
pid = os.fork()
if pid == 0:
    signal.pause()
os.kill(pid, signal.SIGSTOP)
print(os.WSTOPSIG(os.waitpid(pid, os.WUNTRACED)[1]))
os.kill(pid, signal.SIGCONT)
print(os.WIFCONTINUED(os.waitpid(pid, os.WCONTINUED)[1]))
fd = os.pidfd_open(pid)
signal.pidfd_send_signal(fd, signal.SIGTERM)
print(os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status)
try:
    os.waitpid(-1, 0)
except ChildProcessError as error:
    print(error)

signal.signal(signal.SIGUSR1, lambda number, frame: print("handler", number))
os.kill(os.getpid(), signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
ticks = []
signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
while len(ticks) < 3:
    signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
print("ticks", len(ticks))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigwait([signal.SIGUSR2]), signal.sigtimedwait([signal.SIGUSR2], 0.01))


def square(n):
    return n * n


def add(total, count):
    for _ in range(count):
        with total.get_lock():
            total.value += 1


if __name__ == "__main__":
    sys.stdout.flush()
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        print(pool.map(square, range(50)))
    total = context.Value("i", 0)
    workers = [context.Process(target=add, args=(total, 300)) for _ in range(4)]
    [w.start() for w in workers]
    [w.join() for w in workers]
    print("total", total.value)
    ours, theirs = context.Pipe()
    child = context.Process(target=lambda: (theirs.send({"a": [1, 2, 3]}), theirs.recv(), os._exit(4)))
    child.start()
    print(ours.recv())
    ours.send("go")
    child.join()
    print(child.exitcode)
    q = context.Queue()
    children = [context.Process(target=q.put, args=(n,)) for n in range(5)]
    [c.start() for c in children]
    print(sorted(q.get() for _ in children))
    [c.join() for c in children]
    event, barrier = context.Event(), context.Barrier(3)
    others = [context.Process(target=lambda: (barrier.wait(), event.set())) for _ in range(2)]
    [o.start() for o in others]
    barrier.wait()
    print(event.wait(10))
    [o.join() for o in others]
    from multiprocessing import shared_memory
    memory = shared_memory.SharedMemory(create=True, size=100000)
    memory.buf[:5] = b"hello"
    child = context.Process(target=lambda: memory.buf.__setitem__(0, ord("J")))
    child.start()
    child.join()
    print(bytes(memory.buf[:5]))
    memory.close()
    memory.unlink()
    array = context.Array(ctypes.c_double, 10)
    child = context.Process(target=lambda: array.__setitem__(3, 2.5))
    child.start()
    child.join()
    print(list(array)[:5])
    print(os.sched_getaffinity(0) != set(), os.cpu_count() >= 1)
