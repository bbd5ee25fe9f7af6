"""Networks of Docker's: bridge, published ports, names, shared namespaces."""
import subject
import suite
from suite import check, equal, until

CASES = suite.Cases()
IMAGE = subject.IMAGE
SERVE = ("sh", "-c", "mkdir -p /www; echo served >/www/index.html; exec python3 -m http.server -d /www 80")
FETCH = ("import sys, urllib.request\n"
         "sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=5).read())")
# Answers each caller with its first argument.
GREET = ("import socket, sys\n"
         "s = socket.create_server((sys.argv[2], int(sys.argv[3])))\n"
         "while True:\n c = s.accept()[0]; c.sendall(sys.argv[1].encode()); c.close()")
HEAR = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).makefile().read())"


def _serve(docker, name="box", *words, network="bridge"):
    return docker.start(name, *words, image=docker.debian(), command=SERVE, network=network)


def _fetch(docker, url, *words):
    """What a new container gets; None for an error."""
    out = docker.run("--rm", *words, docker.debian(), "python3", "-c", FETCH, url, code=None)
    return out if docker.last_code == 0 else None


def _fetch_in(docker, name, url):
    out = docker("exec", name, "python3", "-c", FETCH, url, code=None)
    return out if docker.last_code == 0 else None


def _fetch_by_host(docker, url):
    return docker.house.run(["/usr/bin/python3", "-c", FETCH, url]).stdout


@CASES.case()
def no_network(docker):
    equal(docker.once(IMAGE, "sh", "-c", "ls /sys/class/net; ip -o link | wc -l").split()[-1], "1", "interfaces")


@CASES.case()
def bridge(docker):
    with docker.server("/usr/bin/python3", "-c", GREET, "hello", "0.0.0.0", "8111"):
        until(lambda: docker.house.run(["/usr/bin/python3", "-c", HEAR, "127.0.0.1", "8111"]).returncode == 0, 10, "the server")
        out = docker.run("--rm", docker.debian(), "sh", "-c", f"ip -4 -o addr show eth0; ip route; python3 -c '{HEAR}' 172.17.0.1 8111")
    check("172.17.0." in out and "default via 172.17.0.1" in out and "hello" in out, out)


@CASES.case()
def published_port(docker):
    _serve(docker, "box", "-p", "127.0.0.1:8099:80")
    until(lambda: _fetch_by_host(docker, "http://127.0.0.1:8099/") == "served\n", 20, "an answer at the port")
    equal(docker("port", "box", "80"), "127.0.0.1:8099\n", "docker port")


@CASES.case()
def between_containers(docker):
    _serve(docker)
    address = docker.inspect("box")["NetworkSettings"]["IPAddress"]
    until(lambda: _fetch(docker, f"http://{address}/") == "served\n", 20, lambda: docker.stderr)


@CASES.case()
def names_of_a_network(docker):
    docker("network", "create", "named")
    _serve(docker, "box", "--network-alias", "alias", network="named")
    other = docker.start("other", image=docker.debian(), network="named")
    for host in ("box", "alias"):
        until(lambda host=host: _fetch_in(docker, other, f"http://{host}/") == "served\n", 20, lambda: docker.stderr)
    check("127.0.0.11" in docker("exec", other, "cat", "/etc/resolv.conf"), "not Docker's resolver")
    check(_fetch_in(docker, other, "http://no-such-name/") is None, "a name that is not there")


@CASES.case()
def network_of_another(docker):
    _serve(docker)
    until(lambda: _fetch(docker, "http://127.0.0.1/", "--network", "container:box") == "served\n", 20, lambda: docker.stderr)
    out = docker.run("--rm", "--network", "container:box", IMAGE, "ip", "-4", "-o", "addr", "show", "eth0")
    check(docker.inspect("box")["NetworkSettings"]["IPAddress"] in out, out)


@CASES.case()
def host_network(docker):
    with docker.server("/usr/bin/python3", "-c", GREET, "host", "127.0.0.1", "8112"):
        until(lambda: docker.house.run(["/usr/bin/python3", "-c", HEAR, "127.0.0.1", "8112"]).returncode == 0, 10, "the server")
        equal(docker.run("--rm", "--network", "host", docker.debian(), "python3", "-c", HEAR, "127.0.0.1", "8112"), "host\n", "an answer")
    check("172.17.0.1" in docker.script("ip -4 -o addr show docker0"), "docker0 has lost its address")


@CASES.case()
def datagrams(docker):
    hear = "import socket; s = socket.socket(2, 2); s.bind(('', 9000)); print(s.recv(100).decode(), flush=True)"
    send = "import socket, sys; socket.socket(2, 2).sendto(b'datagram', (sys.argv[1], 9000))"
    name = docker.start("box", image=docker.debian(), command=("python3", "-c", hear), network="bridge")
    address = docker.inspect(name)["NetworkSettings"]["IPAddress"]
    until(lambda: docker.run("--rm", docker.debian(), "python3", "-c", send, address) == ""
          and docker("logs", name) == "datagram\n", 20, "the datagram")


@CASES.case()
def two_networks(docker):
    docker("network", "create", "one")
    docker("network", "create", "two")
    docker("create", "--runtime", subject.NAME, "--name", "box", "--network", "one", IMAGE, "sleep", "1000")
    docker("network", "connect", "two", "box")
    docker("start", "box")
    equal(docker("exec", "box", "sh", "-c", "ip -o link | grep -c eth"), "2\n", "interfaces")


@CASES.case("full")
def connect_while_running(docker):
    docker("network", "create", "one")
    docker("network", "create", "two")
    name = docker.start("box", image=docker.debian(), network="one")
    _serve(docker, "server", network="two")
    docker("network", "connect", "two", name)
    until(lambda: _fetch_in(docker, name, "http://server/") == "served\n", 20, lambda: docker.stderr)
    docker("network", "disconnect", "two", name)
    check(_fetch_in(docker, name, "http://server/") is None, "still connected")


@CASES.case("full")
def much_data(docker):
    docker.start("box", "-p", "127.0.0.1:8098:80", network="bridge", image=docker.debian(), command=(
        "sh", "-c", "mkdir /www; head -c 100000000 /dev/zero >/www/big; exec python3 -m http.server -d /www 80"))
    count = FETCH.replace("sys.stdout.buffer.write(", "print(len(")+")"
    until(lambda: docker.house.run(["/usr/bin/python3", "-c", count, "http://127.0.0.1:8098/big"]).stdout == "100000000\n", 60,
          "100 MB through a published port")
