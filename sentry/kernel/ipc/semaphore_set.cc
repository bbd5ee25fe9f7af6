#include "sentry/kernel/ipc/semaphore_set.h"

#include <algorithm>
#include <utility>

#include "sentry/kernel/ipc/sem_undo.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr uint32_t kRead = 0444, kWrite = 0222;

bool Alters(std::span<const abi::Sembuf> ops) {
  return std::any_of(ops.begin(), ops.end(), [](const abi::Sembuf& op) { return op.op != 0; });
}

}  // namespace

SemaphoreSet::Operation::Operation(const IpcCaller& caller, std::span<const abi::Sembuf> ops, RefPtr<SemUndoList> undo)
    : IpcWaiter(caller), ops(ops), undo(std::move(undo)), alters(Alters(ops)) {}

Result<RefPtr<SemaphoreSet>> SemaphoreSet::Create(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key,
                                                  uint32_t flags, size_t count) {
  IpcCharge charge = TRY(IpcCharge::Take(sizeof(SemaphoreSet) + count * sizeof(Semaphore)));
  return RefPtr<SemaphoreSet>::Adopt(new SemaphoreSet(caller, std::move(owner), key, flags, count, std::move(charge)));
}

SemaphoreSet::SemaphoreSet(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key, uint32_t flags,
                           size_t count, IpcCharge charge)
    : IpcObject(caller, std::move(owner), key, flags),
      charge_(std::move(charge)),
      semaphores_(count),
      changed_at_(IpcNow()) {}

// --- Operations -----------------------------------------------------------------

Result<SemaphoreSet::Step> SemaphoreSet::StepLocked(const abi::Sembuf& op, Undo* undo) {
  Semaphore& semaphore = semaphores_[op.num];
  const int32_t value = semaphore.value + op.op;
  if ((op.op == 0 && semaphore.value != 0) || value < 0) return Step::kBlocks;
  if (value > abi::kSemVmx) return Errno::kERANGE;
  if (op.flags & abi::kSemUndo) {
    const int32_t adjust = undo->adjust[op.num] - op.op;
    if (adjust < -abi::kSemAem - 1 || adjust > abi::kSemAem) return Errno::kERANGE;
    undo->adjust[op.num] = static_cast<int16_t>(adjust);
  }
  semaphore.value = value;
  return Step::kDone;
}

Result<SemaphoreSet::Undo*> SemaphoreSet::UndoOfLocked(const Operation& operation) {
  if (!operation.undo) return nullptr;
  const auto found = undos_.find(operation.undo.get());
  if (found != undos_.end()) return &found->second;
  const size_t bytes = sizeof(Undo) + count() * sizeof(int16_t);
  Undo fresh = {.adjust = {}, .charge = TRY(IpcCharge::Take(bytes))};
  fresh.adjust.resize(count());
  return &undos_.emplace(operation.undo.get(), std::move(fresh)).first->second;
}

Result<SemaphoreSet::Step> SemaphoreSet::PerformLocked(Operation& operation) {
  Undo* const undo = TRY(UndoOfLocked(operation));
  size_t done = 0;
  Result<Step> step = Step::kDone;
  while (done < operation.ops.size()) {
    step = StepLocked(operation.ops[done], undo);
    if (!step.ok() || *step == Step::kBlocks) break;
    ++done;
  }
  if (done == operation.ops.size()) {
    for (const abi::Sembuf& op : operation.ops) semaphores_[op.num].process = RefPtr<Pid>(&operation.caller.process);
    return Step::kDone;
  }
  operation.blocking = done;
  if (step.ok() && (static_cast<uint16_t>(operation.ops[done].flags) & abi::kIpcNoWait)) step = Errno::kEAGAIN;
  while (done-- > 0) {
    const abi::Sembuf& op = operation.ops[done];
    semaphores_[op.num].value -= op.op;
    if (op.flags & abi::kSemUndo) undo->adjust[op.num] = static_cast<int16_t>(undo->adjust[op.num] + op.op);
  }
  return step;
}

Result<void> SemaphoreSet::Start(Operation& operation) {
  for (const abi::Sembuf& op : operation.ops) {
    if (op.num >= count()) return Errno::kEFBIG;
  }
  const uint32_t access = operation.alters ? kWrite : kRead;
  if (operation.undo) {
    TRY(CheckAccess(operation.caller, access));
    operation.undo->Remember(*this);  // before its first use here
  }
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(operation.caller, access));
  if (TRY(PerformLocked(operation)) == Step::kBlocks) {
    (operation.alters ? alterers_ : readers_).push_back(&operation);
    if (operation.alters && operation.ops.size() > 1) ++complex_;
    return Ok();
  }
  operated_at_ = IpcNow();
  operation.Finish();
  if (operation.alters) UpdateLocked();
  return Ok();
}

bool SemaphoreSet::TryLocked(Queue& queue, Queue::iterator& at, bool& succeeded) {
  Operation& operation = **at;
  const Result<Step> step = PerformLocked(operation);
  if (step.ok() && *step == Step::kBlocks) {
    ++at;
    return false;
  }
  at = queue.erase(at);
  if (operation.alters && operation.ops.size() > 1) --complex_;
  succeeded = step.ok();
  operation.Finish(step.ok() ? std::nullopt : std::optional<Errno>(step.error()));
  return true;
}

bool SemaphoreSet::FinishWhoCanLocked(Queue& queue) {
  bool any = false, succeeded = false;
  for (auto at = queue.begin(); at != queue.end();) {
    if (TryLocked(queue, at, succeeded)) any |= succeeded;
  }
  return any;
}

bool SemaphoreSet::UpdateLocked() {
  bool any = FinishWhoCanLocked(readers_);
  for (auto at = alterers_.begin(); at != alterers_.end();) {
    bool succeeded = false;
    const size_t ops = (*at)->ops.size();
    if (!TryLocked(alterers_, at, succeeded) || !succeeded) continue;
    any = true;
    FinishWhoCanLocked(readers_);
    // One decrement lets no other one go on (Linux's check_restart).
    if (ops > 1 || complex_ > 0) at = alterers_.begin();
  }
  return any;
}

void SemaphoreSet::UnlinkLocked(IpcWaiter& waiter) {
  for (Queue* queue : {&readers_, &alterers_}) {
    queue->remove_if([&](const Operation* waiting) { return waiting == &waiter; });
  }
  const auto& operation = static_cast<const Operation&>(waiter);
  if (operation.alters && operation.ops.size() > 1) --complex_;
}

void SemaphoreSet::RemoveLocked() {
  gone_.store(true, std::memory_order_relaxed);
  undos_.clear();
  complex_ = 0;
  for (Queue* queue : {&readers_, &alterers_}) {
    for (Operation* operation : *queue) operation->Finish(Errno::kEIDRM);
    queue->clear();
  }
}

void SemaphoreSet::TakeBack(const SemUndoList& list, Pid& process) {
  MutexLock lock(mu_);
  auto undo = undos_.extract(&list);
  if (undo.empty()) return;
  for (size_t i = 0; i < count(); ++i) {
    const int32_t adjust = undo.mapped().adjust[i];
    if (adjust == 0) continue;
    semaphores_[i].value = std::clamp(semaphores_[i].value + adjust, 0, abi::kSemVmx);
    semaphores_[i].process = RefPtr<Pid>(&process);
  }
  operated_at_ = IpcNow();
  UpdateLocked();
}

// --- semctl ---------------------------------------------------------------------

Result<abi::SemidDs> SemaphoreSet::Stat(const IpcCaller& caller, IpcStatKind kind) const {
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(caller, kind == IpcStatKind::kIndexAny ? 0 : kRead));
  return DescribeLocked(*caller.creds.user_ns);
}

abi::SemidDs SemaphoreSet::Describe(const UserNamespace& seen_by) const {
  MutexLock lock(mu_);
  return DescribeLocked(seen_by);
}

abi::SemidDs SemaphoreSet::DescribeLocked(const UserNamespace& seen_by) const {
  abi::SemidDs out = {};
  out.perm = PermLocked(seen_by);
  out.otime = operated_at_, out.ctime = changed_at_;
  out.nsems = count();
  return out;
}

Result<void> SemaphoreSet::SetPerm(const IpcCaller& caller, const abi::IpcPerm& perm) {
  MutexLock lock(mu_);
  TRY(CheckOwnerLocked(caller));
  TRY(SetPermLocked(caller, perm));
  changed_at_ = IpcNow();
  return Ok();
}

Result<std::vector<uint16_t>> SemaphoreSet::GetAll(const IpcCaller& caller) const {
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(caller, kRead));
  std::vector<uint16_t> values;
  values.reserve(count());
  for (const Semaphore& semaphore : semaphores_) values.push_back(static_cast<uint16_t>(semaphore.value));
  return values;
}

Result<void> SemaphoreSet::SetAll(const IpcCaller& caller, std::span<const uint16_t> values) {
  const auto too_high = [](uint16_t value) { return value > abi::kSemVmx; };
  if (std::any_of(values.begin(), values.end(), too_high)) return Errno::kERANGE;
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(caller, kWrite));
  for (size_t i = 0; i < count(); ++i) semaphores_[i] = {values[i], RefPtr<Pid>(&caller.process)};
  for (auto& [list, undo] : undos_) std::fill(undo.adjust.begin(), undo.adjust.end(), 0);
  changed_at_ = IpcNow();
  if (UpdateLocked()) operated_at_ = IpcNow();
  return Ok();
}

Result<void> SemaphoreSet::SetValue(const IpcCaller& caller, int32_t number, int32_t value) {
  MutexLock lock(mu_);
  if (number < 0 || static_cast<size_t>(number) >= count()) return Errno::kEINVAL;
  TRY(CheckAccessLocked(caller, kWrite));
  semaphores_[static_cast<size_t>(number)] = {value, RefPtr<Pid>(&caller.process)};
  for (auto& [list, undo] : undos_) undo.adjust[static_cast<size_t>(number)] = 0;
  changed_at_ = IpcNow();
  if (UpdateLocked()) operated_at_ = IpcNow();
  return Ok();
}

Result<int32_t> SemaphoreSet::Get(const IpcCaller& caller, int32_t number, Ask ask) const {
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(caller, kRead));
  if (number < 0 || static_cast<size_t>(number) >= count()) return Errno::kEINVAL;
  const Semaphore& semaphore = semaphores_[static_cast<size_t>(number)];
  if (ask == Ask::kValue) return semaphore.value;
  if (ask == Ask::kPid) return PidNumber(semaphore.process, caller.process.ns());
  const auto waits = [&](const Operation* waiting) {
    const abi::Sembuf& op = waiting->ops[waiting->blocking];
    return op.num == number && (ask == Ask::kWaitForZero ? op.op == 0 : op.op < 0);
  };
  return static_cast<int32_t>(std::count_if(readers_.begin(), readers_.end(), waits) +
                              std::count_if(alterers_.begin(), alterers_.end(), waits));
}

}  // namespace sentry
