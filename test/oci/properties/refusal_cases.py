"""Every row of PROPERTIES.md, with a value that it does not allow: the message has path, value and what is allowed."""
import json
import os
import re

from kinds import case
from stand import HERE, Failure, check

OCI = os.path.join(os.path.dirname(HERE), "..", "..", "runsc-cpp", "oci")
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| (.*) \|$")
RANGE = re.compile(r"(-?\d+) to (\d+)")
LEAST = re.compile(r"at least (-?\d+)")
ONE_OF = re.compile(r"one of (.*)$")
NOT_THAT = {  # a value of the right type for each property that is refused
    "process.user.username": "someone", "process.commandLine": "sh", "linux.netDevices": {"eth0": {"name": "eth1"}},
    "linux.seccomp.listenerPath": "/run/agent", "linux.seccomp.listenerMetadata": "words", "linux.intelRdt": {"closID": "a"},
    "linux.memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"}, "linux.personality.flags": ["ADDR_NO_RANDOMIZE"],
    "linux.timeOffsets": {"monotonic": {"secs": 1}}, "solaris": {"milestone": "a"}, "windows": {"layerFolders": ["a"]},
    "vm": {"kernel": {"path": "/vmlinuz"}}, "zos": {"namespaces": []}, "freebsd": {"devices": []},
}


def properties():
    """(path, support, note) of each row."""
    with open(os.path.join(OCI, "PROPERTIES.md"), encoding="utf-8") as file:
        rows = [match.groups() for line in file if (match := ROW.match(line.rstrip("\n")))]
    return [(path, support.strip(), note) for path, support, note in rows]


def honoured():
    return {path for path, support, _ in properties() if support == "honoured"}


def full():
    """A config with each property that is not refused."""
    with open(os.path.join(OCI, "testdata", "full.json"), encoding="utf-8") as file:
        config = json.load(file)
    for path, support, _ in properties():
        if support == "refused":
            _change(config, path, None)
    return config


def _change(config, path, value):
    """Sets what PROPERTIES.md calls by that path, in a first item; None removes it. The path as a message has it."""
    words = path.replace("[]", "/[]").replace("{}", "/{}").replace(".", "/").split("/")
    place, said = config, ""
    for number, word in enumerate(words):
        last = number + 1 == len(words)
        if word == "[]":
            key, said = 0, said + "[0]"
        elif word == "{}":
            key = next(iter(place))
            said += "." + key
        else:
            key, said = word, f"{said}.{word}" if said else word
        if not last:
            place = place[key]
        elif value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return said


def _message(stand, config):
    folder = f"{stand.base}/refused{next(stand.numbers)}"
    os.makedirs(folder)
    with open(folder + "/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    done = stand.call(stand.ours, "create", "--bundle", folder, "refused")
    os.unlink(folder + "/config.json")
    os.rmdir(folder)
    check(done.code == 1, lambda: f"code {done.code}: {done.err}")
    errors = [line for line in done.err.splitlines() if "level=warning" not in line]
    check(len(errors) == 1, lambda: f"not one line: {done.err}")
    return errors[0]


def _try_all(stand, rows):
    """rows: (path, value or None, words of the message). Failures are told together."""
    wrong = []
    for path, value, words in rows:
        config = full()
        said = _change(config, path, value)
        try:
            message = _message(stand, config)
            missing = [word for word in (said, *words) if word not in message]
            if missing:
                wrong.append(f"{path} = {json.dumps(value)}: no {missing} in: {message}")
        except Failure as failure:
            wrong.append(f"{path} = {json.dumps(value)}: {failure}")
    if wrong:
        raise Failure(f"{len(wrong)} of {len(rows)}: " + "\n".join(wrong[:20]))
    check(rows, "no row of that kind in PROPERTIES.md")


@case()
def refused_properties(stand):
    _try_all(stand, [(path, NOT_THAT[path], (note.split(";")[0].split(",")[0],))
                     for path, support, note in properties() if support == "refused"])


@case()
def refused_ranges(stand):
    rows = []
    for path, _, note in properties():
        if match := RANGE.search(note):
            rows += [(path, value, (str(value), match[1], match[2])) for value in (int(match[1]) - 1, int(match[2]) + 1)]
        elif match := LEAST.search(note):
            rows.append((path, int(match[1]) - 1, (str(int(match[1]) - 1), match[1])))
    _try_all(stand, rows)


@case()
def refused_words(stand):
    rows = []
    for path, _, note in properties():
        if match := ONE_OF.search(note):
            first = next(word for word in match[1].split(", ") if word != '""')
            value = ["no-such-word"] if path.endswith(("flags", "architectures")) else "no-such-word"
            rows.append((path, value, ('"no-such-word"', first)))
    _try_all(stand, rows)


@case()
def refused_missing(stand):
    _try_all(stand, [(path, None, ()) for path, _, note in properties() if "required" in note])


@case()
def refused_types(stand):
    """1.5 is of no property's type."""
    _try_all(stand, [(path, 1.5, ()) for path, support, _ in properties() if support == "honoured"])


@case()
def refused_files(stand):
    """What is no config.json at all."""
    folder = stand.base + "/bundle-of-nothing"
    os.makedirs(folder)
    path = folder + "/config.json"
    for text, words in ((None, "config.json"), ("", "config.json"), ("{", "config.json"), ("[]", "config.json"), ("null", "config.json"),
                        ('{"ociVersion": "1.0.2", "ociVersion": "1.0.2"}', "ociVersion"), ('{"ociVersion": "9.0.0"}', "9.0.0"),
                        ('{"ociVersion": "1.0.2", "Process": {}}', "Process"), ("[" * 100000, "config.json"),
                        ('{"ociVersion": "1.0.2", "hostname": "a\\u0000b"}', "NUL")):
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        done = stand.call(stand.ours, "create", "--bundle", folder, "refused")
        check(done.code == 1 and words in done.err, lambda: f"{(text or '')[:40]}: code {done.code}: {done.err[:300]}")
