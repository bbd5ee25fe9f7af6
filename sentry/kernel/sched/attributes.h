// What a thread asks of a scheduler, and who may ask for it (man 7 sched). Pure rules; Linux's
// kernel/sched/syscalls.c.
#ifndef SENTRY_KERNEL_SCHED_ATTRIBUTES_H_
#define SENTRY_KERNEL_SCHED_ATTRIBUTES_H_

#include <cstdint>

#include "base/result.h"
#include "sentry/abi/sched.h"

namespace sentry {

using base::Errno;
using base::Result;

struct SchedAttributes {
  int32_t policy = abi::kSchedOther;
  int32_t nice = 0;  // kept, but of no use, under the real-time policies
  uint32_t rt_priority = 0;
  bool reset_on_fork = false;
  uint64_t runtime = 0, deadline = 0, period = 0;  // SCHED_DEADLINE
  uint64_t deadline_flags = 0;

  bool fair() const { return policy == abi::kSchedOther || policy == abi::kSchedBatch || policy == abi::kSchedIdle; }
  bool real_time() const { return policy == abi::kSchedFifo || policy == abi::kSchedRr; }
  bool is_deadline() const { return policy == abi::kSchedDeadline; }
  // Field 18 of /proc/PID/stat.
  int32_t stat_priority() const;
  // What it takes of a CPU, in parts of 1 << 20; 0 but for SCHED_DEADLINE.
  uint64_t bandwidth() const;
  // As sched_getattr(2) tells them.
  abi::SchedAttr ToAbi() const;
  // Linux's sched_fork. EAGAIN: SCHED_DEADLINE is not inherited.
  Result<SchedAttributes> ForChild() const;

  friend bool operator==(const SchedAttributes&, const SchedAttributes&) = default;
};

// `policy` of a request that keeps the thread's own (Linux's SETPARAM_POLICY).
inline constexpr uint32_t kKeepSchedPolicy = UINT32_MAX;

// What counts of the caller and of the thread that it names.
struct SchedRights {
  bool sys_nice = false;        // CAP_SYS_NICE
  bool same_owner = false;      // its effective user is the thread's
  bool has_all_cpus = true;     // the thread's CPUs are all there are
  uint64_t nice_limit = 0;      // the thread's RLIMIT_NICE
  uint64_t priority_limit = 0;  // and RLIMIT_RTPRIO
};

// Whether `nice` is within that limit.
bool NiceWithinLimit(int32_t nice, uint64_t limit);

// sched_setattr(2): what `now` becomes. Null `rights`: the runtime's own request. EINVAL, EPERM, EOPNOTSUPP in Linux's
// order.
Result<SchedAttributes> ChangeSched(const SchedAttributes& now, const abi::SchedAttr& request,
                                    const SchedRights* rights);

// EPERM, EINVAL of ioprio_set(2). `may_real_time`: the caller has CAP_SYS_ADMIN or CAP_SYS_NICE.
Result<void> CheckIoPriority(int32_t priority, bool may_real_time);
// What counts as the I/O priority of a thread that has `own`.
int32_t EffectiveIoPriority(int32_t own, const SchedAttributes& attributes);

}  // namespace sentry

#endif  // SENTRY_KERNEL_SCHED_ATTRIBUTES_H_
