// What one thread has asked for: policy, nice, CPUs, I/O priority. From any thread.
//
// The host schedules. It is told of what only makes a thread yield to others: SCHED_BATCH, SCHED_IDLE, a nice above 0.
// Real-time policies and a nice below 0 are kept, inherited and shown, but never asked of the host: a guest must not
// starve what runs beside its sandbox.
#ifndef SENTRY_KERNEL_SCHED_TASK_SCHED_H_
#define SENTRY_KERNEL_SCHED_TASK_SCHED_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "platform/host_priority.h"
#include "sentry/kernel/sched/attributes.h"

namespace sentry {

using base::RefPtr;

// The part of all CPUs that SCHED_DEADLINE threads have been promised, of a kernel (Linux's dl_bw).
class DeadlineBandwidth {
 public:
  explicit DeadlineBandwidth(int cpus);
  // EBUSY: that would be more than may be promised.
  Result<void> Exchange(uint64_t before, uint64_t after);
  void Force(uint64_t before, uint64_t after) { taken_.fetch_add(after - before, std::memory_order_relaxed); }

 private:
  const uint64_t total_;
  std::atomic<uint64_t> taken_{0};  // a sum, nothing else hangs on it
};

class TaskSched {
 public:
  explicit TaskSched(DeadlineBandwidth& deadlines) : deadlines_(deadlines) {}
  ~TaskSched() { Leave(); }

  // At birth. `share_io`: CLONE_IO. EAGAIN: see SchedAttributes::ForChild.
  enum class IoContextOf : uint8_t { kOwn, kParents };
  Result<void> InheritFrom(const TaskSched& parent, IoContextOf io);
  // At its end: what was promised is free.
  void Leave();

  SchedAttributes attributes() const;
  int32_t nice() const { return attributes().nice; }
  // Errors of ChangeSched; EBUSY, unless the runtime asks.
  Result<void> Change(const abi::SchedAttr& request, const SchedRights* rights);
  void SetNice(int32_t nice);

  // The CPUs that were asked for, a bit each, and those of them that it has: all that its control group allows where
  // none of them is left.
  uint64_t wanted_cpus() const { return wanted_cpus_.load(std::memory_order_relaxed); }
  uint64_t CpusOf(uint64_t allowed) const;
  // EINVAL: none of them is in `allowed`. EBUSY: not all are, and it has deadlines.
  Result<void> SetCpus(uint64_t wanted, uint64_t allowed);

  // As ioprio_set(2) takes it; 0: none was set.
  int32_t io_priority() const;
  int32_t effective_io_priority() const { return EffectiveIoPriority(io_priority(), attributes()); }
  void SetIoPriority(int32_t priority);

  // What the host is to be told, once after each change; nullopt: it knows.
  bool host_is_stale() const { return stale_.load(std::memory_order_seq_cst); }
  std::optional<platform::HostPriority> TakeForHost();

 private:
  // Linux's io_context.
  struct IoContext final : base::RefCounted {
    explicit IoContext(int32_t value) : priority(value) {}
    std::atomic<int32_t> priority;
  };

  DeadlineBandwidth& deadlines_;
  std::atomic<uint64_t> wanted_cpus_{UINT64_MAX};
  std::atomic<bool> stale_{false};
  // Rank kLeaf: what is below.
  mutable base::RankedMutex<base::LockRank::kLeaf> mu_;
  SchedAttributes attributes_ ABSL_GUARDED_BY(mu_);
  uint64_t promised_ ABSL_GUARDED_BY(mu_) = 0;  // of deadlines_
  RefPtr<IoContext> io_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_SCHED_TASK_SCHED_H_
