"""linux.namespaces: new ones, those of other containers by path, the host's left out."""
import os
import subprocess

from kinds import case, check_refused, refused, same
from mount_cases import mounts
from stand import BASE, SPACES, check, equal, warnings

same("namespaces_new", {}, "ls /proc | grep -c '^[0-9]*$' | sed 's/[2-4]/few/'; cat /proc/net/dev | wc -l; hostname x 2>/dev/null; wc -l </proc/sysvipc/shm")
refused("namespace_twice", {"/linux/namespaces": [{"type": "pid"}, {"type": "pid"}]}, "linux.namespaces[1].type", '"pid"', "twice")
refused("namespace_time", {"/linux/namespaces": [{"type": "time"}]}, "linux.namespaces[0]", "time")
refused("namespace_unknown", {"/linux/namespaces": [{"type": "planet"}]}, "linux.namespaces[0].type", '"planet"', "pid")
refused("namespace_relative", {"/linux/namespaces": [{"type": "ipc", "path": "proc/1/ns/ipc"}]}, "linux.namespaces[0].path", "absolute")
refused("namespace_gone", {"/linux/namespaces": [{"type": "network", "path": "/no/such/netns"}]}, "/no/such/netns")
refused("namespace_not_one", {"/linux/namespaces": [{"type": "network", "path": "/etc/passwd"}]}, "/etc/passwd")


def spaces(**paths):
    return {"/linux/namespaces": [{"type": name, **({"path": paths[name]} if name in paths else {})} for name in SPACES]}


def _script(ident, stand, folder, script, **paths):
    return stand.run(stand.ours, spaces(**{name: f"/proc/{stand.pid(folder)}/ns/{word}" for name, word in paths.items()}), script)


def _first(stand, script="hostname first; touch /dev/shm/x; exec sleep 987"):
    caps = {name: ["CAP_SYS_ADMIN"] for name in ("bounding", "effective", "permitted")}
    ident, folder, outcome = stand.create(stand.ours, {"/process/capabilities": caps, "/hostname": "zero"}, script)
    equal(outcome.code, 0, outcome.err)
    equal(stand.call(stand.ours, "start", ident).code, 0, "start")
    return ident, folder


@case()
def namespace_pid_of_container(stand):
    ident, folder = _first(stand)
    seen = _script(ident, stand, folder, "grep -l '^sleep' /proc/[0-9]*/cmdline; echo $$", pid="pid")
    equal(seen.out, "/proc/1/cmdline\n" + seen.out.splitlines()[-1] + "\n", seen.err)
    check(seen.out.splitlines()[-1] != "1", f"a first process of its own: {seen.out}")
    seen = _script(ident, stand, folder, "echo $$", network="net")
    equal(seen.out, "1\n", f"{seen.err}; pid in a namespace of its own")


@case()
def namespace_uts_of_container(stand):
    ident, folder = _first(stand)
    equal(_script(ident, stand, folder, "hostname", uts="uts").out, "first\n", "shared")
    own = _script(ident, stand, folder, "hostname", pid="pid").out
    check(own != "first\n", "not shared, and yet the same")


@case()
def namespace_ipc_of_container(stand):
    """Message queues and their sysctls, by the mount that create makes: an exec's, and who joins."""
    queues = mounts({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"})
    ident, folder, outcome = stand.create(stand.ours, {**queues, "/linux/sysctl": {"fs.mqueue.msg_max": "7"}},
                                          "touch /dev/mqueue/q; exec sleep 987")
    equal(outcome.code, 0, outcome.err)
    equal(stand.call(stand.ours, "start", ident).code, 0, "start")
    look = "ls /dev/mqueue; cat /proc/sys/fs/mqueue/msg_max"
    wait = "until test -e /dev/mqueue/q; do sleep 0.05; done; "
    equal(stand.call(stand.ours, "exec", ident, "/bin/sh", "-c", wait + look).out, "q\n7\n", "an exec's")
    at = f"/proc/{stand.pid(folder)}/ns/"
    seen = stand.run(stand.ours, {**queues, **spaces(ipc=at + "ipc")}, wait + look)
    equal(seen.out, "q\n7\n", f"shared: {seen.err}")
    seen = stand.run(stand.ours, {**queues, **spaces(pid=at + "pid")}, look)
    equal(seen.out, "10\n", f"its own in the same sandbox: {seen.err}")
    stand.drop(ident)


@case()
def namespace_network_of_container(stand):
    ident, folder = _first(stand)
    other, at, outcome = stand.create(stand.ours, spaces(network=f"/proc/{stand.pid(folder)}/ns/net"), "sleep 100")
    equal(outcome.code, 0, outcome.err)
    equal(os.readlink(f"/proc/{stand.pid(at)}/ns/net"), os.readlink(f"/proc/{stand.pid(folder)}/ns/net"), "network of the anchors")
    stand.drop(ident)
    equal(stand.call(stand.ours, "state", other).code, 0, "state once the first is gone")


@case()
def namespace_network_by_file(stand):
    """As CNI gives it: the anchor is in it, a new one is not the host's."""
    path = stand.base + "/netns"
    with open(path, "w", encoding="ascii"):
        pass
    subprocess.run(["unshare", f"--net={path}", "true"], check=True)
    try:
        ident, folder, outcome = stand.create(stand.ours, spaces(network=path), "sleep 100")
        equal(outcome.code, 0, outcome.err)
        equal(os.stat(f"/proc/{stand.pid(folder)}/ns/net").st_ino, os.stat(path).st_ino, "network of the anchor")
        stand.drop(ident)
    finally:
        subprocess.run(["umount", path], check=True)
        os.unlink(path)


@case()
def namespace_network_differs(stand):
    """A sandbox has one network: another one's path is refused, and a wish for a new one is answered with a warning."""
    ident, folder = _first(stand)
    path = stand.base + "/netns"
    with open(path, "w", encoding="ascii"):
        pass
    subprocess.run(["unshare", f"--net={path}", "true"], check=True)
    try:
        pid = f"/proc/{stand.pid(folder)}/ns/pid"
        _, _, outcome = stand.create(stand.ours, spaces(pid=pid, network=path), "sleep 100")
        check(outcome.code != 0 and path in outcome.err and "allowed is that one's" in outcome.err, outcome.err)
        other, at, outcome = stand.create(stand.ours, spaces(pid=pid), "sleep 100")
        equal(outcome.code, 0, outcome.err)
        check(any("the network of the sandbox" in line for line in warnings(at + "/log.json")), "a warning")
        stand.drop(other)
        stand.drop(ident)
    finally:
        subprocess.run(["umount", path], check=True)
        os.unlink(path)


@case()
def namespace_left_out(stand):
    """Never the host's: one for the sandbox, with a warning that says so."""
    ident, folder, outcome = stand.create(stand.ours, {"/linux/namespaces": [{"type": "mount"}, {"type": "network"}]},
                                          "hostname; ls /proc | grep -c '^[0-9]*$'; sleep 100")
    equal(outcome.code, 0, outcome.err)
    said = warnings(folder + "/log.json")
    for name in ("pid", "ipc", "uts"):
        check(any(f"no {name} namespace" in line for line in said), f"no warning about {name}: {said}")
    seen = stand.run(stand.ours, {"/linux/namespaces": [{"type": "mount"}, {"type": "network"}]}, "ls /proc | grep -c '^[0-9]*$'")
    check(0 < int(seen.out) < 6, f"{seen.out} processes: the host's?")
    stand.drop(ident)


@case()
def namespace_network_of_caller(stand):
    """Without an entry the anchor stays in the caller's network, as runc's process does."""
    names = [{"type": name} for name in SPACES if name != "network"]
    ident, folder, outcome = stand.create(stand.ours, {"/linux/namespaces": names}, "sleep 100")
    equal(outcome.code, 0, outcome.err)
    equal(os.readlink(f"/proc/{stand.pid(folder)}/ns/net"), os.readlink("/proc/self/ns/net"), "network")
    stand.drop(ident)


@case()
def pod_by_annotation(stand):
    """CRI's: one sandbox, each its root; the last one ends it."""
    first, _, outcome = stand.create(stand.ours, {"/annotations": {"io.kubernetes.cri.container-type": "sandbox"}}, "sleep 100")
    equal(outcome.code, 0, outcome.err)
    stand.call(stand.ours, "start", first)
    member = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": first}
    seen = stand.run(stand.ours, {"/annotations": member}, "echo $$; touch /mine; ls / | grep -c mine")
    equal(seen.said(), (0, "1\n1\n"), seen.err)
    check_refused(stand, {"/annotations": {**member, "io.kubernetes.cri.sandbox-id": "no-such-sandbox"}}, ("no-such-sandbox",))
    equal(len(BASE["linux"]["namespaces"]), 5, "the base has been changed")
