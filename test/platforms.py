"""Which platforms the suites run on where nobody names one."""
import os
import sys


def can_open_kvm():
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def default_platforms():
    """All that can be expected to work here; of one that can't, a line says why."""
    names = ["systrap", "ptrace"]
    if can_open_kvm():
        names.append("kvm")
    else:
        print("not on kvm: /dev/kvm can't be opened for reading and writing", file=sys.stderr, flush=True)
    return names
