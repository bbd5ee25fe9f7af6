"""State files as a crash, a full disk, a reboot or a fool leaves them."""
import json
import os
import struct
import zlib

import suite
from suite import check, until

CASES = suite.Cases()
SECONDS = 20
HEADER = struct.Struct("<III")
MAGIC = 0x63707231


def _running(stand):
    """(id, bundle, record's path) of a container that runs."""
    ident, folder = stand.make(stand.ours, {"/process/args": ["/bin/sleep", "1000"]})
    for words in (["create", "--bundle", folder, "--pid-file", folder + "/pid", ident], ["start", ident]):
        code = stand.silent(stand.ours.command(*words)).wait(SECONDS)
        check(code == 0, f"{words[0]}: code {code}")
    return ident, folder, f"{stand.ours.root}/{ident}/record"


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def _victim(stand):
    """A folder that nobody may touch."""
    folder = stand.base + "/victim"
    if not os.path.isdir(folder):
        os.mkdir(folder)
        _write(folder + "/file", b"x")
    return folder


def _gone(stand, ident, what):
    """list goes on, state says so, delete --force takes all away."""
    other, folder = stand.make(stand.ours, {"/process/args": ["/bin/sleep", "1000"]})
    code = stand.silent(stand.ours.command("create", "--bundle", folder, other)).wait(SECONDS)
    check(code == 0, f"{what}: create beside it: code {code}")
    listed = stand.call(stand.ours, "list", "-q")
    check(listed.code == 0 and other in listed.out.split(), f"{what}: list: {listed}")
    done = stand.call(stand.ours, "state", ident)
    check(done.code == 1 or json.loads(done.out)["status"] in ("creating", "stopped"), f"{what}: state: {done}")
    words = "does not exist" if what == "none" else "delete --force"
    check(done.code == 0 or words in done.err, f"{what}: no {words} in: {done.err}")
    done = stand.call(stand.ours, "delete", "--force", ident)
    check(done.code == 0, f"{what}: delete --force: {done}")
    check("does not exist" in stand.call(stand.ours, "state", ident).err, f"{what}: still there")
    stand.drop(ident)
    stand.drop(other)
    left = stand.clean()
    check(not left, f"{what}: left behind: {'; '.join(left[:6])}")


@CASES.case()
def record_truncated(stand):
    for part in (0, 1, 11, 12, 13, 0.5, 1.0):
        ident, _, path = _running(stand)
        data = _read(path)
        length = part if isinstance(part, int) else min(int(len(data) * part), len(data) - 1)
        _write(path, data[:length])
        _gone(stand, ident, f"{length} of {len(data)} bytes")


@CASES.case()
def record_garbled(stand):
    for what, change in (("a bit", lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:]), ("zeros", lambda data: bytes(len(data))),
                         ("more", lambda data: data + b"more"), ("text", lambda data: b"{}\n"),
                         ("magic", lambda data: b"0000" + data[4:]), ("16 MiB", lambda data: data + bytes(17 << 20)),
                         ("no message", lambda data: HEADER.pack(MAGIC, 4, zlib.crc32(b"\xff\xff\xff\xff")) + b"\xff\xff\xff\xff")):
        ident, _, path = _running(stand)
        _write(path, change(_read(path)))
        _gone(stand, ident, what)


@CASES.case()
def record_not_a_file(stand):
    for what in ("none", "folder", "link"):
        ident, _, path = _running(stand)
        os.unlink(path)
        if what == "folder":
            os.mkdir(path)
        elif what == "link":
            os.symlink(_victim(stand) + "/file", path)
        _gone(stand, ident, what)
    check(os.path.exists(_victim(stand) + "/file"), "what the link points to")


@CASES.case()
def stored_config_damaged(stand):
    """The copy of config.json: its hooks are lost, all else is cleaned."""
    for text in (None, b"", b"{"):
        ident, _, path = _running(stand)
        copy = os.path.dirname(path) + "/config.json"
        os.unlink(copy)
        if text is not None:
            _write(copy, text)
        check(json.loads(stand.call(stand.ours, "state", ident).out)["status"] == "running", "state")
        stand.drop(ident)
        left = stand.clean()
        check(not left, f"{text}: left behind: {left[:6]}")


@CASES.case()
def socket_lost(stand):
    """Nobody can ask the sentry any more: kill -9 and delete --force still work."""
    ident, folder, _ = _running(stand)
    for name in os.listdir(stand.ours.root + "/.sandboxes"):
        os.unlink(f"{stand.ours.root}/.sandboxes/{name}")
    check(json.loads(stand.call(stand.ours, "state", ident).out)["status"] == "running", "state")
    done = stand.call(stand.ours, "exec", ident, "true")
    check(done.code in (1, 255) and done.err, f"exec: {done}")
    done = stand.call(stand.ours, "kill", ident, "9")
    check(done.code == 0, f"kill: {done}")
    until(lambda: json.loads(stand.call(stand.ours, "state", ident).out)["status"] == "stopped", 5, "stopped")
    del folder


@CASES.case()
def reboot(stand):
    """A record of another boot: its pids are others' now, and nobody is killed by it."""
    ident, folder, path = _running(stand)
    other = ident[:-1] + "x"
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip().encode()
    body = _read(path)[HEADER.size:]
    check(boot in body, "the record has no boot id")
    body = body.replace(ident.encode(), other.encode()).replace(boot, boot[::-1])
    os.mkdir(f"{stand.ours.root}/{other}", 0o700)
    _write(f"{stand.ours.root}/{other}/record", HEADER.pack(MAGIC, len(body), zlib.crc32(body)) + body)
    _write(f"{stand.ours.root}/{other}/config.json", _read(os.path.dirname(path) + "/config.json"))
    found = json.loads(stand.call(stand.ours, "state", other).out)
    check((found["status"], found["pid"]) == ("stopped", 0), f"state: {found}")
    check(other in stand.call(stand.ours, "list", "-q").out.split(), "not listed")
    done = stand.call(stand.ours, "start", other)
    check(done.code == 1, f"start: {done}")
    done = stand.call(stand.ours, "kill", other, "9")
    check(done.code == 1 and "container not running" in done.err, f"kill: {done}")
    done = stand.call(stand.ours, "delete", other)
    check(done.code == 0, f"delete: {done}")
    check(json.loads(stand.call(stand.ours, "state", ident).out)["status"] == "running", "it killed what has its pids now")
    with open(folder + "/pid", encoding="ascii") as file:
        check(os.path.exists(f"/proc/{file.read()}"), "it killed what has its pids now")


@CASES.case()
def strange_names(stand):
    """What else may lie in the state's folder."""
    ident, _, path = _running(stand)
    root = os.path.dirname(os.path.dirname(path))
    for name in ("lost+found", "no record", "." + ident):
        os.mkdir(f"{root}/{name}")
    _write(root + "/file", b"x")
    victim = _victim(stand)
    os.symlink(victim, root + "/link")
    listed = stand.call(stand.ours, "list", "-q")
    check(listed.code == 0 and ident in listed.out.split(), f"list: {listed}")
    done = stand.call(stand.ours, "delete", "--force", "../" + os.path.basename(root) + "/" + ident)
    check(json.loads(stand.call(stand.ours, "state", ident).out)["status"] == "running", f"a path was taken for an id: {done}")
    stand.call(stand.ours, "delete", "--force", "link")
    check(os.path.exists(victim + "/file"), "a link was followed, and what it points to was removed")
    for name in ("lost+found", "no record", "." + ident):
        if os.path.isdir(f"{root}/{name}"):
            os.rmdir(f"{root}/{name}")
    for name in ("file", "link"):
        if os.path.lexists(f"{root}/{name}"):
            os.unlink(f"{root}/{name}")
