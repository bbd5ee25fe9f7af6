"""Names, sysctls, devices, seccomp, user namespaces, personality, annotations."""
import json
import os

import configs
from kinds import case, check_refused, expect, refused, same
from mount_cases import mounts
from stand import BASE, HERE, SPACES, check, equal, warnings

same("hostname", {"/hostname": "box-1"}, "hostname; cat /proc/sys/kernel/hostname; uname -n")
same("hostname_long", {"/hostname": "h" * 64}, "hostname")
expect("domainname", {"/domainname": "example.org"}, "cat /proc/sys/kernel/domainname", "example.org\n")
for _key, _value in (("net.ipv4.ip_forward", "1"), ("net.core.somaxconn", "77"), ("kernel.shmmax", "123456789"),
                     ("kernel.msgmax", "4096"), ("kernel.sem", "100\t200\t30\t40"), ("net.ipv4.ip_local_port_range", "2000\t3000"),
                     ("net.ipv4.ping_group_range", "0\t1000"), ("net.ipv4.ip_unprivileged_port_start", "80")):
    same("sysctl_" + _key.replace(".", "_"), {"/linux/sysctl": {_key: _value}}, f"cat /proc/sys/{_key.replace('.', '/')}")
same("sysctl_mqueue", {"/linux/sysctl": {"fs.mqueue.msg_max": "5"}, **mounts(
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"})}, "cat /proc/sys/fs/mqueue/msg_max")
same("sysctl_domainname", {"/linux/sysctl": {"kernel.domainname": "example.org"}}, "cat /proc/sys/kernel/domainname")
same("sysctl_mqueue_read_only", {"/linux/sysctl": {"fs/mqueue/msgsize_max": "4096"}, "/linux/readonlyPaths": ["/proc/sys"]},
     "cat /proc/sys/fs/mqueue/msgsize_max; (echo 1 >/proc/sys/fs/mqueue/msgsize_max) 2>/dev/null; echo $?")
refused("sysctl_hostname", {"/linux/sysctl": {"kernel.hostname": "x"}}, 'linux.sysctl["kernel.hostname"]', "conflicts with the OCI")
refused("sysctl_mqueue_bad_value", {"/linux/sysctl": {"fs.mqueue.msg_max": "much"}}, 'linux.sysctl["fs.mqueue.msg_max"]', '"much"',
        "Invalid argument")
refused("sysctl_unknown", {"/linux/sysctl": {"fs.mqueue.planet": "1"}}, 'linux.sysctl["fs.mqueue.planet"]', "No such file")
refused("sysctl_without_ipc", {"/linux/sysctl": {"fs.mqueue.msg_max": "5"}, "/linux/namespaces": [{"type": "mount"}]},
        'linux.sysctl["fs.mqueue.msg_max"]', "is not allowed in the hosts ipc namespace")
refused("sysctl_of_host", {"/linux/sysctl": {"kernel.randomize_va_space": "0"}}, "linux.sysctl", "kernel.randomize_va_space",
        "is not in a separate kernel namespace")
refused("sysctl_bad_value", {"/linux/sysctl": {"kernel.shmmax": "much"}}, "kernel.shmmax", "much")
same("sysctl_read_only_proc_sys", {"/linux/sysctl": {"kernel.shmmax": "12345678"}, "/linux/readonlyPaths": ["/proc/sys"]},
     "cat /proc/sys/kernel/shmmax; (echo 1 >/proc/sys/kernel/shmmax) 2>/dev/null; echo $?")


def device(path, kind, major, minor, **members):
    return {"path": path, "type": kind, "major": major, "minor": minor, **members}


ALLOW = {"/linux/resources": {"devices": [{"allow": True, "access": "rwm"}]}}
same("devices_default", {}, "stat -c '%n %F %a %u %g %t:%T' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty; "
     "ls -l /dev/fd /dev/stdin /dev/core /dev/ptmx | sed 's/.* \\//\\//'")
same("devices_given", {**ALLOW, "/linux/devices": [
    device("/dev/none", "c", 1, 3, fileMode=0o620, uid=1000, gid=2000), device("/dev/deep/zero", "u", 1, 5),
    device("/dev/fifo", "p", 0, 0, fileMode=0o600), device("/dev/disk", "b", 7, 200, fileMode=0o640)]},
     "stat -c '%n %F %a %u %g %t:%T' /dev/none /dev/deep/zero /dev/fifo /dev/disk; echo x >/dev/none; head -c 3 /dev/deep/zero | wc -c")
same("devices_work", {}, "echo x >/dev/null; head -c 5 /dev/zero | wc -c; (echo x >/dev/full) 2>/dev/null; echo $?; "
     "head -c 9 /dev/urandom | wc -c; head -c 9 /dev/random | wc -c")
expect("devices_of_host", {**ALLOW, "/linux/devices": [device("/dev/disk", "b", 254, 0), device("/dev/mem", "c", 1, 1)]},
       "test -b /dev/disk && test -c /dev/mem && echo there; cat /dev/disk 2>&1; cat /dev/mem 2>&1",
       "there\ncat: can't open '/dev/disk': No such device or address\ncat: can't open '/dev/mem': No such device or address\n", code=1)
refused("devices_relative", {"/linux/devices": [device("dev/x", "c", 1, 3)]}, "linux.devices[0].path", '"dev/x"')

CHMOD = """touch /tmp/f
for mode in 700 710 600 777; do chmod $mode /tmp/f 2>/dev/null; echo $mode $?; done"""


def seccomp(*rules, default="SCMP_ACT_ALLOW", **members):
    return {"/linux/seccomp": {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
                               "syscalls": list(rules), **members}}


def rule(names, action, **members):
    return {"names": names.split(), "action": "SCMP_ACT_" + action, **members}


for _op, _value, _two in (("EQ", 0o700, 0), ("NE", 0o700, 0), ("LT", 0o700, 0), ("LE", 0o700, 0), ("GT", 0o700, 0), ("GE", 0o700, 0),
                          ("MASKED_EQ", 0o700, 0o700)):
    _arg = {"index": 1, "value": _value, "valueTwo": _two, "op": "SCMP_CMP_" + _op}
    if _op == "MASKED_EQ":
        _arg.update(value=0o070, valueTwo=0o010)
    same("seccomp_args_" + _op.lower(), seccomp(rule("chmod", "ERRNO", args=[_arg]),
                                                rule("fchmodat", "ERRNO", args=[{**_arg, "index": 2}])), CHMOD)
same("seccomp_args_two", seccomp(rule("chmod", "ERRNO", args=[{"index": 1, "value": 0o600, "op": "SCMP_CMP_GT"},
                                                              {"index": 1, "value": 0o710, "op": "SCMP_CMP_LT"}])), CHMOD)
for _action in ("ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "LOG", "TRACE", "ALLOW"):
    same("seccomp_" + _action.lower(), seccomp(rule("mkdir mkdirat", _action)),
         "(mkdir /tmp/d) 2>/dev/null; echo $?; mkdir /tmp/e 2>&1; grep Seccomp: /proc/self/status")
same("seccomp_errno", seccomp(rule("mkdir mkdirat", "ERRNO", errnoRet=13)), "mkdir /tmp/d 2>&1; echo $?")
same("seccomp_errno_zero", seccomp(rule("mkdir mkdirat", "ERRNO", errnoRet=0)), "mkdir /tmp/d; echo $?; test -d /tmp/d; echo $?")
expect("seccomp_flags", seccomp(rule("mkdir mkdirat", "ERRNO"), flags=["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]),
       "mkdir /tmp/d 2>/dev/null; echo $?", "1\n")
same("seccomp_no_new_privileges", {**seccomp(rule("mkdir mkdirat", "ERRNO")), "/process/noNewPrivileges": True},
     "mkdir /tmp/d 2>&1; echo $?")
same("seccomp_without_capabilities", {**seccomp(rule("mkdir mkdirat", "ERRNO")), "/process/capabilities": {},
                                      "/process/user": {"uid": 1000, "gid": 1000}},
     "mkdir /tmp/d 2>&1; grep -E 'Seccomp:|NoNew' /proc/self/status")
same("seccomp_unknown_call", seccomp(rule("no_such_call mkdir mkdirat", "ERRNO")), "mkdir /tmp/d 2>&1; echo $?")
same("seccomp_exec", seccomp(rule("execve", "ERRNO", errnoRet=2, args=[{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}])),
     "echo alive; /bin/true; echo $?")
refused("seccomp_errno_of_allow", seccomp(rule("mkdir", "ALLOW", errnoRet=1)), "linux.seccomp.syscalls[0].errnoRet")
refused("seccomp_notify", seccomp(rule("mkdir", "NOTIFY")), "linux.seccomp", "SCMP_ACT_NOTIFY")


@case()
def seccomp_docker(stand):
    """An allow list, as an engine writes it."""
    recorded = configs.read(os.path.join(os.path.dirname(HERE), "recordings/docker.json"))
    found = [call["config"]["linux"]["seccomp"] for scenario in recorded for call in scenario["calls"] if "seccomp" in call.get("config", {}).get("linux", {})]
    check(found, "no recorded profile")
    script = """grep Seccomp: /proc/self/status; mkdir /tmp/d; echo $?
mount -t tmpfs x /tmp/d 2>&1; unshare -n true 2>&1; chroot / /bin/true; echo $?; linux32 uname -m 2>&1; date +%Y >/dev/null; echo $?"""
    theirs = stand.run(stand.oracle, {"/linux/seccomp": found[0]}, script)
    ours = stand.run(stand.ours, {"/linux/seccomp": {**found[0], "defaultErrnoRet": 1}}, script)
    equal(ours.said(), theirs.said(), f"{ours.err}; output")


@case()
def user_namespace(stand):
    mappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    changes = {"/linux/namespaces": BASE["linux"]["namespaces"] + [{"type": "user"}], "/linux/uidMappings": mappings,
               "/linux/gidMappings": mappings, "/root/readonly": True}
    script = "cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c '%u %g' /bin/busybox; touch /dev/x; stat -c %u /dev/x"
    theirs = stand.run(stand.oracle, changes, script)
    ours = stand.run(stand.ours, changes, script)
    if theirs.code == 0:
        equal(ours.said(), theirs.said(), f"{ours.err}; output")
    else:
        equal(ours.out.splitlines()[:3], ["         0     100000      65536"] * 2 + ["0"], f"{ours.err}; output")


@case()
def user_namespace_files(stand):
    """On the host files belong to the ids outside; exec and who joins by path are in the same user namespace."""
    mappings = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    user = {"/linux/uidMappings": mappings, "/linux/gidMappings": mappings}
    ident, folder, outcome = stand.create(stand.ours, {**user, "/linux/namespaces": BASE["linux"]["namespaces"] + [{"type": "user"}]}, "sleep 100")
    equal(outcome.code, 0, outcome.err)
    os.chown(folder + "/rootfs/tmp", 100000, 100005)
    equal(stand.call(stand.ours, "start", ident).code, 0, "start")
    script = "touch /tmp/f; chown 7:8 /tmp/f; stat -c '%u %g' /tmp /tmp/f; touch /x 2>/dev/null; echo $?; mknod /tmp/n c 1 3 2>/dev/null; echo $?"
    done = stand.call(stand.ours, "exec", "--cap", "CAP_CHOWN", "--cap", "CAP_MKNOD", ident, "/bin/sh", "-c", script)
    equal(done.said(), (0, "0 5\n7 8\n1\n1\n"), done.err)
    found = os.stat(folder + "/rootfs/tmp/f")
    equal((found.st_uid, found.st_gid), (100007, 100008), "owner on the host")
    joined = [{"type": name} for name in SPACES] + [{"type": "user", "path": f"/proc/{stand.pid(folder)}/ns/user"}]
    equal(stand.run(stand.ours, {"/linux/namespaces": joined}, "cat /proc/self/uid_map; stat -c %u /etc").out,
          "         0     100000       1000\n65534\n", "who joins")
    check_refused(stand, {"/linux/namespaces": [{"type": "user", "path": "/proc/self/ns/user"}]}, ("user",))
    check_refused(stand, {**user, "/linux/namespaces": BASE["linux"]["namespaces"] + [{"type": "user"}], "/process/user/uid": 5000},
                  ("process.user", "mapping"))


refused("mappings_without_namespace", {"/linux/uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]},
        "linux.uidMappings", "user namespace")
refused("mappings_overlap", {"/linux/namespaces": [{"type": "user"}], "/linux/gidMappings": [{"containerID": 0, "hostID": 0, "size": 9}],
                             "/linux/uidMappings": [{"containerID": 0, "hostID": 0, "size": 9}, {"containerID": 5, "hostID": 90, "size": 9}]},
        "linux.uidMappings[1]", "overlaps")
expect("personality", {"/linux/personality": {"domain": "LINUX32"}}, "uname -m; cat /proc/self/personality", "i686\n00000008\n")
expect("personality_linux", {"/linux/personality": {"domain": "LINUX"}}, "uname -m", "x86_64\n")
same("unknown_properties", {"/no.such": {"a": 1}, "/process/noSuch": [1], "/linux/resources": {"noSuch": {}}}, "echo fine")
same("accepted_labels", {"/linux/mountLabel": "", "/process/selinuxLabel": "", "/process/apparmorProfile": ""}, "echo fine")


def _annotated(stand, annotations, script, flags=()):
    """(outcome, warnings) of a container; its root is looked at by the caller."""
    ident, folder = stand.make(stand.ours, {"/annotations": annotations, "/process/args": ["/bin/sh", "-c", script]})
    log = folder + "/log.json"
    outcome = stand.call(stand.ours, "run", "--bundle", folder, ident, flags=("--log", log, "--log-format", "json", *flags))
    return outcome, warnings(log), folder + "/rootfs"


@case()
def annotation_overlay(stand):
    outcome, said, root = _annotated(stand, {"dev.runsc-cpp.overlay": "true"}, "echo x >/inside; cat /inside; rm /etc/passwd")
    equal(outcome.said(), (0, "x\n"), outcome.err)
    check(not os.path.exists(root + "/inside") and os.path.exists(root + "/etc/passwd"), f"written through: {said}")


@case()
def annotation_overlay_widens(stand):
    outcome, said, root = _annotated(stand, {"dev.runsc-cpp.overlay": "false"}, "echo x >/inside", ("--overlay",))
    equal(outcome.code, 0, outcome.err)
    check(not os.path.exists(root + "/inside"), "written through although the operator wants an overlay")
    check(any("dev.runsc-cpp.overlay" in line for line in said), f"not logged: {said}")


@case()
def annotation_limits(stand):
    outcome, said, _ = _annotated(stand, {"dev.runsc-cpp.cpus": "1", "dev.runsc-cpp.memory": str(256 << 20)},
                                  "nproc; awk '/MemTotal/ {print $2}' /proc/meminfo")
    equal(outcome.said(), (0, f"1\n{256 << 10}\n"), f"{said} {outcome.err}; output")


@case()
def annotation_refused(stand):
    wanted = {"platform": "ptrace", "strace": "true", "debug": "true", "network": "host", "memory": "0", "no-such": "1"}
    outcome, said, _ = _annotated(stand, {"dev.runsc-cpp." + name: value for name, value in wanted.items()}, "echo fine")
    equal(outcome.said(), (0, "fine\n"), outcome.err)
    for name, value in wanted.items():
        check(any(f"dev.runsc-cpp.{name}" in line and json.dumps(value) in line for line in said), f"{name} is not refused: {said}")


@case()
def annotations_kept(stand):
    ident, _, outcome = stand.create(stand.ours, {"/annotations": {"org.example.key": "value", "other": ""}})
    equal(outcome.code, 0, outcome.err)
    equal(json.loads(stand.call(stand.ours, "state", ident).out).get("annotations"), {"org.example.key": "value", "other": ""}, "state")
