"""What callers read of a command's answers, compared with what runc answered."""
import json
import os
import re

PREFIX = re.compile(r"^(runc|runsc-cpp) \w+ failed: ")
STATE_KEYS = ("ociVersion", "id", "status", "pid", "bundle")


def judge(running, call, processes):
    """Findings, as words."""
    found = []
    name = running.command or " ".join(call["argv"])
    if running.code != call["exit"]:
        said = "; ".join(running.log_lines()[-2:] + [text.strip()[-300:] for text in running.output() if text.strip()])
        return [f"{name}: exit code {running.code}, not {call['exit']}: {said}"]
    if running.console and running.console.error and running.code == 0:
        found.append(f"{name}: {running.console.error}")
    if running.command in ("create", "exec") and running.code == 0:
        found += [f"{name}: descriptor {number} is kept open by what it started" for number in running.kept_open()]
    found += [f"{name}: {words}" for words in _pid_file(running, call)]
    found += [f"{name}: {words}" for words in _messages(running, call)]
    if running.command in ANSWERS and running.code == 0:
        found += [f"{name}: {words}" for words in ANSWERS[running.command](running, call, processes)]
    if running.command == "create" and running.code == 0:
        found += _hooks(running)
    return found


def _pid_file(running, call):
    if "pid_file" not in call or running.code != 0:
        return []
    if not os.path.exists(running.pid_path):
        return ["no pid file"]
    with open(running.pid_path, encoding="ascii") as file:
        text = file.read()
    if not re.fullmatch(r"[1-9]\d*", text):  # Go's Atoi takes no line end
        return [f"pid file holds {text!r}"]
    try:
        with open(f"/proc/{text}/stat", encoding="utf-8") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
    except FileNotFoundError:
        return [f"process {text} of the pid file is gone before its caller waited for it"]
    if parent != os.getpid():
        return [f"process {text} is a child of {parent}, not of the caller's subreaper"]
    return []


def _hooks(running):
    found = []
    for kind, path in running.stage.hooks:
        if kind in ("prestart", "createRuntime"):
            if not os.path.exists(path):
                found.append(f"create: no {kind} hook has run")
                continue
            with open(path, encoding="utf-8") as file:
                state = json.load(file)
            found += [f"create: the hook's state has no {key}" for key in STATE_KEYS if key not in state]
    return found


def error_of(line):
    """The message of an error line of --log, or of the same on standard error."""
    try:
        entry = json.loads(line)
        return entry["msg"] if entry["level"] == "error" else None
    except (ValueError, TypeError, KeyError):
        match = re.search(r'level=error msg="((?:[^"\\]|\\.)*)"', line)
        if match:
            return match[1].replace('\\"', '"')
        return line if line.strip() and "level=" not in line else None


# Of a container that is on its way out; callers take both for "gone".
GONE = ("container does not exist", "container not running")


def _core(message):
    """Without the name of the runtime and the command, and without what changes from run to run."""
    return re.sub(r"\d+", "N", PREFIX.sub("", message.strip())).replace(*GONE)


def _messages(running, call):
    found = []
    for line in running.log_lines():
        try:
            entry = json.loads(line)
        except ValueError:
            if "json" in call["argv"]:
                found.append(f"--log has a line that is not JSON: {line!r}")
            continue
        if {"level", "msg", "time"} - set(entry):
            found.append(f"--log line without level, msg or time: {line!r}")
    wanted = [error_of(line) for line in call.get("log", [])]
    got = [_core(error_of(line)) for line in running.log_lines() if error_of(line)]
    found += [f"--log lacks {message!r}; it has {got}" for message in wanted if message and _core(message) not in got]
    if running.command not in ("create", "run", "exec"):
        wanted = [error_of(line) for line in call.get("stderr", "").splitlines()]
        texts = "\n".join(_core(error_of(line) or line) for line in "\n".join(running.output()).splitlines())
        found += [f"standard error lacks {message!r}; it has {texts!r}" for message in wanted
                  if message and _core(message) not in texts]
        if running.code == 0 and "stderr" not in call and len(running.output()) > 1 and running.output()[1].strip():
            found.append(f"standard error is not empty: {running.output()[1]!r}")
    return found


def _state(running, call, processes):
    state, wanted = json.loads(running.output()[0]), json.loads(call["stdout"])
    found = [f"no {key}" for key in wanted if key not in state]
    found += [f"{key} is {state.get(key)!r}, not {wanted.get(key)!r}" for key in ("id", "status", "bundle", "rootfs")
              if key in wanted and state.get(key) != wanted[key]]
    if wanted["pid"] in (0, "0"):
        found += [] if state.get("pid") == 0 else [f"pid is {state.get('pid')} of a stopped container"]
    elif not any(process.init and process.pid == state.get("pid") for process in processes.values()):
        found.append(f"pid {state.get('pid')} is not that of the pid file")
    return found


def _ps(running, call, _):
    text = running.output()[0]
    if "json" in call["argv"]:
        pids = json.loads(text)
        alive = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
        return [] if pids and len(alive) == len(pids) else [f"pids {pids}, of which {alive} are there"]
    return [] if "PID" in text.splitlines()[0].split() else [f"no column PID in {text.splitlines()[0]!r}"]


def _events(running, call, _):
    event = json.loads(running.output()[0].splitlines()[0])
    wanted = json.loads(call["stdout"].splitlines()[0])
    found = [f"no {key}" for key in wanted if key not in event]
    return found + [f"data has no {key}" for key in ("cpu", "memory", "pids") if key not in event.get("data", {})]


def _list(running, call, _):
    return [] if isinstance(json.loads(running.output()[0]), (list, type(None))) else ["not a list"]


def _features(running, call, _):
    found, wanted = json.loads(running.output()[0]), json.loads(call["stdout"])
    return [f"no {key}" for key in wanted if key not in found and key != "annotations"]


ANSWERS = {"state": _state, "ps": _ps, "events": _events, "list": _list, "features": _features}
