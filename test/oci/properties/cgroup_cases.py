"""linux.cgroupsPath and linux.resources: what stands in the host's files, and what the guest sees of it."""
import json
import os

from kinds import ALL, Case, case, check_refused, expect
from mount_cases import mounts
from stand import Failure, Skip, check, equal

MIB = 1 << 20
# (name, resources, files that must be as the oracle's: CONTROLLER/FILE)
SAME = (
    ("cpu_shares", {"cpu": {"shares": 512}}, ("cpu/cpu.shares",)),
    ("cpu_quota", {"cpu": {"quota": 50000, "period": 200000}}, ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")),
    ("cpu_quota_none", {"cpu": {"quota": -1, "period": 50000}}, ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")),
    ("cpu_realtime", {"cpu": {"realtimeRuntime": 0, "realtimePeriod": 1000000}}, ("cpu/cpu.rt_runtime_us", "cpu/cpu.rt_period_us")),
    ("cpuset", {"cpu": {"cpus": "0", "mems": "0"}}, ("cpuset/cpuset.cpus", "cpuset/cpuset.mems")),
    ("pids_none", {"pids": {"limit": -1}}, ("pids/pids.max",)),
    ("memory_reservation", {"memory": {"reservation": 128 * MIB}}, ("memory/memory.soft_limit_in_bytes",)),
    ("memory_swappiness", {"memory": {"swappiness": 30}}, ("memory/memory.swappiness",)),
    ("memory_checked", {"memory": {"limit": -1, "checkBeforeUpdate": True}}, ("memory/memory.limit_in_bytes",)),
    ("memory_no_killer", {"memory": {"limit": 256 * MIB, "disableOOMKiller": True}}, ("memory/memory.oom_control",)),
    ("blkio_weight", {"blockIO": {"weight": 300, "leafWeight": 200}},
     ("blkio/blkio.weight", "blkio/blkio.bfq.weight", "blkio/blkio.leaf_weight")),
    ("devices", {"devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
                             {"allow": True, "type": "b", "major": 7, "access": "r"}]}, ()),
    ("hugepages", {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]}, ("hugetlb/hugetlb.2MB.limit_in_bytes",)),
    ("network", {"network": {"classID": 0x100001, "priorities": [{"name": "lo", "priority": 5}]}},
     ("net_cls/net_cls.classid", "net_prio/net_prio.ifpriomap")),
    ("rdma", {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}}, ("rdma/rdma.max",)),
    ("unified", {"unified": {"pids.max": "50"}}, ()),
)
THROTTLE = {"throttleReadBpsDevice": "blkio.throttle.read_bps_device", "throttleWriteBpsDevice": "blkio.throttle.write_bps_device",
            "throttleReadIOPSDevice": "blkio.throttle.read_iops_device", "throttleWriteIOPSDevice": "blkio.throttle.write_iops_device"}


def with_room(name, text):
    """A file's content on the host, where a container's own limit is `text`."""
    if not text.strip().isdigit() or int(text) >= 1 << 62:
        return text
    limit = int(text)
    return {"memory/memory.limit_in_bytes": f"{limit + 16 * MIB + limit // 32}\n", "pids/pids.max": f"{3 * limit + 64}\n"}.get(name, text)


def _read(folders, name):
    controller, _, file = name.partition("/")
    try:
        with open(f"{folders[controller]}/{file}", encoding="ascii") as opened:
            return opened.read()
    except (KeyError, OSError):
        return None


def _side(stand, side, resources, files):
    """(code, {file: content}) of a container that was created."""
    ident, _, outcome = stand.create(side, {"/linux/resources": resources}, "sleep 100")
    folders = stand.cgroup_files(ident)
    found = {name: _read(folders, name) for name in files}
    stand.drop(ident)
    return outcome, found


def _add(name, resources, files):
    def function(stand):
        theirs, wanted = _side(stand, stand.oracle, resources, files)
        ours, got = _side(stand, stand.ours, resources, files)
        if theirs.code != 0 and ours.code != 0:
            raise Skip(f"neither can do it on this host: {ours.err}")
        if ours.code != theirs.code:
            raise Failure(f"create: code {ours.code}, not {theirs.code}: {ours.err}{theirs.err}")
        equal(got, wanted, "files")
    ALL.append(Case("cgroup_" + name, function))


for _row in SAME:
    _add(*_row)


def _disk():
    """(major, minor) of a disk: partitions and loop devices have no throttling."""
    for name in sorted(os.listdir("/sys/block")):
        if not name.startswith(("loop", "ram", "zram")):
            with open(f"/sys/block/{name}/dev", encoding="ascii") as file:
                return [int(word) for word in file.read().split(":")]
    raise Skip("no disk")


@case()
def cgroup_blkio_devices(stand):
    major, minor = _disk()
    for name, file in THROTTLE.items():
        resources = {"blockIO": {name: [{"major": major, "minor": minor, "rate": 1048576}]}}
        theirs, wanted = _side(stand, stand.oracle, resources, ("blkio/" + file,))
        ours, got = _side(stand, stand.ours, resources, ("blkio/" + file,))
        equal((ours.code, got), (theirs.code, wanted), f"{name}: {ours.err}")
    weights = {"blockIO": {"weightDevice": [{"major": major, "minor": minor, "weight": 500, "leafWeight": 300}]}}
    theirs, wanted = _side(stand, stand.oracle, weights, ("blkio/blkio.weight_device", "blkio/blkio.bfq.weight_device"))
    ours, got = _side(stand, stand.ours, weights, tuple(wanted))
    equal((ours.code, got), (theirs.code, wanted), f"weightDevice: {ours.err}")


@case()
def cgroup_cpu_burst_and_idle(stand):
    """Newer than the oracle."""
    for cpu, file, wanted in (({"quota": 50000, "period": 100000, "burst": 20000}, "cpu/cpu.cfs_burst_us", "20000\n"),
                              ({"idle": 1}, "cpu/cpu.idle", "1\n")):
        ours, got = _side(stand, stand.ours, {"cpu": cpu}, (file,))
        if got[file] is None and ours.code != 0:
            raise Skip(f"this kernel has no {file}: {ours.err}")
        equal((ours.code, got[file]), (0, wanted), f"{file}: {ours.err}")


@case()
def cgroup_memory(stand):
    """The host's limit is the guest's and the sandbox's own need; the guest sees its own."""
    resources = {"memory": {"limit": 256 * MIB, "swap": 256 * MIB}}
    ours, got = _side(stand, stand.ours, resources, ("memory/memory.limit_in_bytes",))
    equal(ours.code, 0, ours.err)
    equal(got, {name: with_room(name, str(256 * MIB)) for name in got}, "host")
    seen = stand.run(stand.ours, {"/linux/resources": resources}, "awk '/MemTotal/ {print $2}' /proc/meminfo")
    equal(seen.said(), (0, f"{256 << 10}\n"), "MemTotal")


@case()
def cgroup_pids(stand):
    """The host's limit has room for the threads of the sandbox itself."""
    ours, got = _side(stand, stand.ours, {"pids": {"limit": 77}}, ("pids/pids.max",))
    equal(ours.code, 0, ours.err)
    equal(got, {name: with_room(name, "77") for name in got}, "host")


@case()
def cgroup_cpus_seen(stand):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("one CPU")
    script = "nproc; grep -c ^processor /proc/cpuinfo; grep Cpus_allowed_list /proc/self/status"
    # By cpuset runc's guest sees the machine's cpuinfo; ours is told the truth everywhere.
    seen = stand.run(stand.ours, {"/linux/resources": {"cpu": {"cpus": "0"}}}, script)
    equal(seen.out.splitlines()[:2], ["1", "1"], f"{seen.err}; cpuset")
    seen = stand.run(stand.ours, {"/linux/resources": {"cpu": {"quota": 100000, "period": 100000}}}, script)
    equal(seen.out.splitlines()[:2], ["1", "1"], f"{seen.err}; quota")


@case()
def cgroup_pids_enforced(stand):
    script = "n=0; while [ $n -lt 30 ]; do sleep 5 & n=$((n+1)); done 2>&1 | grep -c -i 'fork'; true"
    seen = stand.run(stand.ours, {"/linux/resources": {"pids": {"limit": 12}}}, script)
    check("0\n" != seen.out and seen.out.strip().isdigit(), f"thirty processes under a limit of 12: {seen.out}{seen.err}")


@case()
def cgroup_update_seen(stand):
    """What update changes is seen inside at once; what an annotation took off does not come back by it."""
    ident, _, outcome = stand.create(stand.ours, {"/annotations": {"dev.runsc-cpp.memory": str(96 * MIB)}}, "sleep 100")
    equal(outcome.code, 0, outcome.err)
    equal(stand.call(stand.ours, "start", ident).code, 0, "start")

    def seen(*flags):
        equal(stand.call(stand.ours, "update", *flags, ident).code, 0, f"update {flags}")
        script = "nproc; awk '/MemTotal/ {print $2}' /proc/meminfo; n=0; while [ $n -lt 9 ]; do sleep 1 & n=$((n+1)); done; echo all"
        told = stand.call(stand.ours, "exec", ident, "/bin/sh", "-c", script)
        return told.out.splitlines()

    cpus = str(len(os.sched_getaffinity(0)))
    equal(seen("--memory", str(64 * MIB), "--cpu-quota", "50000", "--pids-limit", "8")[:3], ["1", str(64 << 10)], "less")
    equal(seen("--memory", str(512 * MIB), "--memory-swap", "-1", "--cpu-quota", "-1", "--pids-limit", "-1"),
          [cpus, str(96 << 10), "all"], "more")
    stand.drop(ident)


@case()
def cgroup_no_thread_left(stand):
    """Where the host refuses threads an exec or a fork fails, and nothing else."""
    ident, _, outcome = stand.create(stand.ours, {}, "exec sleep 100")
    equal(outcome.code, 0, outcome.err)
    equal(stand.call(stand.ours, "start", ident).code, 0, "start")
    folder = stand.cgroup_files(ident)["pids"]

    def limit(value):
        with open(folder + "/pids.max", "w", encoding="ascii") as file:
            file.write(str(value))

    def execute():
        return stand.call(stand.ours, "exec", ident, "/bin/sh", "-c", "echo on").said()

    with open(folder + "/pids.current", encoding="ascii") as file:
        now = int(file.read())
    for more in range(6):
        limit(now + more)
        execute()
    limit("max")
    equal(execute(), (0, "on\n"), "exec, with threads to be had again")
    equal(json.loads(stand.call(stand.ours, "state", ident).out)["status"], "running", "status")
    stand.drop(ident)


@case()
def cgroup_procs_numbers(stand):
    """cgroup.procs has the numbers of the reader's own pid namespace."""
    shown = stand.run(stand.ours, mounts({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}),
                      "read first </sys/fs/cgroup/cgroup.procs; echo $first")
    equal(shown.said(), (0, "1\n"), shown.err)


@case()
def cgroup_place(stand):
    """The anchor is where the engine looks; parents are made and stay; nothing else goes."""
    for path in (f"/{stand.cgroup}/deep/er/box", f"{stand.cgroup}/relative"):
        for side in (stand.oracle, stand.ours):
            ident, folder, outcome = stand.create(side, {"/linux/cgroupsPath": path}, "sleep 100")
            equal(outcome.code, 0, outcome.err)
            with open(f"/proc/{stand.pid(folder)}/cgroup", encoding="ascii") as file:
                lines = [line.strip().split(":", 2) for line in file]
            places = {names: place for _, names, place in lines if names in ("memory", "pids", "cpu", "devices", "freezer")}
            check(places and all(place.endswith("/" + path.lstrip("/")) for place in places.values()), f"{side.name}: {places}")
            stand.drop(ident)
            deep = f"/sys/fs/cgroup/pids/{stand.cgroup}/deep"
            check(not os.path.exists(deep + "/er/box"), f"{side.name}: the cgroup is still there")
    for top in os.listdir("/sys/fs/cgroup"):
        for name in ("er", ""):
            folder = f"/sys/fs/cgroup/{top}/{stand.cgroup}/deep/{name}".rstrip("/")
            if os.path.isdir(folder):
                os.rmdir(folder)


@case()
def cgroup_in_use(stand):
    """Another container's cgroup, with its processes, is not taken."""
    path = f"/{stand.cgroup}/shared"
    first, _, outcome = stand.create(stand.ours, {"/linux/cgroupsPath": path}, "sleep 100")
    equal(outcome.code, 0, outcome.err)
    check_refused(stand, {"/linux/cgroupsPath": path}, ("cgroup",))
    stand.drop(first)


@case()
def cgroup_all_processes(stand):
    """Everything that a container costs is charged below its cgroup's parent."""
    ident, folder, outcome = stand.create(stand.ours, {"/linux/resources": {"memory": {"limit": 256 * MIB}}}, "sleep 100 & sleep 100")
    equal(outcome.code, 0, outcome.err)
    stand.call(stand.ours, "start", ident)
    place = stand.cgroup_files(ident).get("memory") or stand.cgroup_files(ident)["pids"]
    with open(place + "/cgroup.procs", encoding="ascii") as file:
        inside = {int(word) for word in file.read().split()}
    check(stand.pid(folder) in inside, "the anchor is elsewhere")
    check(len(inside) >= 4, f"only {len(inside)} processes (anchor, sentry, gofer, stubs) are there")


def _names(place):
    """What the processes there are called."""
    found = []
    with open(place + "/cgroup.procs", encoding="ascii") as file:
        for pid in file.read().split():
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                    found.append(comm.read().strip())
            except OSError:
                pass  # it has just ended
    return found


@case()
def cgroup_of_pod(stand):
    """A member's guests are charged to its own cgroup; the sentry is in that of the first, and leaves it with that one."""
    idents = []
    for member in (None, {"io.kubernetes.cri.container-type": "container"}, {"io.kubernetes.cri.container-type": "container"}):
        changes = {"/annotations": {**member, "io.kubernetes.cri.sandbox-id": idents[0]}} if member else {}
        ident, _, outcome = stand.create(stand.ours, changes, "while :; do x=$(sleep 0.1; echo $x); done")
        equal(outcome.code, 0, outcome.err)
        idents.append(ident)
        stand.call(stand.ours, "start", ident)
    first, second, third = (stand.cgroup_files(ident)["pids"] for ident in idents)
    if "runsc-template" not in _names(first):
        raise Skip("guests have no processes of their own on this platform")

    def check_members(*places):
        for place in places:
            names = _names(place)
            check("runsc-stub" in names and "runsc-template" in names, f"{place}: {names}")

    check_members(first, second, third)
    check("runsc-sandbox" in _names(first), "the sentry is elsewhere")
    check("runsc-sandbox" not in _names(second) + _names(third), "the sentry is in a member's cgroup")
    stand.drop(idents[0])
    check_members(second, third)
    check("runsc-sandbox" in _names(second) + _names(third), "the sentry is in no member's cgroup")
    stand.drop(idents[2])
    check(not os.path.exists(third), "the third one's cgroup is still there")
    equal(stand.call(stand.ours, "exec", idents[1], "/bin/sh", "-c", "echo $(echo on)").out, "on\n", "the second")


expect("resources_refused_nothing", {"/linux/resources": {}}, "echo fine", "fine\n")
