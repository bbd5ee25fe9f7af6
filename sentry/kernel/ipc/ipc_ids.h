// The objects of one kind in an IPC namespace, by id and by key. Analogous to
// Linux's struct ipc_ids.
#ifndef SENTRY_KERNEL_IPC_IPC_IDS_H_
#define SENTRY_KERNEL_IPC_IPC_IDS_H_

#include <algorithm>
#include <map>
#include <vector>

#include "sentry/kernel/ipc/ipc_object.h"

namespace sentry {

// T is an IpcObject of T::count() parts. An id is its index here, and how often indices
// came round.
template <typename T>
class IpcIds {
 public:
  struct Asked {
    int32_t key;
    uint32_t flags;
    int32_t limit;  // of objects: ENOSPC
  };
  // Linux's ipcget. `check` (T&) is asked of one that is there, `make` (how many parts
  // there are) makes one; both under the lock.
  template <typename Check, typename Make>
  Result<int32_t> Get(const IpcCaller& caller, const Asked& asked, Check check, Make make) {
    RefPtr<T> fresh;  // one that is too many goes behind the lock
    base::MutexLock lock(mu_);
    if (asked.key != abi::kIpcPrivate) {
      if (const auto found = by_key_.find(asked.key); found != by_key_.end()) {
        constexpr uint32_t kNew = abi::kIpcCreat | abi::kIpcExcl;
        if ((asked.flags & kNew) == kNew) return Errno::kEEXIST;
        TRY(check(*found->second));
        TRY(found->second->CheckAccess(caller, asked.flags & 0777));
        return found->second->id();
      }
      if ((asked.flags & abi::kIpcCreat) == 0) return Errno::kENOENT;
    }
    fresh = TRY(make(parts_));
    if (InUseLocked() >= std::min(asked.limit, abi::kIpcMni)) return Errno::kENOSPC;
    const int32_t index = NextIndexLocked();
    fresh->SetId(sequence_ * abi::kIpcMni + index);
    if (asked.key != abi::kIpcPrivate) by_key_[asked.key] = fresh.get();
    const int32_t id = fresh->id();
    parts_ += static_cast<int64_t>(fresh->count());
    by_index_[index] = std::move(fresh);
    return id;
  }

  // EINVAL.
  Result<RefPtr<T>> Find(int32_t id) const {
    RefPtr<T> object = TRY(FindIndex(id));
    if (object->id() != id) return Errno::kEINVAL;
    return object;
  }
  // By what an id and its index have in common.
  Result<RefPtr<T>> FindIndex(int32_t index) const {
    base::MutexLock lock(mu_);
    const auto found = by_index_.find(index % abi::kIpcMni);
    if (index < 0 || found == by_index_.end()) return Errno::kEINVAL;
    return found->second;
  }
  // IPC_RMID. EINVAL, EPERM.
  Result<void> Remove(const IpcCaller& caller, int32_t id) {
    RefPtr<T> object;  // goes behind the lock
    base::MutexLock lock(mu_);
    const auto found = by_index_.find(id % abi::kIpcMni);
    if (found == by_index_.end() || found->second->id() != id) return Errno::kEINVAL;
    const int32_t key = found->second->key();
    const bool gone = TRY(found->second->Remove(caller));
    if (key != abi::kIpcPrivate) by_key_.erase(key);
    if (gone) object = TakeLocked(found);
    return Ok();
  }
  // What nobody has removed but is of no use to anybody: T::Retire() says whether.
  void Retire(const T& which) {
    RefPtr<T> object;  // goes behind the lock
    base::MutexLock lock(mu_);
    const auto found = by_index_.find(which.id() % abi::kIpcMni);
    if (found == by_index_.end() || found->second.get() != &which || !found->second->Retire()) return;
    if (which.key() != abi::kIpcPrivate) by_key_.erase(which.key());
    object = TakeLocked(found);
  }

  std::vector<RefPtr<T>> All() const {
    std::vector<RefPtr<T>> all;
    base::MutexLock lock(mu_);
    for (const auto& [index, object] : by_index_) all.push_back(object);
    return all;
  }
  struct Use {
    int32_t count;
    int32_t max_index;  // 0 too where there is none
    int64_t parts;
  };
  Use use() const {
    base::MutexLock lock(mu_);
    return {.count = InUseLocked(), .max_index = by_index_.empty() ? 0 : by_index_.rbegin()->first, .parts = parts_};
  }

 private:
  using Index = std::map<int32_t, RefPtr<T>>;
  RefPtr<T> TakeLocked(typename Index::iterator at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    RefPtr<T> object = std::move(at->second);
    parts_ -= static_cast<int64_t>(object->count());
    by_index_.erase(at);
    return object;
  }
  int32_t InUseLocked() const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return static_cast<int32_t>(by_index_.size()); }

  // Linux's ipc_idr_alloc: indices come round late enough for ids to stay rare.
  int32_t NextIndexLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    constexpr int32_t kLeastCycle = 64, kSequences = INT32_MAX / abi::kIpcMni;
    const int32_t end = std::min(std::max(InUseLocked() * 3 / 2, kLeastCycle), abi::kIpcMni);
    int32_t index = FreeFromLocked(last_index_ + 1);
    if (index >= end) index = FreeFromLocked(0);
    if (index <= last_index_ && ++sequence_ >= kSequences) sequence_ = 0;
    return last_index_ = index;
  }
  int32_t FreeFromLocked(int32_t index) const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    for (auto it = by_index_.lower_bound(index); it != by_index_.end() && it->first == index; ++it) ++index;
    return index;
  }

  // Rank kIpcIds: what is made and removed under it has a lock of its own. Taken under mm's by the last to detach.
  mutable base::RankedMutex<base::LockRank::kIpcIds> mu_;
  Index by_index_ ABSL_GUARDED_BY(mu_);
  std::map<int32_t, T*> by_key_ ABSL_GUARDED_BY(mu_);
  int64_t parts_ ABSL_GUARDED_BY(mu_) = 0;
  int32_t last_index_ ABSL_GUARDED_BY(mu_) = -1;
  int32_t sequence_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_IPC_IDS_H_
