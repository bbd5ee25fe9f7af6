// All control groups of a kernel, and who is where.
#ifndef SENTRY_KERNEL_CGROUP_TREE_H_
#define SENTRY_KERNEL_CGROUP_TREE_H_

#include <functional>
#include <vector>

#include "sentry/kernel/cgroup/cgroup.h"

namespace sentry {

class CgroupTree {
 public:
  // More are ENOMEM, or a guest could fill the sentry.
  static constexpr size_t kMaxCgroups = 16384;

  struct Options {
    MemoryFile* memory = nullptr;  // null: no memory is accounted
    uint64_t cpus = 1;             // mask of all that there are
    // Asks for a call of Tick at this time (CLOCK_MONOTONIC); with the tree locked.
    std::function<void(int64_t deadline_ns)> wake_at;
  };
  explicit CgroupTree(Options options);
  ~CgroupTree();

  const RefPtr<Cgroup>& root() const { return root_; }

  // --- Members ---
  // Linux's cgroup_can_fork: a place for a thread that nobody knows yet, in `where`, or (null) where `parent` is.
  // EAGAIN: over pids.max. ENODEV: it was removed. EBUSY: no place for processes.
  Result<void> Join(CgroupMember& member, CgroupMember* parent, Cgroup* where);
  // After it is known as a thread of `leader`'s process: where that one is by now.
  void Follow(CgroupMember& member, CgroupMember& leader);
  // It is about to end: counted no more. Its place is told until it is gone.
  void Leave(CgroupMember& member);
  // `list` gives the threads to be moved, with the tree locked; they are kept alive by it. EBUSY, ENODEV, ESRCH.
  using Lister = std::function<Result<std::vector<CgroupMember*>>()>;
  Result<void> Move(const Lister& list, Cgroup& to);

  // Everybody in `cgroup` and below, while the tree is locked.
  void ForEach(const Cgroup& cgroup, const std::function<void(CgroupMember&)>& visit) const;

  // --- Time ---
  // Looks at all quotas; from the thread that wake_at's timer runs on.
  void Tick();
  // A member that was watched is no longer quiet.
  void MemberWoke();
  // A held member became quiet, or goes on.
  void MemberChanged(CgroupMember& member);

 private:
  friend class Cgroup;

  void MoveLocked(CgroupMember& member, RefPtr<Cgroup> to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void VisitLocked(const Cgroup& cgroup, const std::function<void(CgroupMember&)>& visit) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PlaceLocked(CgroupMember& member, RefPtr<Cgroup> cgroup) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TakeOutLocked(CgroupMember& member) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetLimitsLocked(Cgroup& cgroup, const CgroupLimits& limits) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdateHoldsLocked(Cgroup& top) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdateCpusLocked(Cgroup& top) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdateEventsLocked(Cgroup& bottom) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdateEventsBelowLocked(Cgroup& top) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool QuietLocked(const Cgroup& cgroup) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  CgroupMember::Times TimesLocked(const Cgroup& cgroup) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TickLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint32_t CountBusyLocked(const Cgroup& cgroup) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WatchLocked(const Cgroup& cgroup, bool watched) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  // Rank kCgroup: the whole of the hierarchy, and who is in it. Taken before process numbers and signals.
  mutable base::RankedMutex<base::LockRank::kCgroup> mu_;
  base::CondVar changed_;
  size_t count_ ABSL_GUARDED_BY(mu_) = 0;
  std::set<Cgroup*> limited_ ABSL_GUARDED_BY(mu_);  // those with a CPU quota
  RefPtr<Cgroup> root_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_CGROUP_TREE_H_
