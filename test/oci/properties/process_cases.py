"""process.*"""
import glob
import json
import os
import signal

import callers
from kinds import case, check_refused, expect, refused, same
from stand import Skip, check, equal, until

CAPS = "grep Cap /proc/self/status"
LIMITS = {"AS": (1 << 36, 1 << 37), "CORE": (0, 0), "CPU": (1000, 2000), "DATA": (1 << 35, 1 << 36), "FSIZE": (1 << 30, 1 << 31),
          "LOCKS": (50, 60), "MEMLOCK": (32768, 65536), "MSGQUEUE": (8192, 16384), "NICE": (0, 0), "NOFILE": (500, 1000),
          "NPROC": (4000, 5000), "RSS": (1 << 33, 1 << 34), "RTPRIO": (0, 0), "RTTIME": (1000000, 2000000),
          "SIGPENDING": (100, 200), "STACK": (1 << 22, 1 << 23)}


def limits(**wanted):
    return [{"type": "RLIMIT_" + name, "soft": soft, "hard": hard} for name, (soft, hard) in wanted.items()]


def sets(**names):
    return {"/process/capabilities": {key: ["CAP_" + word for word in words.split()] for key, words in names.items()}}


same("process_user", {"/process/user": {"uid": 1000, "gid": 1000, "additionalGids": [5, 2000, 2147483647]}},
     "id -u; id -g; id -G; grep -E '^(Uid|Gid|Groups)' /proc/self/status; touch /tmp/f; stat -c '%u %g' /tmp/f")
expect("process_user_unknown", {"/process/user": {"uid": 4000000000, "gid": 4000000001}}, "id -u; id -g; id -G",
       "4000000000\n4000000001\n4000000001\n")
same("process_umask", {"/process/user/umask": 0o27}, "umask; touch /tmp/f; mkdir /tmp/d; stat -c %a /tmp/f /tmp/d")
same("process_umask_default", {}, "umask")
same("capabilities_default", {}, CAPS)
same("capabilities_none", {"/process/capabilities": {}}, CAPS + "; chown 1 /tmp; echo $?")
same("capabilities_absent", {"/process/capabilities": None}, CAPS)
same("capabilities_sets", sets(bounding="CHOWN KILL FOWNER SETUID", permitted="CHOWN KILL SETUID", effective="CHOWN",
                               inheritable="KILL"), CAPS)
same("capabilities_inheritable", sets(bounding="CHOWN KILL", permitted="CHOWN KILL", effective="CHOWN", inheritable="CHOWN KILL"), CAPS)
same("capabilities_user", {"/process/user": {"uid": 1000, "gid": 1000}}, CAPS)
same("capabilities_ambient", {**sets(bounding="CHOWN KILL", permitted="CHOWN KILL", effective="CHOWN KILL", inheritable="CHOWN KILL",
                                     ambient="CHOWN"), "/process/user": {"uid": 1000, "gid": 1000}},
     CAPS + "; touch /tmp/f; chown 7 /tmp/f; echo $?; stat -c %u /tmp/f")
same("capabilities_ambient_alone", {**sets(bounding="CHOWN", permitted="CHOWN", effective="CHOWN", ambient="CHOWN"),
                                    "/process/user": {"uid": 1000, "gid": 1000}}, CAPS)
same("capabilities_unknown", sets(bounding="CHOWN NO_SUCH", permitted="CHOWN", effective="CHOWN"), CAPS)
refused("capabilities_effective_above_permitted", sets(bounding="CHOWN", permitted="", effective="CHOWN"),
        "process.capabilities", "effective")
same("rlimits_all", {"/process/rlimits": limits(**LIMITS)}, "cat /proc/self/limits")
same("rlimits_nofile", {"/process/rlimits": limits(NOFILE=(10, 20))},
     "ulimit -n; (exec 15>/tmp/f) 2>/dev/null; echo $?; ulimit -n 20; (exec 15>/tmp/f); echo $?; ulimit -n 21 2>/dev/null; echo $?")
same("rlimits_fsize", {"/process/rlimits": limits(FSIZE=(65536, 65536))},
     "dd if=/dev/zero of=/tmp/f bs=65536 count=2 2>/dev/null; echo $?; stat -c %s /tmp/f")
same("rlimits_infinite", {"/process/rlimits": limits(CORE=(0, (1 << 64) - 1))}, "grep core /proc/self/limits")
expect("rlimits_raised", {"/process/rlimits": limits(NOFILE=(1500000, 2000000), NPROC=(1 << 40, 1 << 41))},
       "grep -E 'open files|processes' /proc/self/limits | tr -s ' '",
       "Max processes 1099511627776 2199023255552 processes \nMax open files 1500000 2000000 files \n")
refused("rlimits_soft_above_hard", {"/process/rlimits": limits(NOFILE=(20, 10))}, "process.rlimits[0]", "20", "10")
refused("rlimits_twice", {"/process/rlimits": limits(NOFILE=(1, 2)) * 2}, "process.rlimits[1].type", "RLIMIT_NOFILE")
refused("rlimits_unknown", {"/process/rlimits": limits(PONIES=(1, 2))}, "process.rlimits[0].type", "RLIMIT_PONIES")
same("no_new_privileges", {"/process/noNewPrivileges": True}, "grep NoNewPrivs /proc/self/status")
same("no_new_privileges_off", {"/process/noNewPrivileges": False}, "grep NoNewPrivs /proc/self/status")
same("oom_score_adj", {"/process/oomScoreAdj": 500}, "cat /proc/self/oom_score_adj; (cat /proc/self/oom_score_adj)")
expect("oom_score_adj_negative", {"/process/oomScoreAdj": -500}, "cat /proc/self/oom_score_adj", "-500\n")
same("cwd", {"/process/cwd": "/home/user"}, "pwd; ls -a")
same("cwd_made", {"/process/cwd": "/new/dir"}, "pwd; stat -c '%a %u' /new/dir")
same("cwd_not_allowed", {"/process/cwd": "/root/x", "/process/user": {"uid": 1000, "gid": 1000}, "/process/capabilities": {}},
     "pwd", files={"/root/x/f": (0o644, "")})
refused("cwd_relative", {"/process/cwd": "home"}, "process.cwd", '"home"', "absolute")
refused("cwd_is_file", {"/process/cwd": "/etc/passwd"}, "/etc/passwd")
same("env", {"/process/env": ["PATH=/bin", "A=1", "B=x y\n z", "EMPTY=", "A=2"]}, "env | grep -v -E '^(SHLVL|PWD|HOME)='")
same("env_home", {"/process/env": ["PATH=/bin"], "/process/user": {"uid": 1000, "gid": 1000}}, "echo $HOME")
same("env_home_given", {"/process/env": ["PATH=/bin", "HOME=/tmp"]}, "echo $HOME")
refused("env_bad", {"/process/env": ["PATH=/bin", "=x"]}, "process.env[1]", '"=x"')
same("args_words", {"/process/args": ["printf", "<%s>\n", "a b", "", "$HOME", "*"]}, None)
same("args_path", {"/process/args": ["prog", "x"], "/process/env": ["PATH=/none:/opt"]}, None,
     files={"/opt/prog": (0o755, "#!/bin/sh\necho $0 $1\n")})
same("args_script", {"/process/args": ["/opt/prog", "x"]}, None, files={"/opt/prog": (0o755, "#!/bin/sh -e\necho $0 $1\nexit 5\n")}, code=5)
same("exit_signal", {}, "sh -c 'kill -9 $$'; echo $?; sh -c 'kill -TERM $$'; echo $?; kill -9 $$; echo alive")
same("exit_255", {}, "exit 255", code=255)
refused("args_missing", {"/process/args": ["/no/such/program"]},
        'exec: "/no/such/program": stat /no/such/program: no such file or directory')
refused("args_not_in_path", {"/process/args": ["no-such"]}, 'exec: "no-such": executable file not found in $PATH')
refused("args_not_executable", {"/process/args": ["/etc/passwd"]}, 'exec: "/etc/passwd": permission denied')
refused("args_empty", {"/process/args": []}, "process.args")
SCHEDULING = "awk '{print $19, $40, $41}' /proc/$$/stat"  # nice, priority, policy
expect("scheduler_batch", {"/process/scheduler": {"policy": "SCHED_BATCH", "nice": 5}}, SCHEDULING, "5 0 3\n")
expect("scheduler_fifo", {"/process/scheduler": {"policy": "SCHED_FIFO", "priority": 10, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}},
       SCHEDULING + "; (" + SCHEDULING + ")", "0 10 1\n0 10 1\n")
expect("scheduler_reset_on_fork", {"/process/scheduler": {"policy": "SCHED_RR", "priority": 10, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}},
       "awk '{print $40, $41}' /proc/self/stat; :", "0 0\n")  # not the shell's last command: that one it does not fork for
expect("scheduler_deadline", {"/process/scheduler": {"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 5000000,
                                                     "period": 10000000}}, "read a </proc/self/stat; set -- ${a##*) }; echo ${39}", "6\n")  # it can't fork
refused("scheduler_priority", {"/process/scheduler": {"policy": "SCHED_OTHER", "priority": 3}}, "process.scheduler.priority")
for _class, _words in (("RT", "realtime: prio 3"), ("BE", "best-effort: prio 3"), ("IDLE", "idle")):
    expect("io_priority_" + _class.lower(), {"/process/ioPriority": {"class": "IOPRIO_CLASS_" + _class, "priority": 3}},
           "ionice -p $$", _words + "\n")


def _terminal(stand, side, changes, typed, ready=""):
    """(code, what came from the master) of a container on a terminal. Types once `ready` has been shown."""
    path = f"{stand.base}/console{next(stand.numbers)}"
    console = callers.Console(path)
    ident, folder, outcome = stand.create(side, {"/process/terminal": True, **changes}, words=("--console-socket", path))
    equal(outcome.code, 0, f"create by {side.name}: {outcome.err}; code")
    console.join(10)
    check(console.error is None, console.error)
    pid = stand.pid(folder)
    equal(stand.call(side, "start", ident).code, 0, "start")
    until(lambda: ready.encode() in console.collector.data, 10, "ready")
    os.write(console.master, typed)
    _, status = until(lambda: _ended(pid), 30, "end")
    console.collector.join(5)
    os.close(console.master)
    stand.drop(ident)
    return os.waitstatus_to_exitcode(status), console.collector.data.decode()


def _both_terminals(stand, changes, typed, ready=""):
    theirs = _terminal(stand, stand.oracle, changes, typed, ready)
    ours = _terminal(stand, stand.ours, changes, typed, ready)
    equal(ours[0], theirs[0], "code")
    for number, (mine, wanted) in enumerate(zip(ours[1].splitlines(), theirs[1].splitlines())):
        equal(mine, wanted, f"line {number + 1}")
    equal(ours, theirs, "terminal")


@case()
def terminal(stand):
    script = "tty; test -c /dev/console && echo console; test -t 2 && echo err; stty -a; echo ready; read a; echo got $a; exit 3"
    _both_terminals(stand, {"/process/args": ["/bin/sh", "-c", script]}, b"word\n", "ready")


@case()
def terminal_size(stand):
    _both_terminals(stand, {"/process/args": ["/bin/sh", "-c", "stty size"], "/process/consoleSize": {"height": 30, "width": 100}}, b"")


@case()
def terminal_user(stand):
    _both_terminals(stand, {"/process/args": ["/bin/sh", "-c", "stat -c '%u %g %a' $(tty)"], "/process/user": {"uid": 1000, "gid": 1000}}, b"")


@case()
def terminal_interrupt(stand):
    script = "trap 'echo caught; exit 4' INT; stty -echoctl; echo ready; read a; sleep 9"
    _both_terminals(stand, {"/process/args": ["/bin/sh", "-c", script]}, b"\x03", "ready")


@case()
def terminal_without_socket(stand):
    check_refused(stand, {"/process/terminal": True}, ("console",))


def _host_view(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as comm, open(f"/proc/{pid}/cmdline", "rb") as words, \
            open(f"/proc/{pid}/status", encoding="utf-8") as status:
        uid = next(line.split()[1] for line in status if line.startswith("Uid:"))
        return comm.read().strip(), words.read(), uid


@case()
def ps_names(stand):
    """Each process of the guest has one on the host of that name, words and user, also after an exec; the words are the
    guest's, so a terminal is not shown them as they are; a stand-in's end is nobody else's."""
    script = r"sleep 1111 & (exec sh -c 'sleep 2222; :' $(printf 'a\033[31mb\001')) & exec sleep 3333"
    ident, folder, outcome = stand.create(stand.ours, {}, script)
    equal(outcome.code, 0, outcome.err)
    equal(stand.call(stand.ours, "start", ident).code, 0, "start")

    def views():
        pids = json.loads(stand.call(stand.ours, "ps", "--format", "json", ident).out)
        return pids, sorted(_host_view(pid) for pid in pids)

    wanted = sorted([("sleep", f"sleep\0{number}\0".encode(), "0") for number in (1111, 2222, 3333)] +
                    [("sh", b"sh\0-c\0sleep 2222; :\0a\x1b[31mb\x01\0", "0")])
    until(lambda: views()[1] == wanted, 10, lambda: views()[1])
    pids, _ = views()
    check(stand.pid(folder) in pids, f"{pids} without the container's own")
    table = stand.call(stand.ours, "ps", ident).out
    check("sleep 2222; : a?[31mb?\n" in table and "\x1b" not in table, table)
    for pid in pids:
        if pid != stand.pid(folder):
            os.kill(pid, signal.SIGKILL)
    until(lambda: views()[1] == wanted, 10, lambda: views()[1])
    with open(folder + "/process.json", "w", encoding="ascii") as file:
        json.dump({"args": ["/bin/sh", "-c", "sleep 4444 & exec sleep 5555"], "cwd": "/", "env": ["PATH=/bin"],
                   "user": {"uid": 1000, "gid": 1000}}, file)
    command = stand.ours.command("exec", "--detach", "--process", folder + "/process.json", ident)
    equal(stand.silent(command).wait(10), 0, "exec")
    until(lambda: ("sleep", b"sleep\x004444\0", "1000") in views()[1] and any(b"5555" in view[1] for view in views()[1]), 10,
          lambda: views()[1])
    stand.drop(ident)


@case()
def exec_cpu_affinity(stand):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("one CPU")
    where = _started(stand, {"/process/execCPUAffinity": {"initial": "0", "final": "0-1"}})
    script = "taskset -p $$ | sed 's/.*: //'"
    equal(_exec(stand, where, script, execCPUAffinity={"final": "1"}).said(), (0, "2\n"), "final")
    equal(_exec(stand, where, script, execCPUAffinity={"initial": "0"}).said(), (0, "1\n"), "initial alone")
    equal(_exec(stand, where, script).said(), (0, "3\n"), "that of config.json")
    refusal = _exec(stand, where, script, execCPUAffinity={"final": "77"})
    check(refusal.code != 0 and "process.execCPUAffinity" in refusal.err, f"a CPU that is not there: {refusal}")


@case()
def exec_scheduling(stand):
    """An exec that says nothing of it is scheduled as config.json says."""
    where = _started(stand, {"/process/scheduler": {"policy": "SCHED_BATCH", "nice": 5}, "/linux/personality": {"domain": "LINUX32"},
                             "/process/ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6}})
    script = SCHEDULING + "; ionice -p $$; uname -m"
    equal(_exec(stand, where, script).said(), (0, "5 0 3\nbest-effort: prio 6\ni686\n"), "config.json's")
    own = {"scheduler": {"policy": "SCHED_FIFO", "priority": 3}, "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0}}
    equal(_exec(stand, where, script, **own).said(), (0, "0 3 1\nidle\ni686\n"), "its own")


@case()
def scheduler_on_host(stand):
    """What makes a guest give way, the host's threads get; nothing that would put it before others."""
    for scheduler, wanted in (({"policy": "SCHED_BATCH", "nice": 7}, (7, 3)), ({"policy": "SCHED_IDLE"}, (0, 5)),
                              ({"policy": "SCHED_FIFO", "priority": 10}, (0, 0)), ({"policy": "SCHED_OTHER", "nice": -9}, (0, 0))):
        before = set(_guest_threads())
        wanted = wanted[0] or os.getpriority(os.PRIO_PROCESS, 0), wanted[1]
        ident, _ = _started(stand, {"/process/scheduler": scheduler})
        until(lambda: {seen for path, seen in _guest_threads().items() if path not in before} == {wanted}, 10,  # pylint: disable=W0640
              f"threads of {scheduler}: {_guest_threads()}")
        stand.drop(ident)


def _guest_threads():
    """{path: (nice, policy)} of the host's threads that run guests."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/task/*/stat"):
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        fields = text[text.rindex(")") + 2:].split()
        if "(task-" in text:
            found[path] = int(fields[16]), int(fields[38])
    return found


def _started(stand, changes):
    """(id, folder) of a container that sleeps."""
    ident, folder, outcome = stand.create(stand.ours, changes, "sleep 100")
    equal(outcome.code, 0, outcome.err)
    equal(stand.call(stand.ours, "start", ident).code, 0, "start")
    return ident, folder


def _exec(stand, where, script, **process):
    ident, folder = where
    process = {"args": ["/bin/sh", "-c", script], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, **process}
    with open(folder + "/process.json", "w", encoding="ascii") as file:
        json.dump(process, file)
    return stand.call(stand.ours, "exec", "--process", folder + "/process.json", ident)


def _ended(pid):
    found = os.waitpid(pid, os.WNOHANG)
    return found if found[0] else None


@case()
def start_and_signals(stand):
    """What a shim sees of a life: status, pid, code."""
    for side in (stand.oracle, stand.ours):
        ident, folder, outcome = stand.create(side, {}, "trap 'exit 9' TERM; while :; do sleep 0.05; done")
        equal(outcome.code, 0, outcome.err)
        equal(json.loads(stand.call(side, "state", ident).out)["status"], "created", "status")
        equal(stand.call(side, "start", ident).code, 0, "start")
        until(lambda: json.loads(stand.call(side, "state", ident).out)["status"] == "running", 5, "running")
        pid = stand.pid(folder)
        # As often as it takes: before the trap is there, a first process ignores it.
        _, status = until(lambda: stand.call(side, "kill", ident, "TERM") and _ended(pid), 20, "end by the signal")
        equal(os.waitstatus_to_exitcode(status), 9, f"code by {side.name}")
        equal(json.loads(stand.call(side, "state", ident).out)["status"], "stopped", "status")
        stand.drop(ident)
