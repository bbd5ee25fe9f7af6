"""What guests do while their sandbox is watched."""
import os
import tempfile


class Workload:
    def __init__(self, name, script, full_only=False, volume=False, seconds=120, networked=False):
        self.name = name
        self.script = script
        self.seconds = seconds
        self._full_only = full_only
        self._volume = volume
        self.networked = networked

    def runs_in(self, tier):
        return tier == "full" or not self._full_only

    def flags(self, context):
        """A writable volume at /volume, if it wants one."""
        if not self._volume:
            return []
        directory = tempfile.mkdtemp(dir=context.directory)
        os.chmod(directory, 0o777)
        return [f"--volume={directory}:/volume"]


PYTHON = """/usr/bin/python3 - <<'END'
import os, socket, sqlite3, subprocess, tempfile, threading, time, mmap
threads = [threading.Thread(target=lambda: sum(range(100000))) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
db = sqlite3.connect(tempfile.mktemp())
db.execute('create table t (a, b)')
db.executemany('insert into t values (?, ?)', [(i, str(i)) for i in range(2000)])
db.commit()
print(db.execute('select count(*) from t').fetchone())
print(subprocess.run(['ls', '/usr'], capture_output=True).returncode)
a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))
m = mmap.mmap(-1, 64 << 20); m[0:4] = b'abcd'; m[32 << 20] = 7; m.close()
os.sync(); time.sleep(0.05); print(os.statvfs('/').f_bsize, os.getloadavg(), os.cpu_count())
END"""

NETWORK = """/usr/bin/python3 - <<'END'
import ipaddress, select, socket, threading
for family, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
    listener = socket.create_server((host, 0), family=family)
    def serve():
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)
    thread = threading.Thread(target=serve); thread.start()
    with socket.create_connection(listener.getsockname()[:2]) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(5); client.sendall(b'x' * 300000)
        total = 0
        while total < 300000: total += len(client.recv(65536))
        print(total, client.getpeername()[0]); client.shutdown(socket.SHUT_WR); print(client.recv(1))
    thread.join()
    datagrams = socket.socket(family, socket.SOCK_DGRAM); datagrams.bind((host, 0))
    datagrams.sendto(b'hello', datagrams.getsockname()); print(datagrams.recvfrom(10)[0])
print(socket.if_nameindex(), socket.getaddrinfo('localhost', 80)[0][0].name)
print(sum(1 for _ in open('/proc/net/tcp')))
END"""

GIT = """export HOME=/tmp GIT_CONFIG_NOSYSTEM=1; cd {at} && git init -q r && cd r && git config user.name n &&
git config user.email e@x && for i in 1 2 3 4 5; do echo $i >f$i && git add f$i && git commit -qm $i; done &&
git checkout -q -b other HEAD~2 && echo o >o && git add o && git commit -qm o && git merge -q -m m - &&
git gc -q && git fsck --no-progress && git log --oneline | wc -l"""

VOLUME = """cd /volume && mkdir -p a/b && echo x >a/b/f && ln -s f a/b/l && ln a/b/f a/b/h && mkfifo a/p &&
mv a/b/f a/b/g && chmod 600 a/b/g && touch -d 2001-01-01 a/b/g && truncate -s 100000 a/b/g && stat -f . >/dev/null &&
cp /usr/bin/bash a/copy && sync a/copy && cat a/b/l 2>/dev/null; cmp /usr/bin/bash a/copy && ls -lR . >/dev/null &&
dd if=/dev/zero of=big bs=64k count=64 status=none conv=fsync && tar cf t.tar a && rm -r a && tar xf t.tar && rm -r a big"""

ALL = [
    Workload("list_usr_share", "ls -R /usr/share | wc -l"),
    Workload("shell", "for i in $(seq 50); do (exit 0); x=$(echo $i | cat); done; yes | head -n 100000 | sort -u | wc -l"),
    Workload("python", f"[ ! -x /usr/bin/python3 ] || {PYTHON}"),
    Workload("network", f"[ ! -x /usr/bin/python3 ] || {NETWORK}", networked=True),
    Workload("git", "! command -v git >/dev/null || { " + GIT.format(at="/tmp") + "; }"),
    Workload("volume", VOLUME, volume=True),
    Workload("git_on_volume", "! command -v git >/dev/null || { " + GIT.format(at="/volume") + "; }", volume=True,
             full_only=True),
    Workload("signals", "sleep 1000 & kill -STOP $!; kill -CONT $!; kill $!; wait $!; "
                        "timeout 0.1 sleep 10; timeout 0.1 bash -c 'while :; do :; done'; true"),
    Workload("memory", "head -c 100000000 /dev/zero | tail -c 1 | wc -c; "
                       "x=$(head -c 5000000 /dev/zero | tr '\\0' a); echo ${#x}", full_only=True),
]
