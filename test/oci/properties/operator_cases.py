"""What an operator asks and sets: events, wait, why, doctor, the configuration file."""
import json
import os
import signal
import subprocess
import time

from cgroup_cases import with_room
from kinds import case
from stand import check, equal, until, warnings


def _started(stand, script, changes=None):
    ident, folder, outcome = stand.create(stand.ours, changes or {}, script)
    equal(outcome.code, 0, outcome.err)
    equal(stand.call(stand.ours, "start", ident).code, 0, "start")
    return ident, folder


def _why(stand, ident):
    outcome = stand.call(stand.ours, "why", "--format", "json", ident)
    equal(outcome.code, 0, outcome.err)
    return json.loads(outcome.out)


def _ended(stand, ident):
    until(lambda: json.loads(stand.call(stand.ours, "state", ident).out)["status"] == "stopped", 10, "stopped")


# --- events ---

def _shape(value):
    return {key: _shape(item) for key, item in value.items()} if isinstance(value, dict) else type(value).__name__


@case()
def events_stats_as_runc(stand):
    shapes, data = [], {}
    for side in (stand.ours, stand.oracle):
        ident, _, outcome = stand.create(side, {}, "sleep 100")
        equal(outcome.code, 0, outcome.err)
        equal(stand.call(side, "start", ident).code, 0, "start")
        said = stand.call(side, "events", "--stats", ident)
        equal((said.code, said.out.count("\n")), (0, 1), said.err)
        line = json.loads(said.out)
        equal((line["type"], line["id"]), ("stats", ident), "head")
        data[side.name] = line["data"]
        for part in ("raw", "cache"):  # there if they are not empty
            line["data"]["memory"].pop(part, None)
        for part in ("blkio", "hugetlb"):  # what the host did for each differs
            line["data"].pop(part)
        line["data"]["cpu"]["usage"].pop("percpu_kernel", None)
        line["data"]["cpu"]["usage"].pop("percpu_user", None)
        shapes.append(_shape(line))
        stand.drop(ident)
    equal(shapes[0], shapes[1], "shape")
    equal(data["ours"]["pids"]["current"], data["oracle"]["pids"]["current"], "processes: the guest's, not the sandbox's threads")


@case()
def events_go_on_until_the_end(stand):
    ident, _ = _started(stand, "sleep 100")
    with subprocess.Popen(stand.ours.command("events", "--interval", "200ms", ident), stdout=subprocess.PIPE, text=True) as events:
        lines = [json.loads(events.stdout.readline()) for _ in range(3)]
        equal({line["type"] for line in lines}, {"stats"}, "types")
        stand.call(stand.ours, "kill", ident, "KILL")
        equal(events.wait(10), 0, "code once the container has ended")
    outcome = stand.call(stand.ours, "events", ident)
    check(outcome.code == 1 and f"container with id {ident} is not running" in outcome.err, outcome.err)


@case()
def events_refuse(stand):
    ident, _ = _started(stand, "sleep 100")
    for words in (("--interval", "0s"), ("--interval", "soon"), ("--interval", "-1s")):
        outcome = stand.call(stand.ours, "events", *words, ident)
        check(outcome.code == 1 and "interval" in outcome.err and not outcome.out, f"{words}: {outcome}")
    check("does not exist" in stand.call(stand.ours, "events", "--stats", "none").err, "an unknown one")


# --- wait ---

@case()
def wait_for_the_end(stand):
    ident, _ = _started(stand, "sleep 1; exit 7")
    start = time.monotonic()
    equal(stand.call(stand.ours, "wait", ident).said(), (7, "7\n"), "while it runs")
    check(time.monotonic() - start > 0.3, "it did not wait")
    equal(stand.call(stand.ours, "wait", ident).said(), (7, "7\n"), "when it has stopped")
    outcome = stand.call(stand.ours, "wait", "none")
    check(outcome.code == 1 and "does not exist" in outcome.err, outcome.err)


@case()
def wait_of_a_deleted_one(stand):
    ident, _ = _started(stand, "sleep 100")
    with subprocess.Popen(stand.ours.command("wait", ident), stdout=subprocess.PIPE, text=True) as wait:
        time.sleep(0.3)
        stand.call(stand.ours, "delete", "--force", ident)
        equal((wait.stdout.read(), wait.wait(10)), ("137\n", 137), "killed by delete")


# --- why ---

@case()
def why_an_exit(stand):
    ident, _ = _started(stand, "exit 3")
    _ended(stand, ident)
    equal({key: _why(stand, ident)[key] for key in ("why", "exitCode", "signal")},
          {"why": "exited with code 3", "exitCode": 3, "signal": 0}, "of a stopped one")
    stand.drop(ident)
    equal(_why(stand, ident)["why"], "exited with code 3", "of a deleted one")


@case()
def why_a_kill(stand):
    for command, words in ((lambda i, f: stand.call(stand.ours, "kill", i, "KILL"), "killed by SIGKILL of the `kill` command"),
                           (lambda i, f: stand.call(stand.ours, "kill", "--all", i, "KILL"), "killed by SIGKILL of the `kill` command"),
                           (lambda i, f: os.kill(stand.pid(f), signal.SIGKILL), "its process on the host was killed by SIGKILL")):
        ident, folder = _started(stand, "sleep 100")
        command(ident, folder)
        _ended(stand, ident)
        answer = _why(stand, ident)
        equal((answer["why"], answer["exitCode"]), (words, 137), "why")


@case()
def why_a_signal_to_the_host_process(stand):
    ident, folder = _started(stand, "trap 'exit 5' TERM; while :; do sleep 0.1; done")
    time.sleep(0.3)
    os.kill(stand.pid(folder), signal.SIGTERM)
    _ended(stand, ident)
    answer = _why(stand, ident)["why"]
    check(answer.startswith("exited with code 5 after SIGTERM sent to its process on the host by "), answer)
    check(f"(pid {os.getpid()})" in answer, f"not by whom: {answer}")


@case()
def why_the_sandbox_died(stand):
    ident, folder = _started(stand, "sleep 100")
    for pid in stand.pids():
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                comm = file.read().strip()
            with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
                ours = ident in file.read()
        except OSError:
            continue
        if comm == "runsc-sandbox" and ours:
            os.kill(pid, signal.SIGKILL)
            break
    until(lambda: stand.call(stand.ours, "why", ident).code == 0, 10, "ended")
    equal(_why(stand, ident)["why"], "the sandbox's process was killed on the host", folder)
    equal(stand.call(stand.ours, "wait", ident).said(), (137, "137\n"), "wait")


@case()
def why_a_start_failed(stand):
    ident, folder, outcome = stand.create(stand.ours, {"/process/args": ["/no/such/program"]})
    equal(outcome.code, 1, "create")
    check("never started: unable to start container process" in _why(stand, ident)["why"], _why(stand, ident)["why"])
    ident, folder, outcome = stand.create(stand.ours, {}, "sleep 100")
    equal(outcome.code, 0, outcome.err)
    os.kill(stand.pid(folder), signal.SIGKILL)
    _ended(stand, ident)
    log = folder + "/start.json"
    outcome = stand.call(stand.ours, "start", ident, flags=("--log", log, "--log-format", "json"))
    equal(outcome.code, 1, "start")
    with open(log, encoding="utf-8") as file:
        last = json.loads(file.read().splitlines()[-1])
    check(last["level"] == "error" and "its process on the host was killed by SIGKILL" in last["msg"], last)


@case()
def why_refuses(stand):
    ident, _ = _started(stand, "sleep 100")
    outcome = stand.call(stand.ours, "why", ident)
    check(outcome.code == 1 and "has not ended: running" in outcome.err, outcome.err)
    outcome = stand.call(stand.ours, "why", "none")
    check(outcome.code == 1 and "no post-mortem" in outcome.err, outcome.err)
    for name in (".ended", ".sandboxes", "../etc/passwd"):
        equal(stand.call(stand.ours, "why", name).code, 1, name)
        equal(stand.call(stand.ours, "create", "--bundle", "/", name).code, 1, name)


# --- doctor ---

@case()
def doctor_runs_a_container(stand):
    before = set(os.listdir(stand.base))
    done = subprocess.run([stand.ours.path, "doctor", "--docker-socket=/none", "--containerd-socket=/none"], capture_output=True,
                          text=True, timeout=120, check=False, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": stand.base})
    check("ok    a container by runsc-cpp itself works" in done.stdout, done.stdout + done.stderr)
    equal(set(os.listdir(stand.base)), before, "what is left")
    lines = done.stdout.splitlines()
    equal(done.returncode, 1 if any(line.startswith("BAD") for line in lines) else 0, done.stdout)
    for number, line in enumerate(lines):
        if line.startswith("BAD"):
            check(lines[number + 1].startswith("      fix: "), f"no fix: {line}")


# --- The operator's configuration ---

def _configured(stand, config, script, annotations=None, mode=0o644, flags=()):
    """(outcome, warnings, root) of a container under that configuration."""
    ident, folder = stand.make(stand.ours, {"/annotations": annotations or {}, "/process/args": ["/bin/sh", "-c", script]})
    path, log = folder + "/operator.json", folder + "/log.json"
    with open(path, "w", encoding="utf-8") as file:
        file.write(config if isinstance(config, str) else json.dumps(config))
    os.chmod(path, mode)
    outcome = stand.call(stand.ours, "run", "--bundle", folder, ident, flags=("--config", path, "--log", log, "--log-format", "json", *flags))
    return outcome, warnings(log) if os.path.exists(log) else [], folder + "/rootfs"


@case()
def operator_overlay(stand):
    outcome, _, root = _configured(stand, {"overlay": True}, "echo x >/inside; cat /inside")
    equal(outcome.said(), (0, "x\n"), outcome.err)
    check(not os.path.exists(root + "/inside"), "written through")
    outcome, said, root = _configured(stand, {"overlay": True}, "echo x >/inside", {"dev.runsc-cpp.overlay": "false"})
    equal(outcome.code, 0, outcome.err)
    check(not os.path.exists(root + "/inside") and any("dev.runsc-cpp.overlay" in line for line in said), f"widened: {said}")
    outcome, _, root = _configured(stand, {"overlay": True}, "echo x >/inside", flags=("--overlay=false",))
    check(outcome.code == 0 and os.path.exists(root + "/inside"), f"the flag does not win: {outcome.err}")


@case()
def operator_annotations(stand):
    outcome, said, root = _configured(stand, {"annotations": []}, "echo x >/inside", {"dev.runsc-cpp.overlay": "true"})
    equal(outcome.code, 0, outcome.err)
    check(os.path.exists(root + "/inside") and any("not allowed by the operator" in line for line in said), f"{said}")


@case()
def operator_file_refused(stand):
    for config, mode, words in (({}, 0o666, "is not root's alone"), ({}, 0o664, "is not root's alone"),
                                ({"overlays": True}, 0o644, "is not known"), ({"overlay": 1}, 0o644, "must be true or false"),
                                ("{", 0o644, "operator.json")):
        outcome, _, _ = _configured(stand, config, "true", mode=mode)
        check(outcome.code == 1 and words in outcome.err, f"{config} {mode:o}: {outcome}")
    outcome = stand.call(stand.ours, "create", "--bundle", "/", "x", flags=("--config", "/no/such/file"))
    check(outcome.code == 1 and "/no/such/file" in outcome.err, outcome.err)
    # What runs can be ended all the same.
    equal(stand.call(stand.ours, "delete", "--force", "x", flags=("--config", "/no/such/file")).code, 0, "delete")


@case()
def operator_post_mortems(stand):
    folder = stand.base + "/post-mortems"
    ident, at = stand.make(stand.ours, {"/process/args": ["/bin/sh", "-c", "exit 4"]})
    with open(at + "/operator.json", "w", encoding="utf-8") as file:
        json.dump({"postMortems": folder}, file)
    flags = ("--config", at + "/operator.json")
    equal(stand.call(stand.ours, "run", "--bundle", at, ident, flags=flags).code, 4, "run")
    equal(os.listdir(folder), [ident], "kept there")
    check("exited with code 4" in stand.call(stand.ours, "why", ident, flags=flags).out, "found there")


@case()
def update_flags(stand):
    """As runc's, and room for the sandbox's own: sizes with units, -1 for none, what is no number refused in its words."""
    said = []
    for side in (stand.ours, stand.oracle):
        ident, _, outcome = stand.create(side, {}, "sleep 100")
        equal(outcome.code, 0, outcome.err)
        files = stand.cgroup_files(ident)
        answers = []
        for words in (("--memory", "64m", "--memory-swap", "-1"), ("--memory", "1.5GiB", "--pids-limit", "33", "--cpu-share", "100"),
                      ("--memory", "much"), ("--cpu-share", "-1"), ("--cpu-period", "1e5"), ("--kernel-memory", "1m")):
            outcome = stand.call(side, "update", *words, ident)
            answers.append((words, outcome.code != 0))
            for name in ("memory/memory.limit_in_bytes", "pids/pids.max", "cpu/cpu.shares"):
                with open(files[name.partition("/")[0]] + "/" + name.partition("/")[2], encoding="ascii") as file:
                    answers.append((name, with_room(name, file.read()) if side is stand.oracle else file.read()))
        said.append(answers)
        stand.drop(ident)
    equal(said[0], said[1], "as runc")


@case()
def why_out_of_memory(stand):
    """The victim, with its sizes, under the sandbox's own limit."""
    ident, _ = _started(stand, "awk 'BEGIN {s = \"0123456789\"; while (1) s = s s}' 2>/dev/null; exit 6",
                        {"/annotations": {"dev.runsc-cpp.memory": str(64 << 20)}})
    _ended(stand, ident)
    answer = _why(stand, ident)
    check(answer["why"].startswith("exited with code 6; out of memory: killed process "), answer)
    victim = answer["oomVictims"][0]
    equal((victim["command"], victim["limitBytes"]), ("awk", 64 << 20), "victim")
    check(16 << 20 < victim["residentBytes"] < 80 << 20, f"{victim}")


@case()
def why_it_never_started(stand):
    ident, _, outcome = stand.create(stand.ours, {}, "true")
    equal(outcome.code, 0, outcome.err)
    equal(stand.call(stand.ours, "delete", ident).code, 0, "delete")
    equal(_why(stand, ident)["why"], "never started: it was deleted first", "why")


@case()
def checkpoint_not_yet(stand):
    for words in (("checkpoint", "--image-path", "/x", "--work-path", "/y", "--leave-running", "--tcp-skip-in-flight"),
                  ("restore", "-d", "-b", "/x", "--image-path", "/x", "--pid-file", "/p", "--tcp-close")):
        outcome = stand.call(stand.ours, *words, "box")
        check(outcome.code == 1 and "not yet" in outcome.err, f"{words}: {outcome}")


@case()
def features_of_cgroups(stand):
    found = json.loads(stand.call(stand.ours, "features").out)["linux"]["cgroup"]
    equal(found, {"v1": True, "v2": True, "systemd": True, "systemdUser": True, "rdma": True}, "cgroup")
