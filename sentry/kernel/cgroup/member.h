// A thread, as its cgroup sees it. The kernel's Task has one.
#ifndef SENTRY_KERNEL_CGROUP_MEMBER_H_
#define SENTRY_KERNEL_CGROUP_MEMBER_H_

#include <atomic>
#include <cstdint>

#include "base/mutex.h"
#include "base/ref_ptr.h"

namespace sentry {

class Cgroup;
class CgroupTree;
class MemAccount;

using base::RefPtr;

// Why a thread must not go on.
enum CgroupHold : uint32_t { kHoldNothing = 0, kHoldFrozen = 1, kHoldThrottled = 2 };

class CgroupMember {
 public:
  CgroupMember();
  virtual ~CgroupMember();
  CgroupMember(const CgroupMember&) = delete;
  CgroupMember& operator=(const CgroupMember&) = delete;

  // --- Of the kernel; asked with the tree locked ---
  virtual int32_t member_tid() const = 0;
  virtual int32_t member_tgid() const = 0;
  struct Times {
    int64_t user_ns = 0, system_ns = 0;
  };
  virtual Times member_times() const = 0;
  // It stops at its next safe point while any bit is set, and stays where it sleeps.
  virtual void Hold(uint32_t bits) = 0;
  // Nothing of it runs, and nothing will as long as it is held.
  virtual bool quiet() const = 0;
  virtual void KillProcess() = 0;

  // --- For anybody ---
  // Where it is, or was when it left; null before it joined.
  RefPtr<Cgroup> cgroup() const;
  // What its memory is charged to; null: nothing.
  MemAccount* mem_account() const { return mem_account_.load(std::memory_order_relaxed); }
  // The CPUs that its cgroup leaves it; all bits: no restriction.
  uint64_t allowed_cpus() const { return allowed_cpus_.load(std::memory_order_relaxed); }

  // Its group's clock stands still: when it is no longer quiet, it tells (CgroupTree::MemberWoke).
  bool watched() const { return watched_.load(std::memory_order_seq_cst); }

  // Its number is free: it no longer counts against pids.max. At its end, under any lock.
  void ReleasePid();

 private:
  friend class Cgroup;
  friend class CgroupTree;

  std::atomic<MemAccount*> mem_account_{nullptr};
  std::atomic<uint64_t> allowed_cpus_{UINT64_MAX};
  std::atomic<bool> watched_{false};
  // Under the tree's lock.
  bool joined_ = false;
  Times base_;  // what it had used when it came
  // Rank kLeaf: these two, for those who hold other locks than the tree's.
  mutable base::RankedMutex<base::LockRank::kLeaf> place_mu_;
  RefPtr<Cgroup> cgroup_ ABSL_GUARDED_BY(place_mu_);
  bool charged_ ABSL_GUARDED_BY(place_mu_) = false;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_CGROUP_MEMBER_H_
