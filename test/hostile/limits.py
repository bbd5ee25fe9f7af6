"""What a platform cannot do, and why. Nothing else may differ from the native run.

The key of a rule is the line natively: `fields` of it are not compared, or without any the whole line is not. A rule
must be as narrow as its reason.
"""
import dataclasses
import fnmatch
import re


@dataclasses.dataclass(frozen=True)
class Limit:
    platform: str  # a pattern, as is `case`
    case: str
    line: str  # a regular expression, searched for
    fields: tuple
    reason: str
    other: str = ""  # the same for the platform's line


LIMITS = (
    Limit("*", "vsyscall", r"^vsyscall \w+\(.*sig=11 code=0x(1|80)", (),
          "a bad pointer is SIGSEGV on Linux; the kernel does not know a vsyscall from a call, and gives EFAULT"),
    Limit("*", "syscall_edges", r"^top: ", (), "guests end at 0x7fffe0000000 (kMaxUserAddr); stubs lie above"),
    Limit("systrap", "selector_bases", r"^gs:\S+ base 0:", (), "gs is the stub's while the guest has none"),
    # What the host's KVM plays in software, it plays in its own way; SOFTWARE_KVM (run) is kvm there.
    Limit("software-kvm", "opcodes", "", (), "single steps over instructions that the host plays"),
    Limit("software-kvm", "*", r" trap=(6|12|13) ", (), "the host plays what faults, and ends it in its own way"),
    Limit("software-kvm", "*", "", (), "the host refuses to play what it was asked to", r" trap=6 "),
    Limit("software-kvm", "*", r" fl=0x\w*[4-7c-f]\w{3}( |$)", ("fl", "hfl", "r11"), "NT is lost on the way in"),
    Limit("software-kvm", "*", r" sel=", ("sel",), "the host loses 32-bit code's selectors in data segments"),
    Limit("software-kvm", "births*", r" (fl|ds|es)=", ("ds", "es"), "the host loads no data segments on the way in"),
    Limit("software-kvm", "steps*", r"^(sgdt|first rep stosb):", (), "UMIP and RF of the host's steps are not the processor's"),
    Limit("systrap", "written_bases", r"^wrfsbase .*load by it", (), "gs is the stub's while the guest has none"),
    Limit("systrap", "births", r" sel=[^0]", ("sel",), "no signal frame holds ds and es: a new thread begins with null ones"),
    Limit("ptrace", "*", r" err=", ("err",), "PTRACE_GETSIGINFO tells no error code: reads and writes are guessed apart"),
    Limit("ptrace", "*", r" trap=(4|16) ", ("trap",), "nor the trap number: #OF looks like #GP, #MF like #XM"),
)
RANGE = re.compile(r"^(.*) (0x[0-9a-f]+|0)-(0x[0-9a-f]+): ")


def limits_for(platform, case):
    return [limit for limit in LIMITS
            if fnmatch.fnmatch(platform, limit.platform) and fnmatch.fnmatch(case, limit.case)]


def expand(lines):
    """`NAME 0x0-0x3: ...`, which puts equal results together, as a line a number: a rule may make more of them equal."""
    for line in lines:
        match = RANGE.match(line)
        if match is None:
            yield line
            continue
        for number in range(int(match[2], 0), int(match[3], 0) + 1):
            yield f"{match[1]} {number:#x}: {line[match.end():]}" if number else f"{match[1]} 0: {line[match.end():]}"


def without(line, fields):
    return " ".join(word for word in line.split(" ") if word.partition("=")[0] not in fields)


def differences(native, other, limits):
    """((native line, other line) pairs that no limit allows, {limit: number of lines it was needed for})."""
    pairs, used = [], {}
    if native == other:
        return pairs, used
    native, other = list(expand(native)), list(expand(other))
    length = max(len(native), len(other))
    native += [""] * (length - len(native))
    other += [""] * (length - len(other))
    for expected, got in zip(native, other):
        if expected == got:
            continue
        rules = [limit for limit in limits if re.search(limit.line, expected) and re.search(limit.other, got)]
        fields = {field for rule in rules for field in rule.fields}
        if any(not rule.fields for rule in rules) or without(expected, fields) == without(got, fields):
            for rule in rules:
                used[rule] = used.get(rule, 0) + 1
        else:
            pairs.append((expected, got))
    return pairs, used
