#include "sentry/syscalls/handlers.h"

#include "sentry/fs/proc/proc_fs.h"
#include "sentry/kernel/block.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/syscalls/poll.h"
#include "sentry/syscalls/restart.h"
#include "sentry/syscalls/time_args.h"

namespace sentry {
namespace {

constexpr uint64_t kSetSize = sizeof(SignalSet);

bool ValidSignal(int32_t signo) { return signo >= 1 && signo <= abi::kSigMax; }

SigInfo UserInfo(Task& task, int32_t signo, int32_t code) {
  SigInfo info;
  info.signo = signo;
  info.code = code;
  info.u.kill.pid = task.own_tgid();
  info.u.kill.uid = task.creds().user_ns->ShownUid(task.creds().uid);
  return info;
}

// Linux's check_kill_permission.
Result<void> CheckMaySignal(Task& task, Task& target, int32_t signo) {
  if (&task.group() == &target.group()) return Ok();
  const Credentials& own = task.creds();
  const RefPtr<Credentials> theirs = target.SharedCreds();
  if (!theirs) return Errno::kESRCH;
  const bool same_user =
      own.euid == theirs->suid || own.euid == theirs->uid || own.uid == theirs->suid || own.uid == theirs->uid;
  const bool same_session_cont = signo == abi::kSigCont && task.session() == target.session();
  if (same_user || same_session_cont || own.HasIn(*theirs->user_ns, Capability::kKill)) return Ok();
  return Errno::kEPERM;
}

Result<void> SignalGroup(Task& task, ThreadGroup& group, const SigInfo& info) {
  const RefPtr<Task> leader = group.leader();
  if (!leader) return Errno::kESRCH;
  TRY(CheckMaySignal(task, *leader, info.signo));
  if (info.signo == 0) return Ok();
  return group.SendSignalBy(task, info);
}

// The process that a pidfd or an open /proc/PID stands for; null if the latter's is gone.
Result<RefPtr<ThreadGroup>> SignalledBy(Task& task, const RefPtr<FileDescription>& file) {
  if (const RefPtr<PidFd> pidfd = FileCast<PidFd>(file)) return RefPtr<ThreadGroup>(&pidfd->group());
  const std::optional<ProcProcess> named = ProcProcessOf(file);
  if (!named) return Errno::kEBADF;
  RefPtr<ThreadGroup> group = task.kernel().FindGroup(named->tgid, task.kernel().root_pid_ns());
  const RefPtr<Task> leader = group ? group->leader() : nullptr;
  return leader && leader->serial() == named->serial ? group : RefPtr<ThreadGroup>();
}

// kill(-1) and kill(-pgid): success if one could be signalled.
template <typename Chosen>
Result<void> SignalMany(Task& task, int32_t signo, Chosen chosen) {
  SigInfo info = UserInfo(task, signo, abi::kSiUser);
  bool found = false, sent = false;
  for (const RefPtr<ThreadGroup>& group : task.VisibleGroups()) {
    if (!chosen(*group)) continue;
    found = true;
    sent = SignalGroup(task, *group, info).ok() || sent;
  }
  if (!found) return Errno::kESRCH;
  if (!sent) return Errno::kEPERM;
  return Ok();
}

Result<void> SignalThread(Task& task, int32_t tgid, int32_t tid, const SigInfo& info) {
  const RefPtr<Task> target = task.FindTask(tid);
  if (!target || (tgid > 0 && target->tgid() != task.IdOf(tgid))) return Errno::kESRCH;
  TRY(CheckMaySignal(task, *target, info.signo));
  if (info.signo == 0) return Ok();
  return target->SendSignalBy(task, info);
}

// A queued siginfo must not pretend to come from the kernel or from kill(2).
Result<SigInfo> ReadQueuedInfo(Task& task, UserAddr addr, int32_t signo, int32_t target_tgid) {
  SigInfo info;
  TRY(CopyInFull(task.mm(), addr, std::as_writable_bytes(std::span(&info, 1))));
  info.signo = signo;
  if ((info.code >= 0 || info.code == abi::kSiTkill) && target_tgid != task.own_tgid()) return Errno::kEPERM;
  return info;
}

Result<SignalSet> ReadSet(Task& task, UserIn<SignalSet> set, uint64_t size) {
  if (size != kSetSize) return Errno::kEINVAL;
  return TRY(set.Read(task.mm())) & ~abi::kUnblockable;
}

}  // namespace

SyscallResult SysRtSigaction(Task& task, SignalNumber signal, UserIn<abi::SigAction> action,
                             UserOut<abi::SigAction> old, Size size) {
  if (size.value != kSetSize) return Errno::kEINVAL;
  abi::SigAction fresh;
  if (action) fresh = TRY(action.Read(task.mm()));
  if (!ValidSignal(signal.value) || (action && abi::kUnblockable.Has(signal.value))) return Errno::kEINVAL;
  abi::SigAction before;
  if (action) {
    fresh.mask = fresh.mask & ~abi::kUnblockable;
    before = task.group().ExchangeAction(signal.value, fresh);
  } else {
    before = task.group().actions()->Get(signal.value);
  }
  if (old) TRY(old.Write(task.mm(), before));
  return 0;
}

SyscallResult SysRtSigprocmask(Task& task, int32_t how, UserIn<SignalSet> set, UserOut<SignalSet> old, Size size) {
  if (size.value != kSetSize) return Errno::kEINVAL;
  const SignalSet before = task.blocked();
  if (set) {
    const SignalSet given = TRY(ReadSet(task, set, size.value));
    switch (how) {
      case abi::kSigBlock:
        task.SetBlocked(before | given);
        break;
      case abi::kSigUnblock:
        task.SetBlocked(before & ~given);
        break;
      case abi::kSigSetMask:
        task.SetBlocked(given);
        break;
      default:
        return Errno::kEINVAL;
    }
  }
  if (old) TRY(old.Write(task.mm(), before));
  return 0;
}

SyscallResult SysRtSigreturn(Task& task) { return task.ReturnFromSignal(); }

SyscallResult SysRtSigpending(Task& task, UserOut<SignalSet> set, Size size) {
  if (size.value > kSetSize) return Errno::kEINVAL;
  const SignalSet pending = task.pending() & task.blocked();
  return CopyOutFull(task.mm(), set.addr(), std::as_bytes(std::span(&pending, 1)).first(size.value));
}

SyscallResult SysRtSigtimedwait(Task& task, UserIn<SignalSet> set, UserAddr info, UserIn<abi::Timespec> timeout,
                                Size size) {
  const SignalSet wanted = TRY(ReadSet(task, set, size.value));
  const Deadline deadline = TRY(ReadRelativeTimeout(task, timeout.addr()));
  SigInfo taken;
  // What is waited for is unblocked meanwhile, or it would not wake us; it is
  // taken here before it could be delivered.
  const auto attempt = [&]() -> Result<int> {
    std::optional<SigInfo> found = task.DequeueSignal(wanted);
    if (!found) return Errno::kEAGAIN;
    taken = *found;
    return found->signo;
  };
  Interruptible<int> result = BlockUntil(task, &task.signal_events(), UINT32_MAX, deadline, attempt);
  if (result.interrupted()) {
    // The signal that ended the wait may be one that we wait for.
    Result<int> last = attempt();
    if (!last.ok()) return Errno::kEINTR;
    result = last;
  }
  const int signo = TRY(result);
  if (!info.is_null()) TRY(CopyOutFull(task.mm(), info, std::as_bytes(std::span(&taken, 1))));
  return signo;
}

SyscallResult SysRtSigqueueinfo(Task& task, int32_t pid, SignalNumber signal, UserAddr info) {
  const SigInfo queued = TRY(ReadQueuedInfo(task, info, signal.value, pid));
  if (signal.value < 0 || signal.value > abi::kSigMax) return Errno::kEINVAL;
  const RefPtr<ThreadGroup> group = task.FindGroup(pid);
  if (!group) return Errno::kESRCH;
  return SignalGroup(task, *group, queued);
}

SyscallResult SysRtTgsigqueueinfo(Task& task, int32_t tgid, int32_t tid, SignalNumber signal, UserAddr info) {
  if (tgid <= 0 || tid <= 0) return Errno::kEINVAL;
  const SigInfo queued = TRY(ReadQueuedInfo(task, info, signal.value, tgid));
  if (signal.value < 0 || signal.value > abi::kSigMax) return Errno::kEINVAL;
  return SignalThread(task, tgid, tid, queued);
}

SyscallResult SysRtSigsuspend(Task& task, UserIn<SignalSet> mask, Size size) {
  task.SetTemporaryMask(TRY(ReadSet(task, mask, size.value)));
  (void)SleepUntil(task, std::nullopt);  // only a signal ends it
  return Restart::kNoHand;
}

SyscallResult SysSigaltstack(Task& task, UserAddr stack, UserAddr old) {
  constexpr uint64_t kMinSigStack = 2048;
  const abi::SigAltStack before = task.altstack();
  const bool on_stack = before.size != 0 && task.regs().rsp - before.sp < before.size && task.regs().rsp > before.sp &&
                        (before.flags & abi::kSsAutoDisarm) == 0;
  if (!stack.is_null()) {
    abi::SigAltStack fresh = TRY(UserIn<abi::SigAltStack>(stack).Read(task.mm()));
    if (on_stack) return Errno::kEPERM;
    const int32_t mode = fresh.flags & ~abi::kSsAutoDisarm;
    if (mode != 0 && mode != abi::kSsOnStack && mode != abi::kSsDisable) return Errno::kEINVAL;
    if (mode == abi::kSsDisable) {
      fresh.sp = fresh.size = 0;
    } else if (fresh.size < kMinSigStack) {
      return Errno::kENOMEM;
    }
    fresh.pad = 0;
    task.SetAltStack(fresh);
  }
  if (old.is_null()) return 0;
  abi::SigAltStack shown = before;
  if (on_stack) shown.flags = abi::kSsOnStack;
  if (before.size == 0) shown.flags = abi::kSsDisable | (before.flags & abi::kSsAutoDisarm);
  return UserOut<abi::SigAltStack>(old).Write(task.mm(), shown);
}

SyscallResult SysKill(Task& task, int32_t pid, SignalNumber signal) {
  if (signal.value < 0 || signal.value > abi::kSigMax) return Errno::kEINVAL;
  if (pid > 0) {
    const RefPtr<ThreadGroup> group = task.FindGroup(pid);
    if (!group) return Errno::kESRCH;
    return SignalGroup(task, *group, UserInfo(task, signal.value, abi::kSiUser));
  }
  if (pid == INT32_MIN) return Errno::kESRCH;
  if (pid == -1) {
    return SignalMany(task, signal.value,
                      [&](ThreadGroup& g) { return g.pid().NumberIn(task.pid_ns()) != 1 && &g != &task.group(); });
  }
  const int32_t pgid = pid == 0 ? task.process_group() : task.IdOf(-pid);
  if (pgid == 0) return Errno::kESRCH;
  return SignalMany(task, signal.value, [&](ThreadGroup& g) { return g.process_group_id() == pgid; });
}

SyscallResult SysTkill(Task& task, int32_t tid, SignalNumber signal) {
  if (tid <= 0 || signal.value < 0 || signal.value > abi::kSigMax) return Errno::kEINVAL;
  return SignalThread(task, 0, tid, UserInfo(task, signal.value, abi::kSiTkill));
}

SyscallResult SysTgkill(Task& task, int32_t tgid, int32_t tid, SignalNumber signal) {
  if (tgid <= 0 || tid <= 0 || signal.value < 0 || signal.value > abi::kSigMax) return Errno::kEINVAL;
  return SignalThread(task, tgid, tid, UserInfo(task, signal.value, abi::kSiTkill));
}

SyscallResult SysPidfdSendSignal(Task& task, Fd fd, SignalNumber signal, UserAddr info, uint32_t flags) {
  if (flags != 0) return Errno::kEINVAL;
  const RefPtr<ThreadGroup> group = TRY(SignalledBy(task, TRY(task.fds().Get(fd.value))));
  SigInfo sent = UserInfo(task, signal.value, abi::kSiUser);
  if (!info.is_null()) {
    TRY(CopyInFull(task.mm(), info, std::as_writable_bytes(std::span(&sent, 1))));
    if (sent.signo != signal.value) return Errno::kEINVAL;
    // Any origin may be claimed only towards oneself; the descriptor stands for the leader.
    const bool to_self = group.get() == &task.group() && task.is_leader();
    if ((sent.code >= 0 || sent.code == abi::kSiTkill) && !to_self) return Errno::kEPERM;
  }
  if (!group || !group->leader()) return Errno::kESRCH;
  if (signal.value < 0 || signal.value > abi::kSigMax) return Errno::kEINVAL;
  return SignalGroup(task, *group, sent);
}

SyscallResult SysPause(Task& task) {
  (void)SleepUntil(task, std::nullopt);  // only a signal ends it
  return Restart::kNoHand;
}

SyscallResult SysRestartSyscall(Task& task) {
  const RestartBlock block = std::exchange(task.restart_block, std::monostate());
  if (const auto* sleep = std::get_if<NanosleepRestart>(&block)) return RestartNanosleep(task, *sleep);
  if (const auto* poll = std::get_if<PollRestart>(&block)) return RestartPoll(task, *poll);
  if (const auto* futex = std::get_if<FutexRestart>(&block)) return RestartFutex(task, *futex);
  return Errno::kEINTR;
}

}  // namespace sentry
