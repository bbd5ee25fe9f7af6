#!/usr/bin/env python3
"""Include direction: each room may use only what stands to its left.

The order is docs/architecture.md's. ROOMS gives each path prefix (the longest
match counts) a column; a room includes from its own prefix and from smaller
columns. EXTRA lists the further edges, each with its reason.
"""

import re
import sys

import common

ROOMS = {
    "base/": 0,
    "sentry/abi/": 10,
    "sentry/arch/": 20,
    "sentry/fastpath/": 25,
    "sentry/usermem/": 30,
    "sentry/memfile/": 40,
    "platform/platform.h": 50,
    "platform/host_priority.h": 45,
    "platform/": 55,
    "sentry/mm/": 60,
    "sentry/vfs/": 70,
    "sentry/kernel/cgroup/": 72,
    "sentry/kernel/ipc/": 72,
    "sentry/loader/": 75,
    "sentry/kernel/": 80,
    "sentry/fs/": 80,
    "sentry/net/": 80,
    "sentry/trace/": 85,
    "sentry/syscalls/": 90,
    "sentry/control/": 100,
    "sentry/state/": 100,
    "fsgofer/protocol/": 15,
    "fsgofer/server/": 16,
    "netgofer/protocol/": 15,
    "netgofer/server/": 16,
    "runsc-cpp/": 110,
    "test/": 120,
    "tools/": 120,
}

# from -> to, where the columns alone would forbid it.
EXTRA = {
    ("sentry/syscalls/", "sentry/fs/pipe/"): "pipe2, splice, tee, F_SETPIPE_SZ",
    ("sentry/syscalls/", "sentry/fs/eventfd/"): "eventfd2",
    ("sentry/syscalls/", "sentry/fs/mqueue/"): "mq_open and its kin",
    ("sentry/syscalls/", "sentry/fs/signalfd/"): "signalfd4, and the kernel's signals in its shape",
    ("sentry/syscalls/", "sentry/fs/timerfd/"): "timerfd_create, and the kernel's timers in its shape",
    ("sentry/syscalls/", "sentry/fs/tmpfs/"): "memfd_create and seals",
    ("sentry/syscalls/", "sentry/fs/cgroup/"): "clone3's CLONE_INTO_CGROUP",
    ("sentry/syscalls/", "sentry/fs/proc/"): "pidfd_send_signal to an open /proc/PID",
    ("sentry/vfs/test_tree.h", "sentry/fs/tmpfs/"): "a tree for tests",
    ("platform/conformance", "platform/ptrace/"): "each platform is put to the same test",
    ("platform/conformance", "platform/systrap/"): "each platform is put to the same test",
    ("platform/conformance", "platform/kvm/"): "each platform is put to the same test",
    ("sentry/fs/", "sentry/fs/"): "pseudo file systems share parts; the overlay stands on others",
}

# to -> the only prefixes that may include it, whatever the columns say.
ONLY_FROM = {
    "platform/stub/": ("platform/", "runsc-cpp/boot/", "runsc-cpp/selection/", "test/fault/stub/"),
    "platform/ptrace/": ("runsc-cpp/boot/",),
    "platform/systrap/": ("runsc-cpp/boot/", "test/fault/stub/"),
    "platform/kvm/": ("runsc-cpp/boot/", "runsc-cpp/filter/"),
    "sentry/fs/": ("sentry/fs/", "runsc-cpp/boot/"),
    "fsgofer/protocol/": ("fsgofer/", "sentry/fs/gofer/", "runsc-cpp/"),
    "fsgofer/server/": ("runsc-cpp/",),
    "netgofer/protocol/": ("netgofer/", "sentry/net/hostinet/", "runsc-cpp/boot/"),
    "netgofer/server/": ("runsc-cpp/boot/",),
}

# fsgofer and netgofer are processes of their own and see nothing of the sentry but the ABI.
ONLY_TO = {"fsgofer/": ("base/", "sentry/abi/", "fsgofer/"), "netgofer/": ("base/", "sentry/abi/", "netgofer/")}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def room_of(name):
    """The longest prefix in ROOMS, or None for what is not ours."""
    found = [prefix for prefix in ROOMS if name.startswith(prefix)]
    return max(found, key=len) if found else None


def own_room(name):
    """Where a file may include freely from: kernel/, fs/tmpfs/, runsc-cpp/."""
    parts = name.split("/")
    return "/".join(parts[:3 if name.startswith("sentry/fs/") else 2]) + "/"


def is_test(name):
    return name.startswith("test/") or "_test." in name or "/testing/" in name or "/fake_" in name


def allowed(source, target):
    if target.startswith(own_room(source)):
        return True
    if is_test(source):
        return not target.startswith("test/") or source.startswith("test/")
    for prefix, targets in ONLY_TO.items():
        if source.startswith(prefix) and not target.startswith(targets):
            return False
    for left, right in EXTRA:
        if source.startswith(left) and target.startswith(right):
            return True
    for prefix, sources in ONLY_FROM.items():
        if target.startswith(prefix) and not source.startswith(sources):
            return False
    source_room, target_room = room_of(source), room_of(target)
    if source_room == target_room:
        return True
    return ROOMS[target_room] < ROOMS[source_room]


def main():
    root = common.root_from_argv()
    findings = []
    for name in common.tree_files(root):
        if not common.is_cpp(name) or name.startswith("third_party/"):
            continue
        if room_of(name) is None:
            findings.append(f"{name}: no room in check_includes.py has this path")
            continue
        for number, line in enumerate(common.read(root, name).splitlines(), 1):
            match = INCLUDE.match(line)
            if match and room_of(match[1]) and not allowed(name, match[1]):
                findings.append(f"{name}:{number}: may not include {match[1]}: it does not stand to the left")
    return common.finish("check_includes", findings)


if __name__ == "__main__":
    sys.exit(main())
