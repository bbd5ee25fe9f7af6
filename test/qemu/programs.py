"""Small programs, whose output must be the same natively and in the sandbox."""

SHELL = {
    "pipeline": "seq 1 5000 | grep 7 | sort -rn | uniq | head -n 700 | md5sum; echo ${PIPESTATUS:-none}",
    "forks": "n=0; for i in $(seq 1 60); do n=$((n + $(echo $i))); done; echo $n",
    "background": "for i in 1 2 3 4 5 6; do (sleep 0.0$i; exit $i) & done; for i in %1 %2 %3; do wait $i; echo $?; done",
    "files": "mkdir -p /tmp/d/e && cd /tmp/d && seq 1 1000 >a && cp a e/b && tar cf - . | tar tf - | sort;"
             "cmp a e/b && wc -c a e/b; ls -l a | cut -c1-10; rm -r /tmp/d; ls /tmp/d",
    "signals": "trap 'echo usr1' USR1; kill -USR1 $$; (kill -TERM $BASHPID 2>/dev/null || exec sh -c 'kill -TERM $$');"
               "echo $?; sh -c 'kill -SEGV $$'; echo $?; sh -c 'exit 7'; echo $?",
    "data": "head -c 3000000 /dev/zero | gzip | gzip -d | sha256sum; seq 1 20000 | bzip2 | bunzip2 | md5sum",
    "exit_code": "echo before; exit 42",
}

PYTHON = {
    "python_hello": "import sys; print('hello', sys.version_info[:2], sys.byteorder)",
    "python_float": "import math; print(sum(math.sin(i) * math.sqrt(i) for i in range(20000))); print(0.1 + 0.2, 7 ** 123)",
    "python_threads": """
import threading
counts, lock = {}, threading.Lock()
def work(n):
    total = sum(i * i % 7 * 0.5 for i in range(20000 + n))
    with lock:
        counts[n] = total
threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(counts.items()))
""",
    "python_processes": """
import os, subprocess, signal
print(subprocess.run(['seq', '1', '50'], stdout=subprocess.PIPE).stdout.split()[-3:])
for n in range(20):
    if os.fork() == 0: os._exit(n)
print(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for n in range(20)))
p = subprocess.Popen(['sleep', '100']); p.send_signal(signal.SIGINT); print(p.wait())
""",
    "python_sockets": """
import socket, threading
a, b = socket.socketpair()
def echo():
    while data := b.recv(65536): b.sendall(data[::-1])
    b.close()
t = threading.Thread(target=echo); t.start()
for n in (1, 1000, 60000):
    a.sendall(bytes(n)); got = 0
    while got < n: got += len(a.recv(65536))
    print(n, got)
a.shutdown(socket.SHUT_WR); t.join(); print(a.recv(1))
""",
    "python_memory": """
import mmap
m = mmap.mmap(-1, 8 << 20)
for i in range(0, len(m), 4096): m[i] = i >> 12 & 255
print(sum(m[i] for i in range(0, len(m), 4096)))
m.close()
try: open('/none')
except OSError as e: print(e)
""",
}


def scripts():
    """By name, as sh takes them."""
    found = dict(SHELL)
    for name, code in PYTHON.items():
        found[name] = f"python3 - <<'END'\n{code.strip()}\nEND"
    return found
