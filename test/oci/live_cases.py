"""podman, buildah and ctr with the runtime itself: what recordings can't show is that the engine is content."""
import clients
import house
import suite
from suite import check, equal, until

CASES = suite.Cases()


def _expect(client, code, *words, out=None, **options):
    got = client(*words, **options)
    if client.last.returncode != code:
        raise suite.Failure(f"{' '.join(words)}: code {client.last.returncode}, not {code}: {got}{client.last.stderr}")
    if out is not None:
        equal(got, out, " ".join(words))
    return got


def _left(place, expected=()):
    left = place.leftovers(expected, ("process",))  # podman and buildah keep mounts of their own
    check(not left, f"left behind: {left}")


@CASES.case()
def podman(runtime):
    with house.House("pod") as place:
        engine = clients.Podman(place, runtime)
        group = f"--cgroup-parent=/{place.cgroup}"
        _expect(engine, 7, "run", "--rm", group, "img:1", "sh", "-c", "echo out; exit 7", out="out\n")
        _expect(engine, 127, "run", "--rm", group, "img:1", "/no/such/program")
        _expect(engine, 126, "run", "--rm", group, "img:1", "/etc/not-a-program")
        _expect(engine, 0, "run", "--rm", "-i", group, "img:1", "cat", data="typed\n", out="typed\n")
        _expect(engine, 0, "run", "-d", "--name", "box", group, "img:1", "sleep", "1000")
        _expect(engine, 0, "exec", "box", "echo", "hi", out="hi\n")
        _expect(engine, 9, "exec", "box", "sh", "-c", "exit 9")
        _expect(engine, 127, "exec", "box", "/no/such/program")
        code, shown = engine.terminal("exec", "-it", "box", "sh", typed=["stty size\n", "exit 4\n"])
        check(code == 4 and "24 80" in shown, f"{code} {shown}")
        _expect(engine, 0, "pause", "box")
        check("paused" in engine("inspect", "-f", "{{.State.Status}}", "box"), "not paused")
        _expect(engine, 0, "unpause", "box")
        _expect(engine, 0, "stop", "-t", "1", "box")
        _expect(engine, 0, "start", "box")
        _expect(engine, 0, "rm", "-f", "-t", "0", "box")
        _left(place)


@CASES.case()
def podman_pod(runtime):
    with house.House("pod") as place:
        engine = clients.Podman(place, runtime)
        _expect(engine, 0, "pod", "create", "--name", "p", "--infra-image", "img:1", "--infra-command", "/bin/sleep 1000", "--network",
                "none", f"--cgroup-parent=/{place.cgroup}")
        _expect(engine, 0, "run", "-d", "--pod", "p", "--name", "one", "img:1", "sleep", "1000")
        _expect(engine, 0, "run", "--rm", "--pod", "p", "img:1", "hostname", out="p\n")
        _expect(engine, 0, "pod", "rm", "-f", "-t", "0", "p")
        _left(place)


@CASES.case()
def buildah(runtime):
    with house.House("bld") as place:
        engine = clients.Buildah(place, runtime)
        name = _expect(engine, 0, "from", "img:1").strip()
        _expect(engine, 0, "run", name, "sh", "-c", "echo hi; echo kept >/kept", out="hi\n")
        _expect(engine, 6, "run", name, "sh", "-c", "cat /kept; exit 6", out="kept\n")
        code, shown = engine.terminal("run", "-t", name, "sh", typed=["stty size\n", "exit 3\n"])
        check(code == 3, f"{code} {shown}")
        engine.build("FROM img:1\nRUN echo one >/one\nRUN cat /one | grep one\n")
        equal(engine.last.returncode, 0, engine.last.stderr)
        _left(place)


@CASES.case()
def ctr(runtime):
    with house.House("ctr") as place:
        engine = clients.Ctr(place)
        ours = ("--runc-binary", runtime, "--cgroup", f"/{place.cgroup}/box")
        _expect(engine, 5, "run", "--rm", *ours, "img:1", "box", "sh", "-c", "echo out; exit 5", out="out\n")
        _expect(engine, 0, "run", "-d", *ours, "img:1", "box", "sleep", "1000")
        _expect(engine, 0, "task", "exec", "--exec-id", "e", "box", "echo", "hi", out="hi\n")
        check(len(_expect(engine, 0, "task", "ps", "box").splitlines()) == 2, "processes")
        _expect(engine, 0, "task", "metrics", "box")
        _expect(engine, 0, "task", "pause", "box")
        _expect(engine, 0, "task", "resume", "box")
        _expect(engine, 0, "task", "kill", "-s", "KILL", "box")
        until(lambda: "STOPPED" in engine("task", "ls"), 10, "stopped")
        engine("task", "delete", "box")  # ends with the task's own code
        _expect(engine, 0, "container", "delete", "box")
        _left(place, ("containerd -c",))


@CASES.case()
def installed_shim(runtime):
    """What `install` writes and links is what containerd finds; taken out again, nothing is left of it."""
    with house.House("shm") as place:
        config, folder = place.base + "/installed.toml", place.base + "/bin"
        place.run(["mkdir", folder])
        words = [runtime, "install", f"--containerd={config}", f"--shim={folder}"]
        done = place.run([*words, "--dry-run"])
        check(done.returncode == 0 and "would be" in done.stdout, done.stdout + done.stderr)
        equal(place.run(["ls", folder]).stdout, "", "made by a dry run")
        equal(place.run(words).returncode, 0, "install")
        check('runtime_type = "io.containerd.runsc-cpp.v1"' in place.run(["cat", config]).stdout, "the configuration")
        place.path = folder + ":" + place.path
        engine = clients.Ctr(place)
        ours = ("--runtime", "io.containerd.runsc-cpp.v1", "--cgroup", f"/{place.cgroup}/box")
        _expect(engine, 5, "run", "--rm", *ours, "img:1", "box", "sh", "-c", "echo out; exit 5", out="out\n")
        equal(place.run([*words, "--uninstall"]).returncode, 0, "uninstall")
        equal(place.run(["ls", folder]).stdout, "", "link")
        _left(place, ("containerd -c",))


@CASES.case()
def doctor_podman(runtime):
    """A podman that has been used here gets a container by the doctor, and keeps nothing of it."""
    with house.House("doc") as place:
        place.run(["mkdir", "-p", "/var/lib/containers/storage"])  # the house's own
        done = place.run([runtime, "doctor", "--docker-socket=/none", "--containerd-socket=/none"], 120)
        check("ok    a container by podman works" in done.stdout, done.stdout + done.stderr)
        equal(place.run(["podman", "ps", "-aq"]).stdout, "", "containers")
        _left(place)
