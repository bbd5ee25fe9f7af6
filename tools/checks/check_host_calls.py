#!/usr/bin/env python3
"""Host calls that open a door stand only where tools/host_calls.txt says.

A line there: PATH CALL[,CALL...]  # reason
Tests are free. A line that nothing needs any more is a finding too.
`check_host_calls.py ROOT --suggest` prints the lines that are missing, less the
reasons.
"""

import re
import sys

import common

LIST = "tools/host_calls.txt"
CALLS = (
    "syscall open open64 openat openat2 creat fopen opendir popen system socket socketpair connect bind listen accept "
    "accept4 ioctl fork vfork clone clone3 execve execveat fexecve execv execvp execvpe execl execlp posix_spawn ptrace "
    "prctl kill tgkill unshare setns mount umount umount2 pivot_root chroot mknod mknodat memfd_create "
    "process_vm_readv process_vm_writev sendmsg recvmsg dlopen setuid setgid setresuid setresgid setgroups capset seccomp "
    "bpf perf_event_open userfaultfd io_uring_setup open_by_handle_at name_to_handle_at").split()
CALL = re.compile(r"(?<![\w.>:~])(?:::\s*)?(" + "|".join(sorted(CALLS, key=len, reverse=True)) + r")\s*\(")
# Comments, string and character literals: no calls in there.
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
# A constructor's first member, as in `Path(Mount m) : mount(m)`.
INITIALIZER = re.compile(r"\)\s*(noexcept\s*)?:\s*$")
ENTRY = re.compile(r"^(\S+)\s+(\S+)\s+#\s*(\S.*)$")


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def calls_in(text):
    """(line, call) pairs of the host calls in C++ text."""
    text = NOISE.sub(blank, text)
    for match in CALL.finditer(text):
        if INITIALIZER.search(text, max(0, match.start() - 40), match.start()):
            continue
        yield text.count("\n", 0, match.start()) + 1, match[1]


def read_list(root, findings):
    entries = {}
    for number, line in enumerate(common.read(root, LIST).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = ENTRY.match(line)
        if not match:
            findings.append(f"{LIST}:{number}: not of the form PATH CALL[,CALL...]  # reason")
            continue
        for call in match[2].split(","):
            entries[(match[1], call)] = number
    return entries


def suggest(missing):
    for name in sorted({name for name, _ in missing}):
        calls = ",".join(sorted(call for other, call in missing if other == name))
        print(f"{name} {calls}  # ")


def main():
    root = common.root_from_argv()
    findings = []
    missing = set()
    entries = read_list(root, findings)
    unused = set(entries)
    for name in common.tree_files(root):
        if not common.is_cpp(name) or name.endswith(".S") or name.startswith("test/") or "_test." in name:
            continue
        for line, call in calls_in(common.read(root, name)):
            unused.discard((name, call))
            if (name, call) not in entries:
                missing.add((name, call))
                findings.append(f"{name}:{line}: {call}() is a host call that {LIST} does not allow here")
    if "--suggest" in sys.argv:
        suggest(missing)
        return 0
    findings += [f"{LIST}:{entries[key]}: {key[0]} does not call {key[1]}() any more" for key in sorted(unused)]
    return common.finish("check_host_calls", findings)


if __name__ == "__main__":
    sys.exit(main())
