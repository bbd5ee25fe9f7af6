#include "sentry/kernel/ipc/ipc_object.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace sentry {

using base::MutexLock;

namespace {

// What the sysctls allow a guest's root to raise is without end.
constexpr size_t kMaxBytes = 64 << 20;
std::atomic<size_t> bytes_in_use{0};  // a sum alone

}  // namespace

Result<IpcCharge> IpcCharge::Take(size_t bytes) {
  if (bytes > kMaxBytes) return Errno::kENOMEM;
  if (bytes_in_use.fetch_add(bytes, std::memory_order_relaxed) + bytes > kMaxBytes) {
    bytes_in_use.fetch_sub(bytes, std::memory_order_relaxed);
    return Errno::kENOMEM;
  }
  return IpcCharge(bytes);
}

IpcCharge::~IpcCharge() { bytes_in_use.fetch_sub(bytes_, std::memory_order_relaxed); }

int64_t IpcNow() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec;
}

IpcObject::IpcObject(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key, uint32_t flags)
    : owner_(std::move(owner)),
      key_(key),
      creator_uid_(caller.creds.euid),
      creator_gid_(caller.creds.egid),
      uid_(caller.creds.euid),
      gid_(caller.creds.egid),
      mode_(flags & 0777) {}

Result<IpcWaiter::Outcome> IpcObject::OutcomeOf(const IpcWaiter& waiter) const {
  MutexLock lock(mu_);
  if (!waiter.outcome) return Errno::kEAGAIN;
  return *waiter.outcome;
}

bool IpcObject::Cancel(IpcWaiter& waiter) {
  MutexLock lock(mu_);
  if (waiter.outcome) return false;
  UnlinkLocked(waiter);
  return true;
}

Result<void> IpcObject::CheckAccess(const IpcCaller& caller, uint32_t flags) const {
  MutexLock lock(mu_);
  return CheckAccessLocked(caller, flags);
}

Result<void> IpcObject::CheckAccessLocked(const IpcCaller& caller, uint32_t flags) const {
  const uint32_t asked = (flags >> 6) | (flags >> 3) | flags;
  const Credentials& creds = caller.creds;
  uint32_t granted = mode_;
  if (creds.euid == creator_uid_ || creds.euid == uid_) {
    granted >>= 6;
  } else if (creds.InGroup(creator_gid_) || creds.InGroup(gid_)) {
    granted >>= 3;
  }
  if ((asked & ~granted & 7) != 0 && !creds.HasIn(*owner_, Capability::kIpcOwner)) return Errno::kEACCES;
  if (removed_) return Errno::kEIDRM;
  return Ok();
}

Result<void> IpcObject::CheckOwnerLocked(const IpcCaller& caller, Capability master) const {
  const uint32_t euid = caller.creds.euid;
  if (euid != creator_uid_ && euid != uid_ && !caller.creds.HasIn(*owner_, master)) return Errno::kEPERM;
  if (removed_) return Errno::kEIDRM;
  return Ok();
}

void IpcObject::EndLocked() {
  removed_ = true;
  RemoveLocked();
}

Result<bool> IpcObject::Remove(const IpcCaller& caller) {
  MutexLock lock(mu_);
  TRY(CheckOwnerLocked(caller));
  const bool stays = StaysLocked();
  if (stays) {
    key_.store(abi::kIpcPrivate, std::memory_order_relaxed);
  } else {
    EndLocked();
  }
  return !stays;
}

Result<void> IpcObject::SetPermLocked(const IpcCaller& caller, const abi::IpcPerm& perm) {
  const UserNamespace& ns = *caller.creds.user_ns;
  const uint32_t uid = ns.ToKernelUid(perm.uid), gid = ns.ToKernelGid(perm.gid);
  if (uid == kInvalidId || gid == kInvalidId) return Errno::kEINVAL;
  uid_ = uid, gid_ = gid;
  mode_ = perm.mode & 0777;
  return Ok();
}

abi::IpcPerm IpcObject::PermLocked(const UserNamespace& seen_by) const {
  abi::IpcPerm perm = {};
  perm.key = key();
  perm.uid = seen_by.ShownUid(uid_), perm.gid = seen_by.ShownGid(gid_);
  perm.cuid = seen_by.ShownUid(creator_uid_), perm.cgid = seen_by.ShownGid(creator_gid_);
  perm.mode = mode_;
  perm.seq = static_cast<uint16_t>(id_ / abi::kIpcMni);
  return perm;
}

}  // namespace sentry
