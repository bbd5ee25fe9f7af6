"""kill -9 of one process of the set in the midst of one command. README.md has the table of allowed ends."""
import json
import os
import random
import signal
import time

import suite
from suite import Failure, check, until

CASES = suite.Cases()
ROUNDS = {"ci": 20, "full": 200}
SECONDS = 20
STEPS = ("create", "start", "exec", "delete")
VICTIMS = ("command", "anchor", "sentry", "gofer")
NAMES = {"sentry": "runsc-sandbox", "gofer": "runsc-gofer"}
GONE = "gone"
# (step, victim) -> the states that a container may be in once the command has ended. What is not here may be "stopped" only.
ALLOWED = {
    ("create", "command"): (GONE, "creating", "created", "stopped"),
    ("create", "anchor"): (GONE, "stopped", "created"),  # created: killed after its part was done
    ("create", "sentry"): (GONE, "stopped", "created"),
    ("create", "gofer"): (GONE, "stopped", "created"),
    ("start", "command"): ("created", "running", "stopped"),
    ("exec", "command"): ("running",),
    ("exec", "anchor"): ("running", "stopped"),  # running: it was the exec's
    ("delete", "command"): (GONE, "running", "stopped"),
    ("delete", "anchor"): (GONE,),
    ("delete", "sentry"): (GONE,),
    ("delete", "gofer"): (GONE,),
}
PROGRAM = ["/bin/sh", "-c", "while :; do sleep 0.02; done"]
PROCESS = {"args": ["/bin/sh", "-c", "sleep 3"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Round:
    """One container, one command amid which somebody dies."""

    def __init__(self, stand, chance, step, victim):
        self.stand, self.chance, self.step, self.victim = stand, chance, step, victim
        self.ident, self.folder = stand.make(stand.ours, {"/process/args": PROGRAM})
        self.known = set(stand.pids())
        self.killed = None

    def words_of_create(self):
        return ["create", "--bundle", self.folder, "--pid-file", self.folder + "/pid", self.ident]

    def words(self):
        if self.step == "create":
            return self.words_of_create()
        if self.step == "exec":
            with open(self.folder + "/process.json", "w", encoding="ascii") as file:
                json.dump(PROCESS, file)
            return ["exec", "--detach", "--process", self.folder + "/process.json", "--pid-file", self.folder + "/exec-pid", self.ident]
        return ["delete", "--force", self.ident] if self.step == "delete" else [self.step, self.ident]

    def prepare(self):
        """The life up to the step."""
        before = {"create": (), "start": ("create",), "exec": ("create", "start"), "delete": ("create", "start")}[self.step]
        for step in before:
            words = self.words_of_create() if step == "create" else [step, self.ident]
            code = self.stand.silent(self.stand.ours.command(*words)).wait(SECONDS)
            check(code == 0, f"{step} before it: code {code}")

    def find(self, command):
        """The victim, if it is there by now."""
        if self.victim == "command":
            return command.pid
        if self.victim == "anchor":
            files = ("pid", "exec-pid") if self.step == "exec" else ("pid",)
            for name in self.chance.sample(files, len(files)):
                try:
                    with open(f"{self.folder}/{name}", encoding="ascii") as file:
                        return int(file.read())
                except (OSError, ValueError):
                    pass
            # Not written yet: during create it is what has the guest's name.
            return next((pid for pid in self.new() if comm(pid) == "sh" and pid != command.pid), None)
        return next((pid for pid in self.new() if comm(pid) == NAMES[self.victim]), None)

    def new(self):
        return [pid for pid in self.stand.pids() if pid not in self.known]

    def run(self, typical):
        self.prepare()
        start = time.monotonic()
        command = self.stand.silent(self.stand.ours.command(*self.words()))
        moment = start + self.chance.uniform(0, typical)
        while True:
            if time.monotonic() >= moment:
                pid = self.find(command)
                if pid is not None:
                    self.killed = comm(pid)
                    os.kill(pid, signal.SIGKILL)
                    break
            if command.poll() is not None:
                break  # over before its part came into being
            time.sleep(0.0005)
        try:
            code = command.wait(SECONDS)
        except TimeoutError as error:
            raise Failure(f"the command hangs: {error}") from error
        check(code in (0, 1, 255, -9), f"the command ended with {code}")
        self.judge(code)
        return time.monotonic() - start

    def state(self):
        done = self.stand.call(self.stand.ours, "state", self.ident, seconds=SECONDS)
        if done.code != 0:
            check("does not exist" in done.err, f"state: code {done.code}: {done.err}")
            return GONE
        found = json.loads(done.out)
        check(found["status"] == "creating" or (found["pid"] == 0) == (found["status"] == "stopped"), f"state: {found}")
        return found["status"]

    def judge(self, code):
        allowed = ALLOWED.get((self.step, self.victim), ("stopped",))
        if self.killed is None or (self.victim != "command" and self.killed is not None and self.step == "exec"):
            allowed = (*allowed, "created", "running", GONE)
        in_set = self.victim in NAMES or (self.victim == "anchor" and self.step != "exec")  # else perhaps the exec's
        if in_set and self.killed and self.step != "delete":
            # The whole set follows the dead part, and soon.
            until(lambda: self.state() in ("stopped", GONE), 5, lambda: f"still {self.state()}")
        status = self.state()
        check(status in allowed, f"{status}, not one of {allowed}; the command's code was {code}")
        if self.step == "exec" and self.victim == "command":
            done = self.stand.call(self.stand.ours, "exec", self.ident, "echo", "on")
            check(done.said() == (0, "on\n"), f"exec afterwards: {done}")
        listed = self.stand.call(self.stand.ours, "list", "-q", seconds=SECONDS)
        check(listed.code == 0 and (self.ident in listed.out.split()) == (status != GONE), f"list: {listed}")
        done = self.stand.call(self.stand.ours, "delete", "--force", self.ident, seconds=SECONDS)
        check(done.code == 0, f"delete --force: {done}")
        check(self.state() == GONE, "still there after delete --force")
        # The id may be used again.
        if self.chance.random() < 0.2:
            done = self.stand.silent(self.stand.ours.command("create", "--bundle", self.folder, self.ident)).wait(SECONDS)
            check(done == 0, f"create of the same id: code {done}")
            self.stand.call(self.stand.ours, "delete", "--force", self.ident)


def _durations(stand):
    """How long each command takes here, so that moments fall into it."""
    ident, folder = stand.make(stand.ours, {"/process/args": PROGRAM})
    found = {}
    for step, words in (("create", ["create", "--bundle", folder, ident]), ("start", ["start", ident]),
                        ("exec", ["exec", "--detach", ident, "/bin/true"]), ("delete", ["delete", "--force", ident])):
        start = time.monotonic()
        code = stand.silent(stand.ours.command(*words)).wait(SECONDS)
        check(code == 0, f"{step}: code {code}")
        found[step] = max(time.monotonic() - start, 0.01)
    stand.drop(ident)
    return found


@CASES.case()
def kill_any(stand):
    """The steps and victims in turn, the moments at random."""
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
    rounds = int(os.environ.get("ROUNDS", ROUNDS[stand.tier]))
    chance = random.Random(seed)
    durations = _durations(stand)
    pairs = [(step, victim) for step in STEPS for victim in VICTIMS]
    hits, wrong = 0, []
    for number in range(rounds):
        if number % len(pairs) == 0:
            chance.shuffle(pairs)
        step, victim = pairs[number % len(pairs)]
        this = Round(stand, chance, step, victim)
        try:
            this.run(durations[step] * 1.2)
        except Failure as failure:
            wrong.append(f"round {number}, {victim} amid {step}: {failure}")
        hits += this.killed is not None
        left = stand.clean()
        if left:
            wrong.append(f"round {number}, {victim} amid {step}: left behind: {'; '.join(left[:6])}")
        if len(wrong) >= 20:
            break
    stand.note(f"seed {seed}: {number + 1} rounds, {hits} kills")
    check(not wrong, lambda: f"seed {seed}: {len(wrong)} of {number + 1}:\n" + "\n".join(wrong))


@CASES.case()
def killed_anchor_ends_exec_alone(stand):
    """kill -9 of an exec's anchor kills that process of the guest, and no other."""
    ident, folder = stand.make(stand.ours, {"/process/args": PROGRAM})
    for words in (["create", "--bundle", folder, ident], ["start", ident], ["exec", "--detach", "--pid-file", folder + "/exec-pid", ident,
                                                                           "/bin/sleep", "987"]):
        code = stand.silent(stand.ours.command(*words)).wait(SECONDS)
        check(code == 0, f"{words[0]}: code {code}")
    with open(folder + "/exec-pid", encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGKILL)
    count = ["exec", ident, "sh", "-c", "grep -l '^sleep.987' /proc/[0-9]*/cmdline | wc -l"]
    until(lambda: stand.call(stand.ours, *count).out == "0\n", 5, "the guest's process goes on")
    check(json.loads(stand.call(stand.ours, "state", ident).out)["status"] == "running", "the container has ended")


@CASES.case()
def killed_anchor_is_137(stand):
    """And so does the shim see the death of sentry and gofer."""
    for victim in ("anchor", "sentry", "gofer"):
        this = Round(stand, random.Random(1), "exec", victim)
        this.prepare()
        with open(this.folder + "/pid", encoding="ascii") as file:
            anchor = int(file.read())
        pid = anchor if victim == "anchor" else next(pid for pid in this.new() if comm(pid) == NAMES[victim])
        os.kill(pid, signal.SIGKILL)
        code = _reaped(anchor)
        check(code in (137, -9), f"{victim}: the anchor ended with {code}")
        until(lambda: this.state() == "stopped", 5, "stopped")  # pylint: disable=cell-var-from-loop
        stand.drop(this.ident)


def _reaped(pid):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        got, status = os.waitpid(pid, os.WNOHANG)
        if got:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    raise Failure("the anchor lives on")
