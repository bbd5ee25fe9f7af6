#include <sched.h>

#include <algorithm>
#include <bit>

#include "sentry/kernel/kernel.h"
#include "sentry/kernel/sched/task_sched.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/process_args.h"

namespace sentry {
namespace {

// Linux's check_same_owner.
bool SameOwner(const Task& task, const Credentials& theirs) {
  return task.creds().euid == theirs.euid || task.creds().euid == theirs.uid;
}

Result<RefPtr<Task>> FindForSched(Task& task, int32_t pid) {
  if (pid < 0) return Errno::kEINVAL;
  return FindTaskOrSelf(task, pid);
}

Result<void> ChangeSchedOf(Task& task, Task& target, const abi::SchedAttr& request) {
  const SchedRights rights = {.sys_nice = task.creds().Has(Capability::kSysNice),
                              .same_owner = SameOwner(task, *target.SharedCreds()),
                              .has_all_cpus = target.cpus() == target.kernel().all_cpus(),
                              .nice_limit = target.group().soft_limit(RlimitKind::kNice),
                              .priority_limit = target.group().soft_limit(RlimitKind::kRtprio)};
  TRY(target.sched().Change(request, &rights));
  target.SchedChanged();
  return Ok();
}

// Linux's do_sched_setscheduler.
Result<void> SetSchedParam(Task& task, int32_t pid, uint32_t policy, UserIn<int32_t> param) {
  if (!param || pid < 0) return Errno::kEINVAL;
  const int32_t priority = TRY(param.Read(task.mm()));
  const RefPtr<Task> target = TRY(FindTaskOrSelf(task, pid));
  abi::SchedAttr request{.policy = policy, .nice = target->sched().nice()};
  request.priority = static_cast<uint32_t>(priority);
  if (policy != kKeepSchedPolicy && (policy & abi::kSchedResetOnFork) != 0) {
    request.flags = abi::kSchedFlagResetOnFork;
    request.policy = policy & ~static_cast<uint32_t>(abi::kSchedResetOnFork);
  }
  return ChangeSchedOf(task, *target, request);
}

// Linux's sched_copy_attr.
Result<abi::SchedAttr> ReadSchedAttr(Task& task, UserAddr addr) {
  abi::SchedAttr attr;
  uint32_t size = TRY(UserIn<uint32_t>(addr).Read(task.mm()));
  if (size == 0) size = abi::kSchedAttrSizeVer0;
  Result<void> copied = Errno::kE2BIG;
  if (size >= abi::kSchedAttrSizeVer0) {
    copied = CopyInExtensible(task, addr, size, abi::kSchedAttrSizeVer0, std::as_writable_bytes(std::span(&attr, 1)));
  }
  // So that the caller learns what it may give.
  if (copied.Is(Errno::kE2BIG)) (void)UserOut<uint32_t>(addr).Write(task.mm(), sizeof attr);
  TRY(copied);
  if ((attr.flags & abi::kSchedFlagUtilClamp) != 0 && size < abi::kSchedAttrSizeVer1) return Errno::kEINVAL;
  attr.nice = std::clamp(attr.nice, abi::kMinNice, abi::kMaxNice);
  return attr;
}

// Linux's get_params: what SCHED_FLAG_KEEP_PARAMS puts in place of the caller's.
void KeepParams(const SchedAttributes& now, abi::SchedAttr& request) {
  const abi::SchedAttr own = now.ToAbi();
  if (now.is_deadline()) {
    request.runtime = own.runtime, request.deadline = own.deadline, request.period = own.period;
    request.priority = 0;
    request.flags = (request.flags & ~(abi::kSchedFlagReclaim | abi::kSchedFlagDlOverrun)) | now.deadline_flags;
  } else if (now.real_time()) {
    request.priority = own.priority;
  } else {
    request.nice = own.nice;
  }
}

SyscallResult PriorityRange(int32_t policy, int32_t of_real_time) {
  if (policy == abi::kSchedFifo || policy == abi::kSchedRr) return of_real_time;
  if (policy == abi::kSchedOther || policy == abi::kSchedBatch || policy == abi::kSchedIdle ||
      policy == abi::kSchedDeadline) {
    return 0;
  }
  return Errno::kEINVAL;
}

}  // namespace

SyscallResult SysSchedYield(Task&) {
  sched_yield();
  return 0;
}

SyscallResult SysSchedGetaffinity(Task& task, int32_t pid, uint32_t size, UserAddr mask) {
  if (size % sizeof(uint64_t) != 0 || size * 8 < static_cast<uint32_t>(task.kernel().cpu_count()))
    return Errno::kEINVAL;
  const RefPtr<Task> target = TRY(FindTaskOrSelf(task, pid));
  TRY(UserOut<uint64_t>(mask).Write(task.mm(), target->cpus()));
  return static_cast<int>(sizeof(uint64_t));
}

SyscallResult SysSchedSetaffinity(Task& task, int32_t pid, uint32_t size, UserAddr mask) {
  uint64_t wanted = 0;
  TRY(CopyInFull(task.mm(), mask, std::as_writable_bytes(std::span(&wanted, 1)).first(std::min<size_t>(size, 8))));
  const RefPtr<Task> target = TRY(FindTaskOrSelf(task, pid));
  const RefPtr<Credentials> theirs = target->SharedCreds();
  if (!SameOwner(task, *theirs) && !task.creds().HasIn(*theirs->user_ns, Capability::kSysNice)) return Errno::kEPERM;
  return target->sched().SetCpus(wanted, target->allowed_cpus());
}

SyscallResult SysSchedGetscheduler(Task& task, int32_t pid) {
  const SchedAttributes now = TRY(FindForSched(task, pid))->sched().attributes();
  return now.policy | (now.reset_on_fork ? abi::kSchedResetOnFork : 0);
}

SyscallResult SysSchedSetscheduler(Task& task, int32_t pid, int32_t policy, UserIn<int32_t> param) {
  if (policy < 0) return Errno::kEINVAL;
  return SetSchedParam(task, pid, static_cast<uint32_t>(policy), param);
}

SyscallResult SysSchedGetparam(Task& task, int32_t pid, UserOut<int32_t> param) {
  if (!param) return Errno::kEINVAL;
  const SchedAttributes now = TRY(FindForSched(task, pid))->sched().attributes();
  return param.Write(task.mm(), static_cast<int32_t>(now.rt_priority));
}

SyscallResult SysSchedSetparam(Task& task, int32_t pid, UserIn<int32_t> param) {
  return SetSchedParam(task, pid, kKeepSchedPolicy, param);
}

SyscallResult SysSchedGetattr(Task& task, int32_t pid, UserAddr attr, uint32_t size, uint32_t flags) {
  if (attr.is_null() || size > kPageSize || size < abi::kSchedAttrSizeVer0 || flags != 0) return Errno::kEINVAL;
  abi::SchedAttr out = TRY(FindForSched(task, pid))->sched().attributes().ToAbi();
  out.size = std::min<uint32_t>(size, sizeof out);
  return CopyOutFull(task.mm(), attr, std::as_bytes(std::span(&out, 1)).first(out.size));
}

SyscallResult SysSchedSetattr(Task& task, int32_t pid, UserAddr attr, uint32_t flags) {
  if (attr.is_null() || pid < 0 || flags != 0) return Errno::kEINVAL;
  abi::SchedAttr request = TRY(ReadSchedAttr(task, attr));
  if (static_cast<int32_t>(request.policy) < 0) return Errno::kEINVAL;
  if ((request.flags & abi::kSchedFlagKeepPolicy) != 0) request.policy = kKeepSchedPolicy;
  const RefPtr<Task> target = TRY(FindTaskOrSelf(task, pid));
  if ((request.flags & abi::kSchedFlagKeepParams) != 0) KeepParams(target->sched().attributes(), request);
  return ChangeSchedOf(task, *target, request);
}

SyscallResult SysSchedGetPriorityMax(Task&, int32_t policy) { return PriorityRange(policy, abi::kMaxRtPriority); }

SyscallResult SysSchedGetPriorityMin(Task&, int32_t policy) { return PriorityRange(policy, 1); }

SyscallResult SysSchedRrGetInterval(Task& task, int32_t pid, UserOut<abi::Timespec> interval) {
  constexpr int64_t kFairSlice = 4'000'000, kRoundRobinSlice = 100'000'000;
  const SchedAttributes now = TRY(FindForSched(task, pid))->sched().attributes();
  const int64_t slice = now.fair() ? kFairSlice : now.policy == abi::kSchedRr ? kRoundRobinSlice : 0;
  return interval.Write(task.mm(), {.sec = 0, .nsec = slice});
}

// The host's CPU where the task may be there; another of its own where its affinity says that it can't be.
SyscallResult SysGetcpu(Task& task, UserOut<uint32_t> cpu, UserOut<uint32_t> node, UserAddr) {
  const uint64_t cpus = task.cpus();
  const int now = std::max(sched_getcpu(), 0);
  uint32_t shown = static_cast<uint32_t>(now % task.kernel().cpu_count());
  if ((cpus >> shown & 1) == 0) shown = static_cast<uint32_t>(std::countr_zero(cpus));
  if (cpu) TRY(cpu.Write(task.mm(), shown));
  if (node) TRY(node.Write(task.mm(), 0));
  return 0;
}

}  // namespace sentry
