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
    Limit("software-kvm", "deaths", r": signal 11$", (), "the host refuses to play what it was asked to", r": signal 4$"),
    Limit("software-kvm", "*", r" fl=0x\w*[4-7c-f]\w{3}( |$)", ("fl", "hfl", "r11"), "NT is lost on the way in"),
    Limit("software-kvm", "*", r" sel=", ("sel",), "the host loses 32-bit code's selectors in data segments"),
    Limit("software-kvm", "entry_states*", r" trap=1 .* fl=0x1\w{4} ", ("fl", "hfl"), "UMIP and RF of the host's steps are not the processor's"),
    Limit("software-kvm", "births*", r" (fl|ds|es)=", ("ds", "es"), "the host loads no data segments on the way in"),
    Limit("software-kvm", "steps*", r"^(sgdt|first rep stosb):", (), "UMIP and RF of the host's steps are not the processor's"),
    # A KVM on an emulated processor (test/qemu), whose native run is the emulation's, too.
    Limit("qemu", "*", r"(^|[ :])lost( |$)", (), "natively the emulation reads an iret's frame as the kernel would, which kills the task"),
    Limit("qemu", "deaths", r": signal 9$", (), "natively the emulation reads an iret's frame as the kernel would, which kills the task"),
    Limit("qemu", "vmcalls", r"^vmcall:", (), "KVM plays vmcall as another vendor's, which is #GP", r" trap=13 err=0 "),
    Limit("qemu", "deaths", r": signal 4$", (), "KVM plays sysexit as another vendor's, which is #GP", r": signal 11$"),
    Limit("qemu", "written_bases", r"^wr[fg]sbase 0x(8000\w{8}|8000\w{12}|ffff7fff\w{8}), ", (), "an emulated wrfsbase takes what is not canonical"),
    Limit("qemu", "*", r" trap=6 ", ("fl",), "an emulated invalid opcode sets no RF; KVM hands it on with it, as processors do"),
    Limit("qemu", "*", r" trap=6 ", (), "KVM plays sysexit as another vendor's, which is #GP", r" trap=13 err=0 "),
    Limit("qemu", "opcodes", r"^op 0xf0[01]", ("rip",), "natively Linux plays what UMIP refuses, and the step after it"),
    Limit("qemu", "steps", r"^sgdt:", (), "natively Linux plays what UMIP refuses, and the step after it"),
    Limit("qemu", "sigreturn_fpu_images", r"^image word 24 .*taken", (), "emulated loads of MXCSR take reserved bits"),
    Limit("qemu", "entry_states*", r" mx=[0-9a-f]{5,}", ("fpu", "mx"), "emulated loads of MXCSR take reserved bits"),
    Limit("qemu", "sigreturn_segments", r"trap=13 err=", ("err",), "ss of an LDT that is not there: 0 on AMD's processors, not emulated"),
    Limit("qemu", "entry_states_selectors", r" trap=13 err=", ("err",), "which of an iret's faults comes first: AMD's order is not emulated"),
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
