"""config.json with a random fault each: no crash, nothing left behind, nothing opened that was shut."""
import copy
import json
import os
import random
import time

from kinds import case
from mount_cases import FILES, bind, tmpfs
from stand import BASE, Failure, check

COUNT = {"ci": 200, "full": 10000}
SECONDS = 20
HOSTILE = (None, True, -1, 0, 1, 1.5, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1, 1 << 64, 1e300, "", "x", "/", "..", "../../../etc", "a\0b",
           "\ud83d\ude00", "x" * 70000, [], {}, [[]] * 3, {"a": {}}, [None], "CAP_SYS_ADMIN", "rw", "bind", "/proc/self/fd/0", "-1")
# Lines of the probe, and the properties that may change them.
PROBE = {
    "caps": ("grep -E 'Cap(Prm|Eff|Bnd|Inh|Amb)' /proc/self/status | tr -d '\\n'", ("process.capabilities", "process.user", "mounts")),
    "nnp": ("grep NoNewPrivs /proc/self/status", ("process.noNewPrivileges", "mounts")),
    "filter": ("mkdir /tmp/d 2>/dev/null; echo $?", ("linux.seccomp", "process.user", "process.umask", "mounts", "root")),
    "ids": ("id -u; id -g; id -G", ("process.user",)),
    "root": ("touch /x 2>/dev/null; echo $?", ("root", "process.user", "mounts")),
    "bind": ("touch /mnt/x 2>/dev/null; echo $?", ("mounts", "process.user", "root")),
    "masked": ("cat /etc/passwd 2>/dev/null | wc -c", ("linux.maskedPaths", "mounts", "process.user", "root", "process.capabilities")),
    "read only": ("touch /home/user/x 2>/dev/null; echo $?",
                  ("linux.readonlyPaths", "process.user", "process.umask", "process.capabilities", "mounts", "root")),
    "limit": ("ulimit -n", ("process.rlimits",)),
}
SCRIPT = "\n".join(f"echo '== {name}'\n{script}" for name, (script, _) in PROBE.items())


def original():
    config = copy.deepcopy(BASE)
    process = config["process"]
    process.update(args=["/bin/sh", "-c", SCRIPT], noNewPrivileges=True, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}],
                   oomScoreAdj=100)
    process["user"] = {"uid": 1000, "gid": 1000, "umask": 18, "additionalGids": [5]}
    process["capabilities"] = {name: ["CAP_KILL"] for name in ("bounding", "effective", "permitted")}
    config["root"]["readonly"] = True
    config["hostname"] = "box"
    config["mounts"] += [tmpfs("mode=1777", "size=1m", destination="/tmp"), bind("rbind", "ro", "nosuid")]
    config["annotations"] = {"org.example.key": "value"}
    config["linux"].update(
        maskedPaths=["/etc/passwd"], readonlyPaths=["/home/user"], sysctl={"net.ipv4.ip_forward": "1"},
        devices=[{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0}],
        resources={"pids": {"limit": 100}, "cpu": {"shares": 512}, "devices": [{"allow": False, "access": "rwm"}]},
        seccomp={"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "args": []}]})
    config["hooks"] = {"prestart": [{"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}]}
    return config


def _places(value, at=""):
    """(container, key, path) of everything below."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        path = f"{at}.{key}" if isinstance(value, dict) and at else key if isinstance(value, dict) else at
        yield value, key, path
        yield from _places(item, path)


def mutant(chance):
    """(text, property that was changed or None)."""
    config = original()
    container, key, path = chance.choice([place for place in _places(config)])
    kind = chance.randrange(10)
    if kind < 5:
        container[key] = copy.deepcopy(chance.choice(HOSTILE))
    elif kind == 5 and isinstance(container, dict):
        del container[key]
    elif kind == 6 and isinstance(container, dict):
        container[key.swapcase() if chance.random() < 0.5 else key.capitalize()] = container.pop(key)
    elif kind == 7:
        other, name, _ = chance.choice([place for place in _places(config)])
        container[key] = copy.deepcopy(other[name])
    elif kind == 8:
        text = json.dumps(config)
        at = chance.randrange(len(text))
        return text[:at] if chance.random() < 0.3 else text[:at] + chr(chance.randrange(1, 128)) + text[at + 1:], None
    elif isinstance(container[key], list):
        container[key] = container[key] * chance.choice((2, 3, 200))
    return json.dumps(config), path


def _safe(text, group, folder):
    """With the cgroup that this test removes: a wrong one would be made on the host. Text that is no JSON stays as it is."""
    text = text.replace("$BUNDLE", folder)
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(config, dict) and isinstance(config.get("linux"), dict):
        config["linux"]["cgroupsPath"] = group
    return json.dumps(config)


def answers(text):
    """{name of the probe: what it said}."""
    found = {}
    for part in text.split("== ")[1:]:
        name, _, said = part.partition("\n")
        found[name] = said
    return found


class Field:
    """One bundle, whose config.json changes."""

    def __init__(self, stand):
        self.stand = stand
        self.ident, self.folder = stand.make(stand.ours, {}, FILES)
        self.accepted = self.ran = 0

    def _write(self, text):
        with open(self.folder + "/config.json", "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(_safe(text, f"/{self.stand.cgroup}/{self.ident}", self.folder))

    def run(self, text, words):
        self._write(text)
        done = self.stand.call(self.stand.ours, *words, "--bundle", self.folder, self.ident, seconds=SECONDS)
        check(done.code is not None and 0 <= done.code < 256 and "[killed" not in done.err, lambda: f"code {done.code}: {done.err[-500:]}")
        for word in ("Check failed", "AddressSanitizer", "terminate called", "*** "):
            check(word not in done.err, lambda: f"a crash: {done.err[-500:]}")
        return done

    def create(self, text):
        self._write(text)
        outcome = self.stand.create_at(self.stand.ours, self.ident, self.folder)
        check(outcome.code in (0, 1), lambda: f"create: code {outcome.code}: {outcome.err}")
        if outcome.code == 0:
            self.accepted += 1
            deleted = self.stand.call(self.stand.ours, "delete", "--force", self.ident)
            check(deleted.code == 0, lambda: f"delete: {deleted.err}")
        else:
            check(outcome.err, "a failure without a line in the log")

    def compare(self, text, path, wanted):
        """Runs it; what the changed property does not own must be as before."""
        done = self.run(text, ["run"])
        found = answers(done.out)
        if set(found) != set(wanted):
            return  # refused, or another program
        self.ran += 1
        for name, (_, owners) in PROBE.items():
            if path is None or any(path == owner or path.startswith(owner + ".") for owner in owners) or path in ("linux", "process"):
                continue
            check(found[name] == wanted[name], lambda: f"{name}: {found[name]!r}, not {wanted[name]!r}")


def _mutants(stand, count, seed):
    chance = random.Random(seed)
    field = Field(stand)
    wanted = answers(field.run(json.dumps(original()), ["run"]).out)
    check(set(wanted) == set(PROBE), f"the original does not run: {wanted}")
    start = time.monotonic()
    for number in range(count):
        text, path = mutant(chance)
        try:
            if number % 2:
                field.compare(text, path, wanted)
            else:
                field.create(text)
            if number % 50 == 49 or number + 1 == count:
                left = [words for words in stand.left() if not words.startswith("mount " + field.folder)]
                if left:
                    time.sleep(2)
                    left = [words for words in stand.left() if not words.startswith("mount " + field.folder)]
                check(not left, lambda: f"left behind in the last 50: {left[:5]}")
        except Failure as failure:
            raise Failure(f"mutant {number} of seed {seed} ({path}): {failure}: {text[:3000]}") from failure
    seconds = time.monotonic() - start
    check(field.accepted and field.ran, f"seed {seed}: {field.accepted} were created, {field.ran} ran: no test of what is accepted")
    return f"seed {seed}: {count} mutants, {field.accepted} created, {field.ran} ran, {seconds / count * 1000:.0f} ms each"


@case(seconds=7200)
def mutants(stand):
    count = int(os.environ.get("MUTANTS", COUNT[stand.tier]))
    stand.note(_mutants(stand, count, int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))))
