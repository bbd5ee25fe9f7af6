#include <sched.h>

#include <algorithm>

#include "sentry/kernel/cgroup/member.h"
#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/process_args.h"

namespace sentry {
namespace {

constexpr int32_t kSchedOther = 0, kSchedFifo = 1, kSchedRr = 2, kSchedBatch = 3, kSchedIdle = 5;
constexpr int32_t kSchedResetOnFork = 0x40000000;
constexpr uint64_t kMaxOpenFiles = 1 << 20;  // fs.nr_open

Result<RefPtr<Task>> FindOrSelf(Task& task, int32_t pid) {
  if (pid < 0) return Errno::kEINVAL;
  RefPtr<Task> target = pid == 0 ? RefPtr<Task>(&task) : task.FindTask(pid);
  if (!target) return Errno::kESRCH;
  return target;
}

Result<RlimitKind> ToKind(uint32_t resource) {
  if (resource >= static_cast<uint32_t>(RlimitKind::kCount)) return Errno::kEINVAL;
  return static_cast<RlimitKind>(resource);
}

Result<void> SetLimit(Task& task, ThreadGroup& group, RlimitKind kind, const abi::Rlimit64& fresh) {
  if (fresh.soft > fresh.hard) return Errno::kEINVAL;
  if (kind == RlimitKind::kNofile && fresh.hard > kMaxOpenFiles) return Errno::kEPERM;
  if (fresh.hard > group.limit(kind).hard && !task.creds().Has(Capability::kSysResource)) return Errno::kEPERM;
  group.SetLimit(kind, {.soft = fresh.soft, .hard = fresh.hard});
  return Ok();
}

// Linux's check_prlimit_permission.
Result<void> CheckPrlimit(Task& task, Task& target) {
  if (&task.group() == &target.group()) return Ok();
  const RefPtr<Credentials> c = target.SharedCreds();
  if (!c) return Errno::kESRCH;
  const Credentials& own = task.creds();
  const bool same = own.uid == c->euid && own.uid == c->suid && own.uid == c->uid && own.gid == c->egid &&
                    own.gid == c->sgid && own.gid == c->gid;
  return same || own.HasIn(*c->user_ns, Capability::kSysResource) ? Ok() : Errno::kEPERM;
}

bool MayRenice(Task& task, const Credentials& theirs) {
  const Credentials& own = task.creds();
  return own.euid == theirs.uid || own.euid == theirs.euid || own.HasIn(*theirs.user_ns, Capability::kSysNice);
}

// The threads that getpriority and setpriority speak of.
Result<std::vector<RefPtr<Task>>> PriorityTargets(Task& task, int32_t which, int32_t who) {
  constexpr int32_t kProcess = 0, kGroup = 1, kUser = 2;
  std::vector<RefPtr<Task>> targets;
  if (which == kProcess) {
    RefPtr<Task> target = who == 0 ? RefPtr<Task>(&task) : task.FindTask(who);
    if (target) targets.push_back(std::move(target));
  } else if (which == kGroup || which == kUser) {
    const int32_t pgid = who == 0 ? task.process_group() : task.IdOf(who);
    const uint32_t uid = who == 0 ? task.creds().uid : task.creds().user_ns->ToKernelUid(static_cast<uint32_t>(who));
    for (const RefPtr<ThreadGroup>& group : task.VisibleGroups()) {
      for (const RefPtr<Task>& member : group->tasks()) {
        const RefPtr<Credentials> c = member->SharedCreds();
        if (which == kGroup ? group->process_group_id() == pgid : c && c->uid == uid) targets.push_back(member);
      }
    }
  } else {
    return Errno::kEINVAL;
  }
  if (targets.empty()) return Errno::kESRCH;
  return targets;
}

uint64_t OnlineMask(Task& task) {
  const int cpus = task.kernel().cpu_count();
  const uint64_t all = cpus >= 64 ? UINT64_MAX : (uint64_t{1} << cpus) - 1;
  return all & task.cgroup_member().allowed_cpus();
}

// Real-time policies need a privilege that a sandbox never has on the host.
Result<void> CheckPolicy(int32_t policy, int32_t priority) {
  const int32_t base = policy & ~kSchedResetOnFork;
  if (base == kSchedFifo || base == kSchedRr) {
    if (priority < 1 || priority > 99) return Errno::kEINVAL;
    return Errno::kEPERM;
  }
  if ((base != kSchedOther && base != kSchedBatch && base != kSchedIdle) || priority != 0) return Errno::kEINVAL;
  return Ok();
}

}  // namespace

SyscallResult SysGetrlimit(Task& task, uint32_t resource, UserOut<abi::Rlimit64> limit) {
  const Rlimit now = task.group().limit(TRY(ToKind(resource)));
  return limit.Write(task.mm(), {.soft = now.soft, .hard = now.hard});
}

SyscallResult SysSetrlimit(Task& task, uint32_t resource, UserIn<abi::Rlimit64> limit) {
  const abi::Rlimit64 fresh = TRY(limit.Read(task.mm()));
  return SetLimit(task, task.group(), TRY(ToKind(resource)), fresh);
}

SyscallResult SysPrlimit64(Task& task, int32_t pid, uint32_t resource, UserIn<abi::Rlimit64> limit,
                           UserOut<abi::Rlimit64> old) {
  const RlimitKind kind = TRY(ToKind(resource));
  abi::Rlimit64 fresh{};
  if (limit) fresh = TRY(limit.Read(task.mm()));
  const RefPtr<Task> target = pid < 0 ? nullptr : TRY(FindOrSelf(task, pid));
  if (!target) return Errno::kESRCH;
  TRY(CheckPrlimit(task, *target));
  const Rlimit before = target->group().limit(kind);
  if (limit) TRY(SetLimit(task, target->group(), kind, fresh));
  if (old) TRY(old.Write(task.mm(), {.soft = before.soft, .hard = before.hard}));
  return 0;
}

SyscallResult SysGetrusage(Task& task, int32_t who, UserOut<abi::Rusage> usage) {
  constexpr int32_t kSelf = 0, kChildren = -1, kThread = 1;
  if (who == kSelf) return usage.Write(task.mm(), ToRusage(task.group().cpu_times(), task.group().max_rss()));
  if (who == kThread) return usage.Write(task.mm(), ToRusage(task.cpu_times(), task.group().max_rss()));
  if (who == kChildren) return usage.Write(task.mm(), ToRusage(task.group().children_cpu_times(), 0));
  return Errno::kEINVAL;
}

SyscallResult SysGetpriority(Task& task, int32_t which, int32_t who) {
  int32_t best = INT32_MAX;
  for (const RefPtr<Task>& target : TRY(PriorityTargets(task, which, who))) {
    best = std::min<int32_t>(best, target->nice);
  }
  return 20 - best;
}

SyscallResult SysSetpriority(Task& task, int32_t which, int32_t who, int32_t nice) {
  nice = std::clamp(nice, -20, 19);
  Errno worst = Errno::kEPERM;
  bool failed = false;
  for (const RefPtr<Task>& target : TRY(PriorityTargets(task, which, who))) {
    const RefPtr<Credentials> theirs = target->SharedCreds();
    if (!theirs || !MayRenice(task, *theirs)) {
      failed = true;
      continue;
    }
    const int64_t floor =
        20 - static_cast<int64_t>(std::min<uint64_t>(target->group().soft_limit(RlimitKind::kNice), 40));
    if (nice < target->nice && nice < floor && !task.creds().Has(Capability::kSysNice)) {
      failed = true, worst = Errno::kEACCES;
      continue;
    }
    target->nice = nice;
  }
  if (failed) return worst;
  return 0;
}

SyscallResult SysSchedYield(Task&) {
  sched_yield();
  return 0;
}

SyscallResult SysSchedGetaffinity(Task& task, int32_t pid, uint32_t size, UserAddr mask) {
  if (size % sizeof(uint64_t) != 0 || size * 8 < static_cast<uint32_t>(task.kernel().cpu_count()))
    return Errno::kEINVAL;
  const RefPtr<Task> target = pid < 0 ? nullptr : TRY(FindOrSelf(task, pid));
  if (!target) return Errno::kESRCH;
  TRY(UserOut<uint64_t>(mask).Write(task.mm(), target->cpu_affinity & OnlineMask(*target)));
  return static_cast<int>(sizeof(uint64_t));
}

SyscallResult SysSchedSetaffinity(Task& task, int32_t pid, uint32_t size, UserAddr mask) {
  uint64_t wanted = 0;
  TRY(CopyInFull(task.mm(), mask, std::as_writable_bytes(std::span(&wanted, 1)).first(std::min<size_t>(size, 8))));
  const RefPtr<Task> target = pid < 0 ? nullptr : TRY(FindOrSelf(task, pid));
  if (!target) return Errno::kESRCH;
  const RefPtr<Credentials> theirs = target->SharedCreds();
  if (!theirs || !MayRenice(task, *theirs)) return Errno::kEPERM;
  if ((wanted & OnlineMask(*target)) == 0) return Errno::kEINVAL;
  target->cpu_affinity = wanted;
  return 0;
}

SyscallResult SysSchedGetscheduler(Task& task, int32_t pid) { return TRY(FindOrSelf(task, pid))->sched_policy.load(); }

SyscallResult SysSchedSetscheduler(Task& task, int32_t pid, int32_t policy, UserIn<int32_t> param) {
  if (!param || policy < 0) return Errno::kEINVAL;
  const RefPtr<Task> target = TRY(FindOrSelf(task, pid));
  TRY(CheckPolicy(policy, TRY(param.Read(task.mm()))));
  const RefPtr<Credentials> theirs = target->SharedCreds();
  if (!theirs || !MayRenice(task, *theirs)) return Errno::kEPERM;
  target->sched_policy = policy;
  return 0;
}

SyscallResult SysSchedGetparam(Task& task, int32_t pid, UserOut<int32_t> param) {
  if (!param) return Errno::kEINVAL;
  TRY(FindOrSelf(task, pid));
  return param.Write(task.mm(), 0);
}

SyscallResult SysSchedSetparam(Task& task, int32_t pid, UserIn<int32_t> param) {
  if (!param) return Errno::kEINVAL;
  TRY(FindOrSelf(task, pid));
  if (TRY(param.Read(task.mm())) != 0) return Errno::kEINVAL;
  return 0;
}

SyscallResult SysSchedGetPriorityMax(Task&, int32_t policy) {
  if (policy == kSchedFifo || policy == kSchedRr) return 99;
  if (policy == kSchedOther || policy == kSchedBatch || policy == kSchedIdle) return 0;
  return Errno::kEINVAL;
}

SyscallResult SysSchedGetPriorityMin(Task&, int32_t policy) {
  if (policy == kSchedFifo || policy == kSchedRr) return 1;
  if (policy == kSchedOther || policy == kSchedBatch || policy == kSchedIdle) return 0;
  return Errno::kEINVAL;
}

SyscallResult SysSchedRrGetInterval(Task& task, int32_t pid, UserOut<abi::Timespec> interval) {
  TRY(FindOrSelf(task, pid));
  return interval.Write(task.mm(), {.sec = 0, .nsec = 4'000'000});
}

SyscallResult SysGetcpu(Task& task, UserOut<uint32_t> cpu, UserOut<uint32_t> node, UserAddr) {
  const int now = sched_getcpu();
  const uint32_t shown = now < 0 ? 0 : static_cast<uint32_t>(now % task.kernel().cpu_count());
  if (cpu) TRY(cpu.Write(task.mm(), shown));
  if (node) TRY(node.Write(task.mm(), 0));
  return 0;
}

}  // namespace sentry
