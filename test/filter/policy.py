"""The policies of sentry, gofer and netgofer, printed by a small program that is compiled from their source."""
import os
import re
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SOURCES = [os.path.join(HERE, "dump_policy.cc"), os.path.join(ROOT, "runsc-cpp/filter/sentry_policy.cc"),
           os.path.join(ROOT, "runsc-cpp/filter/gofer_policy.cc"),
           os.path.join(ROOT, "runsc-cpp/filter/netgofer_policy.cc")]
NEWER_THAN_HEADERS = {452: "fchmodat2"}
_names = dict(NEWER_THAN_HEADERS)


def name_of(number):
    if len(_names) == len(NEWER_THAN_HEADERS):
        text = subprocess.run(["g++", "-E", "-dM", "-x", "c++", "-"], input="#include <sys/syscall.h>\n",
                              capture_output=True, text=True, check=True).stdout
        for match in re.finditer(r"#define __NR_(\w+) (\d+)", text):
            _names.setdefault(int(match[2]), match[1])
    return _names.get(number, str(number))


class Policy:
    """Calls that pass, or are refused with ENOSYS: number -> list of [(index, mask, value)]."""

    def __init__(self):
        self._rules = {}

    def add(self, number, arguments):
        self._rules.setdefault(number, []).append(arguments)

    def allows(self, number, arguments):
        return any(all(arguments[index] & mask == value for index, mask, value in rule)
                   for rule in self._rules.get(number, []))

    def argument_indices(self, number):
        """The arguments that some rule looks at."""
        return {index for rule in self._rules.get(number, []) for index, _, _ in rule}

    def names(self):
        return {name_of(number) for number in self._rules}


def load():
    """name -> Policy."""
    with tempfile.TemporaryDirectory() as directory:
        program = os.path.join(directory, "dump_policy")
        subprocess.run(["g++", "-std=c++20", "-D_GNU_SOURCE", "-I", ROOT, "-o", program, *SOURCES], check=True)
        lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    policies = {"sentry": Policy(), "gofer": Policy(), "netgofer": Policy()}
    for line in lines:
        name, number, *words = line.split()
        values = [int(word) for word in words]
        policies[name].add(int(number), list(zip(values[0::3], values[1::3], values[2::3])))
    return policies
