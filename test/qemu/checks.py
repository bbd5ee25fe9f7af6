"""What is tried in the VM. A Check is some commands, and a judge who makes verdicts of their results."""
import dataclasses
import difflib
import json
import os
import re
import shlex
import subprocess
import sys
from typing import Callable

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(PROJECT, "test/hostile"))
import disk  # noqa: E402
import limits  # noqa: E402
import programs  # noqa: E402
import vm  # noqa: E402

# Built by tools/dev.d/run_tests.py, for the VM's /usr/local/bin. A check whose program is not there is skipped.
BUILT = {
    "conformance_test": "platform/conformance_test",
    "kvm_test": "platform/kvm/kvm_test",
    "syscalls_test": "test/syscalls/syscalls_test",
    "hostile": "test/hostile/hostile",
}
SECONDS = {"ci": 60, "full": 300}  # for a command, unless it says otherwise
# Areas of test/syscalls that Linux itself is asked about here: the machines that we test on may have no controllers in
# their cgroup2.
NATIVE_AREAS = ("cgroup", "cgroup_limits", "cgroup_namespaces")
CASE_SECONDS = 60  # of syscalls_test: three times its own limit
MAX_LINES = 12
GTEST_LINE = re.compile(r"\[[ =-]|\[[A-Z ]+\]|Note: Google Test|Running main|Repeating all| +\d+ FAILED TEST")


@dataclasses.dataclass
class Verdict:
    name: str
    result: str  # ok, FAIL or skip
    words: str = ""


@dataclasses.dataclass
class Check:
    name: str
    commands: list
    judge: Callable[[list], list]
    machine: str = "small"  # of MACHINES in `run`


@dataclasses.dataclass
class Options:
    tier: str
    platform: str

    @property
    def sandbox(self):
        return f"runsc-cpp do --platform={self.platform} --"


def built(name):
    """The path of a program of BUILT; None if it is not there."""
    path = os.path.join(PROJECT, "bazel-bin", BUILT[name])
    return path if os.access(path, os.X_OK) else None


def skipped(name, why):
    return Check(name, [], lambda results: [Verdict(name, "skip", why)])


def one_verdict(name, result, holds=True, what="not what was expected"):
    if not result.ok:
        return [Verdict(name, "FAIL", result.verdict + "\n" + tail(result.text))]
    return [Verdict(name, "ok") if holds else Verdict(name, "FAIL", what + "\n" + tail(result.text))]


def tail(text):
    """The end of an output, without googletest's own lines."""
    lines = [line for line in text.strip().splitlines() if line.strip() and not GTEST_LINE.match(line)]
    return "\n".join(lines[-MAX_LINES:])


# --- The VM itself -----------------------------------------------------------------------


def boot_checks(options):
    script = ("test -c /dev/kvm && grep -q -w svm /proc/cpuinfo && grep -q -w npt /proc/cpuinfo &&"
              " dmesg | grep 'Nested Paging enabled'")
    return [Check("boot", [vm.Command("boot", script, 20)], lambda results: one_verdict("boot", results[0]))]


def platforms_checks(options):
    def judge(results):
        works = re.search(rf"^{options.platform}\s+yes", results[0].text, re.MULTILINE) is not None
        return one_verdict("platforms", results[0], works, options.platform + " does not work")

    return [Check("platforms", [vm.Command("platforms", "runsc-cpp platforms", 60)], judge)]


# --- platform/kvm:kvm_test ----------------------------------------------------------------


def unit_checks(options):
    """platform/kvm's own, of which some need a true ring 0."""
    program = built("kvm_test")
    if program is None or options.platform != "kvm":
        return [skipped("unit", "not built: //platform/kvm:kvm_test" if program is None else "of kvm only")]
    return [Check("unit.kvm_test", [vm.Command("kvm_test", "exec kvm_test", 60)],
                  lambda results: one_verdict("unit.kvm_test", results[0]))]


# --- platform:conformance_test -----------------------------------------------------------


def conformance_checks(options):
    """A process for each test, so that one that aborts takes no other along."""
    program = built("conformance_test")
    if program is None:
        return [skipped("conformance", "not built: //platform:conformance_test")]
    tests = gtest_names(program, f"*/{options.platform}*")
    if not tests:
        return [skipped("conformance", f"conformance_test knows no {options.platform}")]
    if options.tier != "full":
        tests = [test for test in tests if test.split("/")[1].split(".")[1] in FEW_CONFORMANCE]
    return [conformance_check(test, options) for test in tests]


def gtest_names(program, pattern):
    command = [program, "--gtest_list_tests", "--gtest_filter=" + pattern]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    suite, names = "", []
    for line in text.splitlines():
        if line.startswith("  "):
            names.append(suite + line.split("#")[0].strip())
        elif line.split("#")[0].strip().endswith("."):
            suite = line.split("#")[0].strip()
    return names


def conformance_check(test, options):
    name = "conformance." + re.sub(r"^\w+/|/\w+$", "", test).replace("/", ".")
    repeat = 5 if options.tier == "full" else 1
    script = f"exec conformance_test --gtest_filter={test} --gtest_repeat={repeat}"

    def judge(results):
        if results[0].ok and "[  SKIPPED ]" in results[0].text:
            return [Verdict(name, "skip", "by itself")]
        return one_verdict(name, results[0])

    return Check(name, [vm.Command(name, script, SECONDS[options.tier])], judge)


# --- test/syscalls -----------------------------------------------------------------------


def syscalls_checks(options):
    """All areas, a sandbox for each."""
    if built("syscalls_test") is None:
        return [skipped("syscalls", "not built: //test/syscalls:syscalls_test")]
    return [syscalls_check("syscalls." + area, area, cases, options, options.sandbox)
            for area, cases in areas_of_syscalls(options).items()]


def native_checks(options):
    return [syscalls_check("native." + area, area, cases, options, "")
            for area, cases in areas_of_syscalls(options).items() if area in NATIVE_AREAS]


def areas_of_syscalls(options):
    program = built("syscalls_test")
    areas = {}
    if program is None:
        return areas
    lines = subprocess.run([program, "--list", "--tier=" + options.tier], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.splitlines()
    for area, case in (line.split() for line in lines):
        areas.setdefault(area, []).append(case)
    return areas


def syscalls_check(name, area, cases, options, sandbox):
    script = (f"exec {sandbox} syscalls_test --json --tier={options.tier} --area={area} --jobs=4"
              f" --timeout={CASE_SECONDS}")

    def judge(results):
        told = {}
        for line in results[0].text.splitlines():
            event = json_of(line)
            if "case" in event:
                told[event["case"]] = event
        return [judge_case(f"{name}.{case}", told[case]) for case in cases if case in told] + lost(
            [f"{name}.{case}" for case in cases if case not in told], results[0])

    return Check(name, [vm.Command(name, script, 2 * SECONDS[options.tier])], judge)


def judge_case(name, event):
    if event["result"] == "pass":
        return Verdict(name, "ok")
    if event["result"] == "skip":
        return Verdict(name, "skip", event["reason"])
    return Verdict(name, "FAIL", event["reason"] + "\n" + tail(event["output"]))


def lost(names, result):
    """Verdicts of cases that were not heard of: the first one says why."""
    noise = [line for line in result.text.splitlines() if not line.startswith("{")]
    why = f"it did not end; {result.verdict}\n" + tail("\n".join(noise))
    return [Verdict(name, "FAIL", "nor did this one" if i else why) for i, name in enumerate(names)]


def json_of(line):
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


# --- The same program natively and in the sandbox ----------------------------------------


def compared(name, words, options, limit):
    """A check that a command line gives the same output and exit code in the VM and in the sandbox in it."""

    def judge(results):
        native, sandboxed = results
        if native.code is None or native.timed_out:
            return [Verdict(name, "FAIL", "natively: " + native.verdict + "\n" + tail(native.text))]
        if sandboxed.code is None or sandboxed.timed_out:
            return [Verdict(name, "FAIL", sandboxed.verdict + "\n" + tail(sandboxed.text))]
        lines = [] if native.code == sandboxed.code else [f"exit codes {native.code} and {sandboxed.code}"]
        lines += difflib.unified_diff(native.text.splitlines(), sandboxed.text.splitlines(), "native", "sandbox",
                                      lineterm="", n=0)
        return [Verdict(name, "FAIL", "\n".join(lines[:MAX_LINES])) if lines else Verdict(name, "ok")]

    commands = [vm.Command(name + " natively", "exec " + words, limit),
                vm.Command(name, f"exec {options.sandbox} {words}", limit)]
    return Check(name, commands, judge)


def programs_checks(options):
    return [compared("programs." + name, "sh -c " + shlex.quote(script), options, SECONDS[options.tier])
            for name, script in programs.scripts().items()]


# Cases that the kernel of an emulated processor kills natively, since iret and far returns read their frames as it would.
CONTAINED = ("opcodes", "iret_selectors", "iret_frames", "retf", "far_jumps", "accesses", "accesses_aligned", "accesses_down",
             "syscall_mov_ss", "entry_states", "entry_states_direct", "entry_states_bases", "entry_states_selectors")


def hostile_checks(options):
    """test/hostile: programs that try what no program should, in 10,000 random states, too. They print what they do natively."""
    program = built("hostile")
    if program is None:
        return [skipped("hostile", "not built: //test/hostile:hostile")]
    names = subprocess.run([program, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return [hostile_check(name, options) for name in names]


def hostile_check(case, options):
    name = "hostile." + case
    # Natively a vmcall is for the machine beneath, which here is QEMU.
    flags = [flag for flag, wanted in (("--full", case.startswith("entry_states")), ("--vmcalls", case == "vmcalls")) if wanted]
    script = "sh -c '" + " ".join(["hostile", *flags, case]) + "; echo alive'"
    native = script.replace("hostile", "hostile --contain", 1) if case in CONTAINED else script

    def judge(results):
        for where, result in zip(("natively: ", ""), results):
            if not result.ok or not result.text.endswith(f"{case}: end\nalive\n"):
                return [Verdict(name, "FAIL", f"{where}it did not come to its end: {result.verdict}\n{tail(result.text)}")]
        lines = [result.text.splitlines() for result in results]
        pairs, _ = limits.differences(*lines, limits.limits_for("qemu", case))
        words = [f"{len(pairs)} lines differ"] + [f"native: {a}\nsandbox: {b}" for a, b in pairs[:MAX_LINES // 2]]
        return [Verdict(name, "FAIL", "\n".join(words)) if pairs else Verdict(name, "ok")]

    limit = SECONDS[options.tier]
    commands = [vm.Command(name + " natively", "exec " + native, limit), vm.Command(name, f"exec {options.sandbox} {script}", limit)]
    return Check(name, commands, judge, "hostile")


# --- test/workloads, in a VM with Debian's programs --------------------------------------

# Of test/workloads what leans on the platform: forks, signals, threads, terminals, sockets, compilers and interpreters. The
# others (git, sqlite, archives ...) differ in what they ask of files, and cxx_threads compiles for 5 minutes here.
WORKLOADS = ("bash_forks.sh", "bash_pipes.sh", "bash_signals.sh", "coreutils_files.sh", "fifo_servers.sh", "gcc_project.sh",
             "perl.sh", "posix_sh.sh", "py_processes.py", "py_pty.py", "py_sockets.py", "py_threads.py", "static_program.sh")


def workloads_checks(options):
    if options.tier != "full":
        return []
    return [workload_check(workload, options) for workload in WORKLOADS]


def workload_check(workload, options):
    name = "workloads." + workload
    script = (f"exec /project/test/workloads/run --binary /usr/local/bin/runsc-cpp --platform={options.platform}"
              f" --slow 5 --jobs 1 {workload}")
    return Check(name, [vm.Command(name, script, 600)], lambda results: one_verdict(name, results[0]), "debian")


# --- Container engines under systemd, in a VM with a disk -----------------------------------

SYSTEMD = {"host": "sh", "docker_limits": "sh", "docker_inside": "sh", "docker_exit": "sh", "by_hand": "sh", "pod": "python3"}
SYSTEMD_SECONDS = 150  # 20 at most are usual


def systemd_checks(options):
    """Scripts of guest/systemd, which print what is wrong."""
    reason = disk.missing()
    if reason:
        return [skipped("systemd", reason)]
    return [systemd_check(name, program) for name, program in SYSTEMD.items()]


def systemd_check(script, program):
    name = "systemd." + script
    words = f". /project/systemd/common; ready; exec {program} /project/systemd/{script}"
    return Check(name, [vm.Command(name, words, SYSTEMD_SECONDS)], lambda results: one_verdict(name, results[0]), "systemd")


GROUPS = (boot_checks, platforms_checks, unit_checks, conformance_checks, hostile_checks, programs_checks, native_checks,
          syscalls_checks, workloads_checks, systemd_checks)


# The ci tier: that the VM boots, and that the platform answers there.
FEW_CONFORMANCE = ("SyscallStopsBehindTheInstruction", "AllRegistersAreKept", "ReadFault", "WriteFault",
                   "SpacesAreSeparate", "Exceptions", "SingleStep", "KickStormKeepsBases")
CI_GROUPS = (boot_checks, unit_checks, conformance_checks, native_checks)


def all_checks(options):
    groups = GROUPS if options.tier == "full" else CI_GROUPS
    return [check for group in groups for check in group(options)]
