#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/process_args.h"

namespace sentry {
namespace {

constexpr uint64_t kMaxOpenFiles = 1 << 20;  // fs.nr_open

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
  const RefPtr<Task> target = TRY(FindTaskOrSelf(task, pid));
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

}  // namespace sentry
