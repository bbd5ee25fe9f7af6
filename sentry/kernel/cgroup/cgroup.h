// The guest's control groups: one hierarchy, version 2 (Linux's Documentation/admin-guide/cgroup-v2.rst).
#ifndef SENTRY_KERNEL_CGROUP_CGROUP_H_
#define SENTRY_KERNEL_CGROUP_CGROUP_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "base/result.h"
#include "base/wait_queue.h"
#include "sentry/kernel/cgroup/bandwidth.h"
#include "sentry/kernel/cgroup/member.h"

namespace sentry {

class CgroupTree;
class MemoryFile;

using base::Errno;
using base::Result;

// Controllers, as bits. There is none for io: the host does it, and tells the sentry nothing that could be told.
enum CgroupController : uint32_t {
  kCpusetController = 1,
  kCpuController = 2,
  kMemoryController = 4,
  kPidsController = 8
};
inline constexpr uint32_t kAllControllers = 15;
// Those that bear processes beside child groups ("threaded").
inline constexpr uint32_t kThreadedControllers = kCpusetController | kCpuController | kPidsController;
struct CgroupControllerName {
  const char* name;
  uint32_t bit;
};
inline constexpr CgroupControllerName kControllerNames[] = {
    {"cpuset", kCpusetController}, {"cpu", kCpuController}, {"memory", kMemoryController}, {"pids", kPidsController}};

inline constexpr uint64_t kCgroupNoLimit = UINT64_MAX;

// What the runtime or a guest sets; absent: as it is.
struct CgroupLimits {
  std::optional<uint64_t> pids_max{}, memory_max{}, memory_high{};
  std::optional<int64_t> cpu_quota_us{};  // INT64_MAX: none
  std::optional<int64_t> cpu_period_us{};
  std::optional<uint64_t> cpu_weight{};
  std::optional<uint64_t> cpus{};  // a mask
};

struct CgroupStats {
  int64_t user_ns = 0, system_ns = 0;
  CpuBandwidth::Statistics bandwidth;
  uint64_t pids = 0, pids_peak = 0, pids_max = kCgroupNoLimit, pids_events = 0;
  uint64_t memory = 0, memory_peak = 0, memory_max = kCgroupNoLimit, memory_high = kCgroupNoLimit;
};

// Owner and mode of a file in it, where a guest changed them ("": of the directory).
inline constexpr char kCgroupMaker[] = "*";  // the name under which the maker of the group stands
struct CgroupFileOwner {
  uint32_t uid = 0, gid = 0, mode = 0;
};

class Cgroup final : public base::RefCounted {
 public:
  CgroupTree& tree() const { return tree_; }
  const std::string& name() const { return name_; }
  Cgroup* parent() const { return parent_.get(); }
  uint64_t id() const { return id_; }  // never another's
  bool removed() const;
  // "/" for `root` itself, "/../x" beside it.
  std::string PathFrom(const Cgroup& root) const;
  bool IsBelow(const Cgroup& ancestor) const;  // or the same

  // --- Children ---
  std::vector<RefPtr<Cgroup>> Children() const;
  RefPtr<Cgroup> Child(std::string_view name) const;
  // EEXIST, EAGAIN (too many, too deep), EINVAL (a line feed), ENOMEM, ENODEV (it was removed).
  Result<RefPtr<Cgroup>> MakeChild(std::string name, CgroupFileOwner owner);
  // EBUSY: somebody is in it, or below.
  Result<void> Remove();

  // --- Controllers ---
  uint32_t available() const;        // cgroup.controllers
  uint32_t subtree_control() const;  // cgroup.subtree_control
  // ENOENT: not available. EBUSY: a child passes it on, or processes are in the way.
  Result<void> ControlSubtree(uint32_t enable, uint32_t disable);
  uint64_t max_depth() const, max_descendants() const;
  void SetMaxDepth(uint64_t depth), SetMaxDescendants(uint64_t count);
  uint64_t Descendants() const;

  // --- Members ---
  std::vector<int32_t> Processes() const;  // numbers, ascending
  std::vector<int32_t> Threads() const;
  bool Populated() const;  // anybody in it or below
  // Linux's cgroup_migrate_vet_dst: EBUSY where processes may not be.
  Result<void> MayHostProcesses() const;
  // Everybody in it and below.
  void KillAll();

  // --- Freezer ---
  void SetFrozen(bool frozen);
  bool FreezeAsked() const;  // cgroup.freeze
  bool Frozen() const;       // all of it is quiet
  // Until Frozen(), at most until `deadline_ns` (CLOCK_MONOTONIC). Any host thread. False: too late.
  bool WaitFrozen(int64_t deadline_ns);

  // --- Limits and statistics ---
  void SetLimits(const CgroupLimits& limits);
  CgroupStats Stats() const;
  int64_t quota_us() const, period_us() const;
  uint64_t cpu_weight() const;
  uint64_t cpus() const;                          // as set; 0: not set
  uint64_t effective_cpus() const;                // what its members may use
  MemAccount* memory() const { return memory_; }  // null: no memory is accounted here
  bool oom_group() const { return oom_group_.load(std::memory_order_relaxed); }
  void SetOomGroup(bool group) { oom_group_.store(group, std::memory_order_relaxed); }
  // Kept as they are set: nothing takes memory from a group as long as it lives, and there is no swap.
  std::atomic<uint64_t> memory_min{0}, memory_low{0}, memory_swap_max{kCgroupNoLimit};

  // --- What files tell of changes ---
  // A count that grows with each change of cgroup.events.
  uint64_t event_count() const { return event_count_.load(std::memory_order_acquire); }
  base::WaitQueue& event_queue() { return event_queue_; }
  base::WaitQueue& pids_queue() { return pids_queue_; }

  std::optional<CgroupFileOwner> Owner(std::string_view file) const;
  void SetOwner(std::string_view file, const CgroupFileOwner& owner);

 private:
  friend class CgroupTree;
  friend class CgroupMember;
  template <typename T, typename... Args>
  friend RefPtr<T> base::MakeRef(Args&&... args);
  Cgroup(CgroupTree& tree, RefPtr<Cgroup> parent, std::string name, MemAccount* memory);
  ~Cgroup() override;

  struct State;  // cgroup_state.h: all that is under the tree's lock
  State& state() const { return *state_; }

  // With the tree locked.
  Result<void> MayHostLocked() const;

  // pids.max, without a lock: forks and ends of threads come from everywhere.
  bool TryChargePid();
  void ChargePid(int64_t count);

  CgroupTree& tree_;
  const RefPtr<Cgroup> parent_;
  const std::string name_;
  const uint64_t id_;
  MemAccount* const memory_;
  const std::unique_ptr<State> state_;
  std::atomic<bool> oom_group_{false};
  std::atomic<int64_t> pids_{0};
  std::atomic<uint64_t> pids_peak_{0}, pids_max_{kCgroupNoLimit}, pids_events_{0};
  std::atomic<uint64_t> event_count_{0};
  base::WaitQueue event_queue_, pids_queue_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_CGROUP_CGROUP_H_
