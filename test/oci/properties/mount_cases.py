"""root, mounts[], and paths that are masked or read-only."""
import os
import stat
import subprocess

from kinds import case, differences, expect, refused, same
from stand import BASE, Failure, check, equal

# Files of a mounted folder: a program, a link, a device.
FILES = {"/src/prog": (0o755, "#!/bin/sh\necho ran\n"), "/src/text": (0o644, "text\n"), "/src/sub/file": (0o644, "")}
OPTIONS = "awk '$5 == \"/mnt\" {print $6}' /proc/self/mountinfo"
PROBE = OPTIONS + """
touch /mnt/new 2>/dev/null; echo write $?
/mnt/prog 2>/dev/null; echo exec $?
cat /mnt/link 2>/dev/null; echo link $?
cat /mnt/null 2>/dev/null; echo device $?
touch /mnt/sub/new 2>/dev/null; echo below $?
"""
BIND_WORDS = ("ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "atime", "nodiratime", "diratime", "relatime",
              "norelatime", "strictatime", "nosymfollow", "symfollow", "sync", "async", "dirsync", "lazytime", "silent", "defaults",
              "ro noexec nodev", "ro rw", "noexec exec", "noatime strictatime")
RECURSIVE_WORDS = ("ro", "rro", "rrw", "rnosuid", "rsuid", "rnodev", "rdev", "rnoexec", "rexec", "rnoatime", "rnodiratime",
                   "rrelatime", "rstrictatime", "rnosymfollow", "rsymfollow")
TMPFS_WORDS = ("ro", "noexec", "nosuid", "nodev", "noatime", "size=1m", "mode=0700", "uid=1000 gid=1001", "nr_inodes=10", "size=1m noexec ro")
PROPAGATION = ("private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable")


def mounts(*more):
    return {"/mounts": BASE["mounts"] + list(more)}


def bind(*options, source="$BUNDLE/rootfs/src", destination="/mnt", **members):
    return {"destination": destination, "type": "bind", "source": source, "options": list(options), **members}


def tmpfs(*options, destination="/mnt"):
    return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": list(options)}


def _name(words):
    return words.replace(" ", "_").replace("=", "")


def _both(stand, changes, script, prepare=None):
    """As `same`, with something done to the bundle before it runs."""
    outcomes = []
    for side in (stand.oracle, stand.ours):
        ident, folder = stand.make(side, {"/process/args": ["/bin/sh", "-c", script], **changes}, FILES)
        os.symlink("text", folder + "/rootfs/src/link")
        os.mknod(folder + "/rootfs/src/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        undo = prepare(folder) if prepare else None
        outcomes.append(stand.call(side, "run", "--bundle", folder, ident))
        if undo:
            subprocess.run(undo, check=False)
        stand.drop(ident)
    theirs, ours = outcomes
    if theirs.code != 0:
        raise Failure(f"the oracle itself: code {theirs.code}: {theirs.out}{theirs.err}")
    if ours.said() != theirs.said():
        raise Failure(differences(ours, theirs))


def _tmpfs_below(folder):
    subprocess.run(["mount", "-t", "tmpfs", "below", folder + "/rootfs/src/sub"], check=True)
    with open(folder + "/rootfs/src/sub/prog", "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho below ran\n")
    os.chmod(folder + "/rootfs/src/sub/prog", 0o755)
    return ["umount", "-l", folder + "/rootfs/src/sub"]


def _register(name, function):
    function.__name__ = name
    case()(function)


for _words in BIND_WORDS:
    _register("mount_bind_" + _name(_words), lambda stand, words=_words: _both(stand, mounts(bind("bind", *words.split())), PROBE))
for _words in RECURSIVE_WORDS:
    _register("mount_rbind_" + _name(_words), lambda stand, words=_words: _both(
        stand, mounts(bind("rbind", *words.split())), PROBE + "/mnt/sub/prog 2>/dev/null; echo exec below $?", _tmpfs_below))
for _words in TMPFS_WORDS:
    same("mount_tmpfs_" + _name(_words), mounts(tmpfs(*_words.split())), OPTIONS + """
stat -c '%a %u %g' /mnt
touch /mnt/f 2>/dev/null; echo write $?
dd if=/dev/zero of=/mnt/big bs=1M count=2 2>/dev/null; echo big $?
n=0; while [ $n -lt 20 ] && touch /mnt/n$n 2>/dev/null; do n=$((n+1)); done; echo files $n""")
for _word in PROPAGATION:
    same("mount_propagation_" + _word, mounts(tmpfs(), bind("bind", _word, source="$BASE/busybox/etc", destination="/mnt2")),
         "awk '$5 == \"/mnt2\" {print $7}' /proc/self/mountinfo | sed 's/:.*//'")
# runc would make a folder in /tmp, which is write-protected here.
expect("mount_tmpcopyup", mounts(tmpfs("tmpcopyup", destination="/etc")), "ls /etc | sort; stat -c %a /etc; touch /etc/new; wc -l </etc/passwd",
       "group\nnot-a-program\npasswd\n755\n3\n")
same("mount_bind_type_alone", mounts({"destination": "/mnt", "type": "bind", "source": "$BASE/busybox/etc", "options": ["bind"]}), "ls /mnt")
same("mount_bind_option_alone", mounts({"destination": "/mnt", "type": "none", "source": "$BASE/busybox/etc", "options": ["rbind"]}),
     "ls /mnt")
same("mount_file", mounts(bind("bind", "ro", source="$BASE/busybox/etc/group", destination="/etc/passwd")),
     "cat /etc/passwd; (echo x >>/etc/passwd) 2>/dev/null; echo $?")
same("mount_file_new", mounts(bind("bind", source="$BASE/busybox/etc/group", destination="/a/b/c")), "cat /a/b/c; stat -c %a /a /a/b")
same("mount_folder_new", mounts(bind("bind", source="$BASE/busybox/etc", destination="/a/b/c")), "ls /a/b/c; stat -c %a /a /a/b")
same("mount_order", mounts(tmpfs(destination="/mnt"), tmpfs(destination="/mnt/in"), bind("bind", source="$BASE/busybox/etc",
                                                                                        destination="/mnt/in/etc")),
     "ls /mnt /mnt/in /mnt/in/etc; grep -c mnt /proc/self/mountinfo")
same("mount_over", mounts(bind("bind", source="$BASE/busybox/etc"), tmpfs()), "ls /mnt; awk '$5 == \"/mnt\"' /proc/self/mountinfo | wc -l")
same("mount_relative_destination", mounts(tmpfs(destination="mnt")), OPTIONS)
same("mount_dots", mounts(tmpfs(destination="/mnt/../../../mnt")), OPTIONS)
same("mount_proc_read_only", {"/mounts": BASE["mounts"][1:] + [{"destination": "/proc", "type": "proc", "source": "proc",
                                                                 "options": ["ro", "nosuid"]}]},
     "awk '$5 == \"/proc\" {print $6}' /proc/self/mountinfo; (echo 1 >/proc/self/oom_score_adj) 2>/dev/null; echo $?")
same("mount_no_dev", {"/mounts": BASE["mounts"][:1]}, "echo x >/dev/null; echo $?; test -c /dev/urandom; echo $?")
same("mount_sysfs", mounts({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}),
     "awk '$5 == \"/sys\" {print $6, $9}' /proc/self/mountinfo; ls -d /sys/class /sys/kernel /sys/devices; touch /sys/x 2>/dev/null; echo $?")
same("mount_sysfs_interfaces", mounts({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}),
     "cd /sys/class/net; for n in *; do echo $n; for f in address broadcast ifindex iflink flags mtu tx_queue_len type operstate; do "
     "cat $n/$f; done; done; ls lo/statistics | head -n 3")
same("mount_devpts", mounts({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                             "options": ["newinstance", "ptmxmode=0620", "mode=0600", "gid=7"]}),
     "stat -c %a /dev/pts/ptmx; grep -c ' /dev/pts ' /proc/self/mountinfo; readlink /dev/ptmx")
same("mount_mqueue", mounts({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec"]}),
     "touch /dev/mqueue/q; ls /dev/mqueue; cat /dev/mqueue/q; rm /dev/mqueue/q; ls /dev/mqueue")
# Whatever the host has: a guest's control groups are of version 2. `touch` fails, the mount is read-only.
expect("mount_cgroup", {**mounts({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"]}),
                        "/linux/resources": {"pids": {"limit": 77}, "cpu": {"shares": 512}}},
       "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.weight; touch /sys/fs/cgroup/x 2>/dev/null; echo $?; cat /proc/self/cgroup",
       "77\n59\n1\n0::/\n")
expect("mount_idmap", mounts(bind("bind", "idmap", uidMappings=[{"containerID": 0, "hostID": 100000, "size": 1000}],
                                  gidMappings=[{"containerID": 0, "hostID": 200000, "size": 1000}])),
       "stat -c '%u %g' /mnt/text", "100000 200000\n", files=FILES)
expect("mount_ridmap", mounts(bind("rbind", "ridmap", uidMappings=[{"containerID": 0, "hostID": 100000, "size": 1000}],
                                   gidMappings=[{"containerID": 0, "hostID": 200000, "size": 1000}])),
       "stat -c '%u %g' /mnt/sub/file", "100000 200000\n", files=FILES)
refused("mount_no_source", mounts(bind("bind", source="")), "mounts[3].source")
refused("mount_missing_source", mounts(bind("bind", source="/no/such/source")), "/no/such/source", "o such file")
refused("mount_bind_data", mounts(bind("bind", "size=1m", source="/tmp")), "mounts[3].options", '"size=1m"')
refused("mount_type", mounts({"destination": "/mnt", "type": "ext4", "source": "/dev/vda"}), "mounts[3].type", '"ext4"', "tmpfs")
refused("mount_tmpfs_data", mounts(tmpfs("no_such_option=1")), "no_such_option")
refused("mount_idmap_half", mounts(bind("bind", source="/tmp", uidMappings=[{"containerID": 0, "hostID": 1, "size": 1}])), "mounts[3]")
same("root_read_only", {"/root/readonly": True}, "touch /x 2>/dev/null; echo $?; touch /tmp/x 2>/dev/null; echo $?; touch /dev/x; echo $?; "
     "awk '$5 == \"/\" {print $6}' /proc/self/mountinfo | cut -d, -f1")
same("root_writable", {}, "touch /x; echo $?")
same("root_absolute", {"/root/path": "$BUNDLE/rootfs"}, "ls /")
refused("root_missing", {"/root/path": "no-such-folder"}, "no-such-folder")
refused("root_is_file", {"/root/path": "config.json"}, "config.json")
same("masked_paths", {"/linux/maskedPaths": ["/etc/passwd", "/home", "/proc/keys", "/no/such/path"]},
     "cat /etc/passwd | wc -c; ls -A /home; (echo x >/etc/passwd) 2>/dev/null; touch /home/x 2>/dev/null; echo $?; test -e /no; echo $?")
same("read_only_paths", {"/linux/readonlyPaths": ["/etc", "/home/user", "/proc/sys", "/no/such/path"]},
     "touch /etc/x 2>/dev/null; echo $?; touch /home/user/x 2>/dev/null; echo $?; touch /home/x; echo $?; "
     "(echo 1 >/proc/sys/kernel/shmmax) 2>/dev/null; echo $?; cat /etc/group | wc -l; test -e /no; echo $?")
refused("masked_path_relative", {"/linux/maskedPaths": ["/etc", "proc"]}, "linux.maskedPaths[1]", '"proc"')
refused("read_only_path_relative", {"/linux/readonlyPaths": ["proc"]}, "linux.readonlyPaths[0]", '"proc"')


@case()
def mount_destination_symlink(stand):
    """Links of the image lead no further than its root."""
    def prepare(folder):
        os.symlink("/../../../../mnt", folder + "/rootfs/out")
        os.symlink("/etc", folder + "/rootfs/inner")
    _both(stand, mounts(tmpfs(destination="/out"), tmpfs(destination="/inner/deep")), OPTIONS + "; ls -A /etc/deep /mnt; grep -c deep "
          "/proc/self/mountinfo", prepare)


@case()
def mount_rbind_and_bind(stand):
    """What is mounted below is seen by way of rbind alone."""
    for word in ("rbind", "bind"):
        _both(stand, mounts(bind(word)), "ls /mnt/sub", _tmpfs_below)


BELOW_OPTIONS = "awk '$5 ~ /^.mnt/ {print $5, $6}' /proc/self/mountinfo | sort"


@case()
def mount_flags_of_source(stand):
    """Without words a source's flags stay; what is mounted below has its own."""
    def prepare(folder):
        undo = _tmpfs_below(folder)
        subprocess.run(["mount", "-o", "remount,bind,nosuid,nodev,noatime", folder + "/rootfs/src/sub"], check=True)
        return undo
    for words in (("bind",), ("rbind",), ("rbind", "ro"), ("rbind", "rro"), ("rbind", "noexec", "rstrictatime"), ("rbind", "rsuid", "nodev")):
        _both(stand, mounts(bind(*words)), BELOW_OPTIONS, prepare)
        _both(stand, mounts(bind(*words, source="$BUNDLE/rootfs/src/sub")), BELOW_OPTIONS, prepare)


@case()
def mount_propagation_below(stand):
    """rshared reaches what is mounted below, shared does not."""
    for words in (("rbind", "shared"), ("rbind", "rshared"), ("rbind", "rshared", "unbindable")):
        _both(stand, mounts(bind(*words)), "awk '$5 ~ /^.mnt/ {print $5, $7}' /proc/self/mountinfo | sed 's/:.*//' | sort", _tmpfs_below)


@case()
def mount_idmap_written(stand):
    """Who has a mapped id writes as the file's owner on the host; root, who has none, can't."""
    maps = {"uidMappings": [{"containerID": 0, "hostID": 100000, "size": 10}], "gidMappings": [{"containerID": 0, "hostID": 200000, "size": 10}]}
    script = "touch /mnt/new; stat -c '%u %g' /mnt/new; chown 100001 /mnt/new 2>/dev/null; echo $?"
    for uid, gid, said in ((100000, 200000, "100000 200000\n1\n"), (0, 0, "1\n")):
        ident, folder = stand.make(stand.ours, {**mounts(bind("bind", "idmap", **maps)), "/process/user": {"uid": uid, "gid": gid},
                                                "/process/capabilities": {}, "/process/args": ["/bin/sh", "-c", script]}, FILES)
        outcome = stand.call(stand.ours, "run", "--bundle", folder, ident)
        equal(outcome.out, said, outcome.err)
        path = folder + "/rootfs/src/new"
        equal(os.path.exists(path) and os.stat(path).st_uid, 0 if uid else False, "owner on the host")


refused("mount_proc_data", {"/mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["hidepid=2"]}]}, "hidepid=2")
refused("mount_devpts_data", mounts({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["no_such=1"]}), "no_such=1")
expect("mount_tmpcopyup_tree", mounts(tmpfs("tmpcopyup", "size=1m", destination="/src")),
       "find /src | sort; cat /src/text; stat -c %a /src /src/prog /src/sub; echo x >/src/text; /src/prog",
       "/src\n/src/prog\n/src/sub\n/src/sub/file\n/src/text\ntext\n755\n755\n755\nran\n", files=FILES)
refused("mount_tmpcopyup_full", mounts(tmpfs("tmpcopyup", "nr_inodes=2", destination="/src")), "/src", "No space left", files=FILES)
# A node of a disk would be usable on the host, by whoever gets at the volume.
expect("mknod_others", {}, "mknod /disk b 8 0 2>/dev/null; echo $?; mknod /mem c 1 1 2>/dev/null; echo $?; ls / | grep -c -e disk -e mem; true",
       "1\n1\n0\n")


@case()
def mknod_whiteout(stand):
    """As overlays mark what is gone. On a tmpfs: an overlay makes none."""
    _both(stand, mounts(bind("rbind")), "mknod /mnt/sub/w c 0 0; echo $?; stat -c '%F %t:%T' /mnt/sub/w; cat /mnt/sub/w 2>/dev/null; echo $?", _tmpfs_below)


same("mknod", {}, "mknod /null c 1 3; echo $?; stat -c '%F %t:%T' /null; mkfifo /f; stat -c %F /f")


@case()
def root_writes_through(stand):
    """The engine reads what the container wrote, and with a read-only mount nothing changes."""
    ident, folder = stand.make(stand.ours, {**mounts(bind("bind", "ro")), "/process/args": [
        "/bin/sh", "-c", "echo seen >/kept; chmod 640 /kept; rm /etc/group; mkdir /d; ln -s x /d/l; touch /mnt/no"]}, FILES)
    stand.call(stand.ours, "run", "--bundle", folder, ident)
    root = folder + "/rootfs"
    with open(root + "/kept", encoding="ascii") as file:
        equal(file.read(), "seen\n", "/kept")
    equal(os.stat(root + "/kept").st_mode & 0o777, 0o640, "mode")
    check(not os.path.exists(root + "/etc/group") and os.readlink(root + "/d/l") == "x", "removal or link")
    check(not os.path.exists(root + "/src/no"), "written by way of a read-only mount")


@case()
def rootfs_propagation(stand):
    for word in ("private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable"):
        _both(stand, {"/linux/rootfsPropagation": word}, "awk '$5 == \"/\" {print $7}' /proc/self/mountinfo | sed 's/:.*//'")
