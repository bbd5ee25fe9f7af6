#include <algorithm>

#include "sentry/kernel/sched/task_sched.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/process_args.h"

namespace sentry {
namespace {

// The threads of one process, process group or user; none may be left.
Result<std::vector<RefPtr<Task>>> ThreadsOf(Task& task, int32_t which, int32_t who, uint32_t uid) {
  if (which < abi::kPrioProcess || which > abi::kPrioUser) return Errno::kEINVAL;
  std::vector<RefPtr<Task>> threads;
  if (which == abi::kPrioProcess) {
    threads.push_back(TRY(FindTaskOrSelf(task, who)));
    return threads;
  }
  const int32_t pgid = who == 0 ? task.process_group() : task.IdOf(who);
  if (which == abi::kPrioPgrp && pgid == 0) return threads;
  for (const RefPtr<ThreadGroup>& group : task.VisibleGroups()) {
    for (const RefPtr<Task>& member : group->tasks()) {
      const RefPtr<Credentials> c = member->SharedCreds();
      if (which == abi::kPrioPgrp ? group->process_group_id() == pgid : c && c->uid == uid) threads.push_back(member);
    }
  }
  return threads;
}

uint32_t KernelUid(const Task& task, int32_t uid) {
  return task.creds().user_ns->ToKernelUid(static_cast<uint32_t>(uid));
}

// Linux's set_one_prio.
Result<void> SetNice(Task& task, Task& target, int32_t nice) {
  const Credentials& own = task.creds();
  const RefPtr<Credentials> theirs = target.SharedCreds();
  if (own.euid != theirs->uid && own.euid != theirs->euid && !own.HasIn(*theirs->user_ns, Capability::kSysNice)) {
    return Errno::kEPERM;
  }
  if (nice < target.sched().nice() && !NiceWithinLimit(nice, target.group().soft_limit(RlimitKind::kNice)) &&
      !own.Has(Capability::kSysNice)) {
    return Errno::kEACCES;
  }
  target.sched().SetNice(nice);
  target.SchedChanged();
  return Ok();
}

// Linux's set_task_ioprio.
Result<void> SetIoPriority(Task& task, Task& target, int32_t priority) {
  const Credentials& own = task.creds();
  const uint32_t uid = target.SharedCreds()->uid;
  if (uid != own.euid && uid != own.uid && !own.Has(Capability::kSysNice)) return Errno::kEPERM;
  target.sched().SetIoPriority(priority);
  return Ok();
}

}  // namespace

SyscallResult SysGetpriority(Task& task, int32_t which, int32_t who) {
  const uint32_t uid = who == 0 ? task.creds().uid : KernelUid(task, who);
  int32_t best = INT32_MAX;
  for (const RefPtr<Task>& target : TRY(ThreadsOf(task, which, who, uid))) {
    best = std::min(best, target->sched().nice());
  }
  if (best == INT32_MAX) return Errno::kESRCH;
  return 20 - best;
}

// As Linux does it: what went wrong last is told, whatever else was done.
SyscallResult SysSetpriority(Task& task, int32_t which, int32_t who, int32_t nice) {
  const uint32_t uid = who == 0 ? task.creds().uid : KernelUid(task, who);
  nice = std::clamp(nice, abi::kMinNice, abi::kMaxNice);
  Result<void> result = Errno::kESRCH;
  for (const RefPtr<Task>& target : TRY(ThreadsOf(task, which, who, uid))) {
    const Result<void> set = SetNice(task, *target, nice);
    if (!set.ok()) {
      result = set;
    } else if (result.Is(Errno::kESRCH)) {
      result = Ok();
    }
  }
  return result;
}

SyscallResult SysIoprioGet(Task& task, int32_t which, int32_t who) {
  int32_t best = INT32_MAX;
  for (const RefPtr<Task>& target : TRY(ThreadsOf(task, which - 1, who, KernelUid(task, who)))) {
    // Of one thread what was set, of several what counts: each has some priority.
    if (which - 1 == abi::kPrioProcess) return target->sched().io_priority();
    best = std::min(best, target->sched().effective_io_priority());
  }
  if (best == INT32_MAX) return Errno::kESRCH;
  return best;
}

SyscallResult SysIoprioSet(Task& task, int32_t which, int32_t who, int32_t priority) {
  const Credentials& own = task.creds();
  TRY(CheckIoPriority(priority, own.Has(Capability::kSysAdmin) || own.Has(Capability::kSysNice)));
  const std::vector<RefPtr<Task>> targets = TRY(ThreadsOf(task, which - 1, who, KernelUid(task, who)));
  if (targets.empty()) return Errno::kESRCH;
  for (const RefPtr<Task>& target : targets) TRY(SetIoPriority(task, *target, priority));
  return 0;
}

}  // namespace sentry
