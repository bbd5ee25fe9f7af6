#include "sentry/syscalls/handlers.h"

#include "sentry/abi/sched.h"
#include "sentry/fs/cgroup/cgroup_fs.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/process_args.h"
#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

constexpr uint64_t kCloneVm = 0x100, kClonePidFd = 0x1000, kCloneVfork = 0x4000, kCloneThread = 0x10000;
constexpr uint64_t kCloneParentSetTid = 0x100000, kCloneDetached = 0x400000;
constexpr uint64_t kExitSignalMask = 0xff;

// struct clone_args (man 2 clone), as of Linux 5.7.
struct CloneArgsV2 {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  uint64_t set_tid, set_tid_size, cgroup;
};
constexpr size_t kCloneArgsV0 = 64;

Result<void> CopyOutUsage(Task& task, UserOut<abi::Rusage> out, const Task::WaitOutcome& outcome) {
  if (!out) return Ok();
  return out.Write(task.mm(), ToRusage(outcome.times, outcome.max_rss));
}

// Linux's cgroup_css_set_fork.
Result<RefPtr<Cgroup>> CgroupToEnter(Task& task, int32_t fd) {
  RefPtr<Cgroup> cgroup = TRY(CgroupOf(TRY(task.fds().Get(fd))));
  if (cgroup->removed()) return Errno::kENODEV;
  const RefPtr<Cgroup> from = task.cgroup_member().cgroup();
  TRY(MayEnterCgroup(task.creds(), *from, *cgroup));
  return cgroup;
}

}  // namespace

SyscallResult SysFork(Task& task) { return task.Clone({.exit_signal = abi::kSigChld}); }

SyscallResult SysVfork(Task& task) {
  return task.Clone({.flags = kCloneVfork | kCloneVm, .exit_signal = abi::kSigChld});
}

SyscallResult SysClone(Task& task, HexFlags flags, UserAddr stack, UserAddr parent_tid, UserAddr child_tid,
                       UserAddr tls) {
  // The old call has one pointer for both: CLONE_PIDFD stores where
  // CLONE_PARENT_SETTID would.
  if ((flags.value & kClonePidFd) != 0 && (flags.value & (kCloneParentSetTid | kCloneDetached)) != 0) {
    return Errno::kEINVAL;
  }
  Task::CloneArgs args{.flags = flags.value & 0xffffffff & ~kExitSignalMask,
                       .exit_signal = static_cast<int32_t>(flags.value & kExitSignalMask),
                       .stack = stack,
                       .tls = tls,
                       .parent_tid = parent_tid,
                       .child_tid = child_tid,
                       .pidfd = parent_tid};
  return task.Clone(args);
}

SyscallResult SysClone3(Task& task, UserAddr addr, Size size) {
  CloneArgsV2 raw{};
  TRY(CopyInExtensible(task, addr, size.value, kCloneArgsV0, std::as_writable_bytes(std::span(&raw, 1))));
  if ((raw.flags & (kExitSignalMask | kCloneDetached)) != 0 || raw.flags >> 34 != 0) return Errno::kEINVAL;
  if (raw.exit_signal > abi::kSigMax) return Errno::kEINVAL;
  if ((raw.flags & kCloneThread) != 0 && raw.exit_signal != 0) return Errno::kEINVAL;
  if (raw.set_tid != 0 || raw.set_tid_size != 0) return Errno::kEINVAL;
  const bool into_cgroup = (raw.flags & abi::kCloneIntoCgroup) != 0;
  if (into_cgroup && (raw.cgroup > INT32_MAX || size.value < sizeof raw)) return Errno::kEINVAL;
  if ((raw.stack == 0) != (raw.stack_size == 0)) return Errno::kEINVAL;
  if (raw.stack != 0 && !MakeUserRange(UserAddr(raw.stack), raw.stack_size)) return Errno::kEINVAL;
  RefPtr<Cgroup> cgroup;
  if (into_cgroup) cgroup = TRY(CgroupToEnter(task, static_cast<int32_t>(raw.cgroup)));
  return task.Clone({.flags = raw.flags,
                     .exit_signal = static_cast<int32_t>(raw.exit_signal),
                     .stack = UserAddr(raw.stack == 0 ? 0 : raw.stack + raw.stack_size),
                     .tls = UserAddr(raw.tls),
                     .parent_tid = UserAddr(raw.parent_tid),
                     .child_tid = UserAddr(raw.child_tid),
                     .pidfd = UserAddr(raw.pidfd),
                     .cgroup = std::move(cgroup)});
}

SyscallResult SysExecve(Task& task, UserPath path, UserAddr argv, UserAddr envp) {
  std::string name = TRY(path.Read(task.mm()));
  if (name.empty()) return Errno::kENOENT;
  std::vector<std::string> arguments = TRY(ReadStringArray(task, argv));
  std::vector<std::string> environment = TRY(ReadStringArray(task, envp));
  return task.Execve(task.fs().cwd(), std::move(name), {}, std::move(arguments), std::move(environment));
}

SyscallResult SysExecveat(Task& task, DirFd dir, UserPath path, UserAddr argv, UserAddr envp, uint32_t flags) {
  if ((flags & ~(abi::kAtEmptyPath | abi::kAtSymlinkNoFollow)) != 0) return Errno::kEINVAL;
  std::string name = TRY(path.Read(task.mm()));
  const bool empty_path = (flags & abi::kAtEmptyPath) != 0;
  if (name.empty() && !empty_path) return Errno::kENOENT;
  Path start = task.fs().cwd();
  if (dir.value != abi::kAtFdCwd && !name.starts_with('/')) start = TRY(task.fds().Get(dir.value))->path();
  std::vector<std::string> arguments = TRY(ReadStringArray(task, argv));
  std::vector<std::string> environment = TRY(ReadStringArray(task, envp));
  const WalkFlags walk{.follow = (flags & abi::kAtSymlinkNoFollow) == 0, .empty_path = empty_path};
  return task.Execve(start, std::move(name), walk, std::move(arguments), std::move(environment));
}

SyscallResult SysExit(Task& task, int32_t code) { return task.Exit(code & 0xff); }

SyscallResult SysExitGroup(Task& task, int32_t code) {
  task.group().Exit({.code = code & 0xff});
  return task.Exit(code & 0xff);
}

SyscallResult SysWait4(Task& task, int32_t pid, UserOut<int32_t> status, uint32_t options, UserOut<abi::Rusage> usage) {
  if ((options & ~(kWNoHang | kWUntraced | kWContinued | kWNoThread | kWClone | kWAll)) != 0) return Errno::kEINVAL;
  if (pid == INT32_MIN) return Errno::kESRCH;
  Task::WaitArgs args{.options = options | kWExited};
  using Which = Task::WaitArgs::Which;
  if (pid > 0) {
    args.which = Which::kPid, args.id = task.IdOf(pid);
  } else if (pid == 0) {
    args.which = Which::kProcessGroup, args.id = task.process_group();
  } else if (pid < -1) {
    args.which = Which::kProcessGroup, args.id = task.IdOf(-pid);
  }
  const Task::WaitOutcome outcome = TRY(task.Wait(args));
  if (outcome.pid == 0) return 0;
  if (status) TRY(status.Write(task.mm(), outcome.wait_status));
  TRY(CopyOutUsage(task, usage, outcome));
  return outcome.pid;
}

SyscallResult SysWaitid(Task& task, int32_t which, int32_t id, UserAddr info, uint32_t options,
                        UserOut<abi::Rusage> usage) {
  constexpr int32_t kPAll = 0, kPPid = 1, kPPgid = 2, kPPidFd = 3;
  if ((options & ~(kWNoHang | kWNoWait | kWExited | kWUntraced | kWContinued | kWNoThread | kWClone | kWAll)) != 0) {
    return Errno::kEINVAL;
  }
  if ((options & (kWExited | kWUntraced | kWContinued)) == 0) return Errno::kEINVAL;
  Task::WaitArgs args{.id = id, .options = options};
  using Which = Task::WaitArgs::Which;
  if (which == kPPid) {
    if (id <= 0) return Errno::kEINVAL;
    args.which = Which::kPid, args.id = task.IdOf(id);
  } else if (which == kPPgid) {
    if (id < 0) return Errno::kEINVAL;
    args.which = Which::kProcessGroup;
    args.id = id == 0 ? task.process_group() : task.IdOf(id);
  } else if (which == kPPidFd) {
    if (id < 0) return Errno::kEINVAL;
    args.which = Which::kPid;
    const RefPtr<PidFd> file = FileCast<PidFd>(TRY(task.fds().Get(id)));
    if (!file) return Errno::kEBADF;
    args.id = file->group().tgid();
  } else if (which != kPAll) {
    return Errno::kEINVAL;
  }
  const Task::WaitOutcome outcome = TRY(task.Wait(args));
  TRY(CopyOutUsage(task, usage, outcome));
  if (info.is_null()) return 0;
  SigInfo si;
  if (outcome.pid != 0) {
    si.signo = abi::kSigChld;
    si.code = outcome.code;
    si.u.child.pid = outcome.pid;
    si.u.child.uid = task.creds().user_ns->ShownUid(outcome.uid);
    si.u.child.status = outcome.status;
  }
  TRY(CopyOutFull(task.mm(), info, std::as_bytes(std::span(&si, 1))));
  return 0;
}

SyscallResult SysSetTidAddress(Task& task, UserAddr addr) {
  task.clear_child_tid = addr;
  return task.own_tid();
}

SyscallResult SysSetRobustList(Task& task, UserAddr head, Size size) {
  constexpr uint64_t kHeadSize = 24;
  if (size.value != kHeadSize) return Errno::kEINVAL;
  task.robust_list = head;
  return 0;
}

SyscallResult SysGetRobustList(Task& task, int32_t tid, UserOut<uint64_t> head, UserOut<uint64_t> size) {
  RefPtr<Task> target(&task);
  if (tid != 0) target = task.FindTask(tid);
  if (!target) return Errno::kESRCH;
  if (!task.MayTrace(*target, TraceIds::kReal)) return Errno::kEPERM;
  TRY(size.Write(task.mm(), 24));
  TRY(head.Write(task.mm(), target->robust_list.value));
  return 0;
}

SyscallResult SysGetpid(Task& task) { return task.own_tgid(); }
SyscallResult SysGettid(Task& task) { return task.own_tid(); }
SyscallResult SysGetppid(Task& task) { return task.group().ppid(); }
SyscallResult SysGetpgrp(Task& task) { return task.NumberOf(task.process_group()); }

SyscallResult SysGetpgid(Task& task, int32_t pid) {
  return task.NumberOf(TRY(FindTaskOrSelf(task, pid))->process_group());
}

SyscallResult SysSetpgid(Task& task, int32_t pid, int32_t pgid) {
  if (pgid < 0) return Errno::kEINVAL;
  return task.kernel().SetProcessGroup(task, pid, pgid);
}

SyscallResult SysGetsid(Task& task, int32_t pid) { return task.NumberOf(TRY(FindTaskOrSelf(task, pid))->session()); }

SyscallResult SysSetsid(Task& task) { return task.kernel().CreateSession(task); }

SyscallResult SysPidfdOpen(Task& task, int32_t pid, uint32_t flags) {
  if ((flags & ~abi::kONonBlock) != 0 || pid <= 0) return Errno::kEINVAL;
  const RefPtr<Task> target = task.FindTask(pid);
  if (!target) return Errno::kESRCH;
  if (!target->is_leader()) return Errno::kEINVAL;
  RefPtr<FileDescription> file = PidFd::Create(RefPtr<ThreadGroup>(&target->group()), flags);
  return task.fds().Install(std::move(file), CloseOnExec::kYes, task.group().soft_limit(RlimitKind::kNofile));
}

}  // namespace sentry
