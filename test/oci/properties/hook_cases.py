"""hooks.*: order, place, what they are given, and what their failure does."""
import json
import os
import signal
import subprocess
import time

from kinds import case, same
from stand import Failure, check, equal

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
ON_HOST = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
# Each writes a line and the state it was given. startContainer's lies in the image and so does what it writes.
SCRIPT = """#!/bin/sh
echo "{kind} $* $A $(pwd -P | wc -c)" >>{place}/order
cat >{place}/{kind}.state
{more}
"""


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o755)


def _hooks(stand, side, more=None, timeout=None):
    """(id, bundle) with all six hooks; more: {kind: what its script does at the end}."""
    hooks = {}
    for kind in KINDS:
        path = f"/{kind}.sh" if kind == "startContainer" else f"$BUNDLE/{kind}.sh"
        hooks[kind] = [{"path": path, "args": [kind, "one", "two words"], "env": ["A=b", "PATH=/bin:/usr/bin"],
                        "timeout": timeout if timeout and kind in more else 20}]
    ident, folder = stand.make(side, {"/hooks": hooks, "/process/args": ["/bin/sleep", "100"]})
    for kind in KINDS:
        inside = kind == "startContainer"
        text = SCRIPT.format(kind=kind, place="/tmp" if inside else folder, more=(more or {}).get(kind, ""))
        _write(f"{folder}/rootfs/{kind}.sh" if inside else f"{folder}/{kind}.sh", text)
    return ident, folder


def _order(folder):
    """What has run, startContainer's included, by time."""
    found = []
    for path in (folder + "/order", folder + "/rootfs/tmp/order"):
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                found += [line.rsplit(None, 1)[0] for line in file]
    return found


def _states(folder, ident):
    found = {}
    for kind in KINDS:
        path = f"{folder}/rootfs/tmp/{kind}.state" if kind == "startContainer" else f"{folder}/{kind}.state"
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                state = json.load(file)
            found[kind] = (state["status"], state.get("pid", 0) > 0, state["id"] == ident, state["bundle"] == folder,
                           state["ociVersion"][:2])
    return found


def _life(stand, side, more=None, timeout=None):
    """What each step of a life gives, with the hooks that had run after it."""
    ident, folder = _hooks(stand, side, more, timeout)
    log = folder + "/log.json"
    steps = []
    for words in (["create", "--bundle", folder, ident], ["start", ident], ["delete", "--force", ident]):
        # A container of `create` keeps the streams: none are given.
        code = os.spawnvp(os.P_WAIT, "/bin/sh", ["sh", "-c", 'exec "$@" >/dev/null 2>&1 </dev/null', "sh",
                                                 *side.command("--log", log, "--log-format", "json", *words)])
        steps.append((words[0], code, _order(folder)))
    states = _states(folder, ident)
    stand.drop(ident)
    return steps, states


# By runtime-spec 1.2's lifecycle. runc 1.1 is no oracle here: it runs poststart within create.
AT = {"prestart": "create", "createRuntime": "create", "createContainer": "create", "startContainer": "start", "poststart": "start",
      "poststop": "delete"}


def _wanted(failing="poststop"):
    """(codes of create, start, delete; hooks by the end of create; all hooks). poststop's failure is only logged."""
    ran = [kind for kind in KINDS if KINDS.index(kind) <= KINDS.index(failing)]
    broken = None if failing == "poststop" else AT[failing]
    codes = [int(broken == "create"), int(broken in ("create", "start")), 0]
    early = [kind for kind in ran if AT[kind] == "create"] + (["poststop"] if broken == "create" else [])
    return codes, early, [kind for kind in ran if kind != "poststop"] + ["poststop"]


def _told(steps):
    kinds = [[line.split()[0] for line in lines] for _, _, lines in steps]
    return [code for _, code, _ in steps], sorted(kinds[0], key=KINDS.index), sorted(kinds[2], key=KINDS.index)


@case()
def hooks_life(stand):
    steps, states = _life(stand, stand.ours)
    equal(_told(steps), _wanted(), "codes, hooks by create, all hooks")
    equal(sorted(steps[-1][2]), sorted(f"{kind} one two words b" for kind in KINDS), "arguments and environment")
    status = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating", "startContainer": "created",
              "poststart": "running", "poststop": "stopped"}
    for kind in KINDS:
        equal(states[kind], (status[kind], kind != "poststop", True, True, "1."), f"state given to {kind}")


def _failing(kind):
    def function(stand):
        steps, _ = _life(stand, stand.ours, {kind: "echo broken >&2; exit 3"})
        equal(_told(steps), _wanted(kind), "codes, hooks by create, all hooks")
    function.__name__ = "hook_fails_" + kind
    return function


def _late(kind):
    def function(stand):
        begin = time.monotonic()
        ours, _ = _life(stand, stand.ours, {kind: "exec sleep 25"}, timeout=1)
        check(time.monotonic() - begin < 20, "the timeout of one second was not kept")
        equal(_told(ours), _wanted(kind), "codes, hooks by create, all hooks")
    function.__name__ = "hook_timeout_" + kind
    return function


for _kind in KINDS:
    case()(_failing(_kind))
    case("ci" if _kind in ("prestart", "poststop") else "full")(_late(_kind))


@case()
def hook_order_of_several(stand):
    """Those of one kind run in their order; after a failure none."""
    ident, folder = stand.make(stand.ours, {"/hooks": {"prestart": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"echo {number} >>$BUNDLE/order; exit {int(number == 3)}"]}
        for number in (1, 2, 3, 4)]}})
    equal(stand.create_at(stand.ours, ident, folder).code, 1, "code of create")
    with open(folder + "/order", encoding="ascii") as file:
        equal(file.read().split(), ["1", "2", "3"], "hooks that ran")


@case()
def hook_not_inside(stand):
    """startContainer's path is looked up in the image: a program of the host is no program."""
    ident, folder = stand.make(stand.ours, {"/hooks": {"startContainer": [{"path": "$BUNDLE/host.sh"}]},
                                            "/process/args": ["/bin/true"]})
    _write(folder + "/host.sh", f"#!/bin/sh\ntouch {folder}/ran\n")
    done = stand.call(stand.ours, "run", "--bundle", folder, ident)
    check(done.code == 1 and not os.path.exists(folder + "/ran"), f"code {done.code}: {done.err}")


@case()
def hook_namespaces(stand):
    """createRuntime in the host's network, createContainer in the container's."""
    show = "readlink /proc/self/ns/net >$BUNDLE/"
    ident, folder = stand.make(stand.ours, {"/hooks": {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", show + kind], "env": ["PATH=/bin:/usr/bin"]}]
        for kind in ("createRuntime", "createContainer")}})
    done = stand.create_at(stand.ours, ident, folder)
    equal(done.code, 0, done.err)
    found = {}
    for kind in ("createRuntime", "createContainer"):
        check(os.path.exists(f"{folder}/{kind}"), f"{kind} has not run")
        with open(f"{folder}/{kind}", encoding="ascii") as file:
            found[kind] = file.read().strip()
    equal(found["createRuntime"], os.readlink("/proc/self/ns/net"), "createRuntime")
    equal(found["createContainer"], os.readlink(f"/proc/{stand.pid(folder)}/ns/net"), "createContainer")


# Those of createContainer start in the directory of the root.
MOUNTS = "mkdir mnt && mount -t tmpfs -o size=1m hooked mnt && echo mounted >mnt/file"
same("hook_mount_seen", {"/hooks": {"createContainer": [
    {"path": "/bin/sh", "args": ["sh", "-c", MOUNTS], "env": ["PATH=/bin:/usr/bin:/sbin"]}]}}, "cat /mnt/file")

# Beside the container's process, which is there; with its user, rights and working directory, and no variable but the hook's.
INSIDE = """{ id -u; id -g; pwd; env | grep -v -e SHLVL -e PWD; grep -e NoNewPrivs -e CapEff /proc/self/status
[ $$ != 1 ] && [ -e /proc/1 ] && echo beside; grep -o '"pid":1,' ; } >/tmp/seen"""
same("hook_start_inside", {"/hooks": {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", INSIDE], "env": ["PATH=/bin", "A=b"]}]},
                           "/process/user": {"uid": 7, "gid": 8}, "/process/cwd": "/etc", "/process/noNewPrivileges": True,
                           "/process/env": ["PATH=/bin", "NOT=seen"]}, "cat /tmp/seen", files={"/tmp/seen": (0o666, "")})


def _until(true):
    for _ in range(500):
        if true():
            return
        time.sleep(0.02)
    raise Failure("not within ten seconds")


def _killed_while_hook_runs(stand, kill):
    ident, folder = stand.make(stand.ours, {"/process/args": ["/bin/touch", "/ran"], "/hooks": {"startContainer": [
        {"path": "/bin/sh", "args": ["sh", "-c", "echo on >/began; exec sleep 100"], "env": ["PATH=/bin"]}]}})
    equal(stand.create_at(stand.ours, ident, folder).code, 0, "code of create")
    with subprocess.Popen(stand.ours.command("start", ident), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as start:
        _until(lambda: os.path.exists(folder + "/rootfs/began"))
        equal(json.loads(stand.call(stand.ours, "state", ident).out)["status"], "created", "status meanwhile")
        kill(ident, folder)
        equal(start.wait(20), 1, "code of start")
    check(not os.path.exists(folder + "/rootfs/ran"), "the process has run")


@case()
def hook_start_killed(stand):
    """A container that is killed while its startContainer hook runs: no start, nothing is left."""
    def kill(ident, folder):
        os.kill(stand.pid(folder), signal.SIGKILL)
        _until(lambda: json.loads(stand.call(stand.ours, "state", ident).out)["status"] == "stopped")
        equal(stand.call(stand.ours, "delete", ident).code, 0, "code of delete")
    _killed_while_hook_runs(stand, kill)


@case()
def hook_start_deleted(stand):
    _killed_while_hook_runs(stand, lambda ident, _: equal(stand.call(stand.ours, "delete", "--force", ident).code, 0, "code of delete"))


@case()
def hook_starter_killed(stand):
    """One whose starter is killed meanwhile can be started again."""
    more = "if [ -e /began ]; then exit 0; fi; echo on >/began; exec sleep 100"
    ident, folder = stand.make(stand.ours, {"/process/args": ["/bin/touch", "/ran"], "/hooks": {"startContainer": [
        {"path": "/bin/sh", "args": ["sh", "-c", more], "env": ["PATH=/bin"]}]}})
    equal(stand.create_at(stand.ours, ident, folder).code, 0, "code of create")
    with subprocess.Popen(stand.ours.command("start", ident), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as start:
        _until(lambda: os.path.exists(folder + "/rootfs/began"))
        start.kill()
    equal(stand.call(stand.ours, "start", ident).code, 0, "code of the second start")
    _until(lambda: os.path.exists(folder + "/rootfs/ran"))
    stand.drop(ident)


@case()
def hook_no_program(stand):
    for kind in ON_HOST[:3]:
        ident, folder = stand.make(stand.ours, {"/hooks": {kind: [{"path": "/no/such/hook"}]}})
        done = stand.create_at(stand.ours, ident, folder)
        check(done.code == 1 and "/no/such/hook" in done.err and "no such file" in done.err, f"{kind}: {done.code} {done.err}")
        stand.drop(ident)
