#include "sentry/kernel/ipc/shm_segment.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "sentry/kernel/ipc/acting_process.h"
#include "sentry/kernel/ipc/shared_memory.h"

namespace sentry {

using base::MutexLock;

namespace {
thread_local Pid* acting = nullptr;
}  // namespace

ActingProcess::ActingProcess(Pid& process) : outer_(std::exchange(acting, &process)) {}
ActingProcess::~ActingProcess() { acting = outer_; }
Pid* ActingProcess::Get() { return acting; }

// --- Who made it ------------------------------------------------------------------

ShmCreator::ShmCreator() = default;
ShmCreator::~ShmCreator() = default;

void ShmCreator::Remember(SharedMemoryNamespace& in) {
  const auto is_that = [&](const RefPtr<SharedMemoryNamespace>& known) { return known.get() == &in; };
  if (std::any_of(namespaces_.begin(), namespaces_.end(), is_that)) return;
  namespaces_.push_back(RefPtr<SharedMemoryNamespace>(&in));
}

void ShmCreator::Leave() {
  gone_.store(true, std::memory_order_release);
  for (const RefPtr<SharedMemoryNamespace>& ns : std::exchange(namespaces_, {})) ns->RetireOrphans();
}

// --- The segment ------------------------------------------------------------------

ShmSegment::ShmSegment(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key, uint32_t flags,
                       IpcCharge charge, RefPtr<ShmCreator> creator, MemoryFile& memory, uint64_t size)
    : IpcObject(caller, std::move(owner), key, flags),
      charge_(std::move(charge)),
      creator_(std::move(creator)),
      memory_(base::MakeRef<SharedAnon>(memory, PageRoundUp(size))),
      size_(size),
      name_(absl::StrFormat("/SYSV%08x (deleted)", static_cast<uint32_t>(key))),
      made_by_(&caller.process),
      changed_at_(IpcNow()) {}

ShmSegment::~ShmSegment() = default;

Result<void> ShmSegment::HoldFor(const IpcCaller& caller, uint32_t flags) {
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(caller, flags));
  ++attached_;
  return Ok();
}

void ShmSegment::Hold() {
  MutexLock lock(mu_);
  ++attached_;
}

bool ShmSegment::OutOfUseLocked(bool forced) const { return attached_ == 0 && (leaves_ || forced); }

bool ShmSegment::PutDown(bool forced) {
  MutexLock lock(mu_);
  --attached_;
  return OutOfUseLocked(forced);
}

void ShmSegment::Attached() {
  MutexLock lock(mu_);
  ++attached_;
  attached_at_ = IpcNow();
  if (Pid* const process = ActingProcess::Get()) last_ = RefPtr<Pid>(process);
}

bool ShmSegment::Detached(bool forced) {
  MutexLock lock(mu_);
  --attached_;
  detached_at_ = IpcNow();
  if (Pid* const process = ActingProcess::Get()) last_ = RefPtr<Pid>(process);
  return OutOfUseLocked(forced);
}

bool ShmSegment::Retire() {
  MutexLock lock(mu_);
  if (attached_ != 0 || removed_locked()) return false;
  EndLocked();
  return true;
}

bool ShmSegment::StaysLocked() {
  leaves_ = attached_ != 0;
  return leaves_;
}

// --- shmctl(2) ----------------------------------------------------------------------

abi::ShmidDs ShmSegment::DescribeLocked(const UserNamespace& seen_by, const PidNamespace& numbers) const {
  abi::ShmidDs out = {};
  out.perm = PermLocked(seen_by);
  out.perm.mode |= (leaves_ ? abi::kShmDest : 0) | (locked_ ? abi::kShmLocked : 0);
  out.segsz = size_;
  out.atime = attached_at_, out.dtime = detached_at_, out.ctime = changed_at_;
  out.cpid = PidNumber(made_by_, numbers), out.lpid = PidNumber(last_, numbers);
  out.nattch = attached_;
  return out;
}

abi::ShmidDs ShmSegment::Describe(const UserNamespace& seen_by, const PidNamespace& numbers) const {
  MutexLock lock(mu_);
  return DescribeLocked(seen_by, numbers);
}

Result<abi::ShmidDs> ShmSegment::Stat(const IpcCaller& caller, IpcStatKind kind) const {
  constexpr uint32_t kRead = 0444;
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(caller, kind == IpcStatKind::kIndexAny ? 0 : kRead));
  return DescribeLocked(*caller.creds.user_ns, caller.process.ns());
}

Result<void> ShmSegment::SetPerm(const IpcCaller& caller, const abi::IpcPerm& perm) {
  MutexLock lock(mu_);
  TRY(CheckOwnerLocked(caller));
  TRY(SetPermLocked(caller, perm));
  changed_at_ = IpcNow();
  return Ok();
}

Result<void> ShmSegment::CheckLock(const IpcCaller& caller, bool lock_it, uint64_t allowed) const {
  MutexLock lock(mu_);
  TRY(CheckOwnerLocked(caller, Capability::kIpcLock));
  if (lock_it && allowed == 0 && !caller.creds.HasIn(owner(), Capability::kIpcLock)) return Errno::kEPERM;
  return Ok();
}

void ShmSegment::SetLocked(const IpcCaller& caller, bool locked) {
  MutexLock lock(mu_);
  if (locked && !locked_) locker_ = caller.creds.euid;
  locked_ = locked;
}

uint64_t ShmSegment::BytesLockedBy(uint32_t uid) const {
  MutexLock lock(mu_);
  return locked_ && locker_ == uid ? PageRoundUp(size_) : 0;
}

// --- An attachment -------------------------------------------------------------------

ShmAttachment::ShmAttachment(RefPtr<SharedMemoryNamespace> ns, RefPtr<ShmSegment> segment)
    : namespace_(std::move(ns)), segment_(std::move(segment)) {}

ShmAttachment::~ShmAttachment() = default;

void ShmAttachment::PutDown() {
  if (segment_->PutDown(namespace_->limits.rmid_forced != 0)) namespace_->Retire(*segment_);
}

void ShmAttachment::Unmapped() {
  if (segment_->Detached(namespace_->limits.rmid_forced != 0)) namespace_->Retire(*segment_);
}

}  // namespace sentry
