#include "sentry/kernel/sched/attributes.h"

#include <algorithm>

namespace sentry {
namespace {

constexpr uint64_t kDeadlineFlags = abi::kSchedFlagReclaim | abi::kSchedFlagDlOverrun;
constexpr int kBandwidthShift = 20;

bool IsRealTime(int32_t policy) { return policy == abi::kSchedFifo || policy == abi::kSchedRr; }
bool IsFair(int32_t policy) {
  return policy == abi::kSchedOther || policy == abi::kSchedBatch || policy == abi::kSchedIdle;
}

// Linux's __checkparam_dl, with the default limits of a period.
bool ValidDeadline(const abi::SchedAttr& a) {
  constexpr uint64_t kMinRuntime = 1024, kTopBit = uint64_t{1} << 63;
  constexpr uint64_t kMinPeriod = 100'000, kMaxPeriod = (uint64_t{1} << 22) * 1000;
  if (a.deadline == 0 || a.runtime < kMinRuntime || ((a.deadline | a.period) & kTopBit) != 0) return false;
  const uint64_t period = a.period != 0 ? a.period : a.deadline;
  return period >= a.deadline && a.deadline >= a.runtime && period >= kMinPeriod && period <= kMaxPeriod;
}

// Linux's user_check_sched_setscheduler, for one without CAP_SYS_NICE.
bool NeedsPrivilege(const SchedAttributes& now, const abi::SchedAttr& request, int32_t policy, bool reset_on_fork,
                    const SchedRights& rights) {
  if (IsFair(policy) && request.nice < now.nice && !NiceWithinLimit(request.nice, rights.nice_limit)) return true;
  if (IsRealTime(policy)) {
    if (policy != now.policy && rights.priority_limit == 0) return true;
    if (request.priority > now.rt_priority && request.priority > rights.priority_limit) return true;
  }
  if (policy == abi::kSchedDeadline) return true;
  const bool leaves_idle = now.policy == abi::kSchedIdle && policy != abi::kSchedIdle;
  if (leaves_idle && !NiceWithinLimit(now.nice, rights.nice_limit)) return true;
  return !rights.same_owner || (now.reset_on_fork && !reset_on_fork);
}

// Linux's __setscheduler_params.
void SetParameters(SchedAttributes& to, const abi::SchedAttr& from, int32_t policy) {
  to.policy = policy;
  if (to.is_deadline()) {
    to.runtime = from.runtime;
    to.deadline = from.deadline;
    to.period = from.period != 0 ? from.period : from.deadline;
    to.deadline_flags = from.flags & kDeadlineFlags;
  } else if (to.fair()) {
    to.nice = std::clamp(from.nice, abi::kMinNice, abi::kMaxNice);
  }
  to.rt_priority = from.priority;
}

}  // namespace

bool NiceWithinLimit(int32_t nice, uint64_t limit) { return static_cast<uint64_t>(20 - nice) <= limit; }

int32_t SchedAttributes::stat_priority() const {
  if (is_deadline()) return -101;
  return real_time() ? -1 - static_cast<int32_t>(rt_priority) : 20 + nice;
}

uint64_t SchedAttributes::bandwidth() const {
  return is_deadline() ? (runtime << kBandwidthShift) / period : 0;  // ValidDeadline: no overflow, period > 0
}

abi::SchedAttr SchedAttributes::ToAbi() const {
  abi::SchedAttr out{.size = sizeof(abi::SchedAttr), .policy = static_cast<uint32_t>(policy)};
  if (reset_on_fork) out.flags |= abi::kSchedFlagResetOnFork;
  if (is_deadline()) {
    out.runtime = runtime, out.deadline = deadline, out.period = period;
    out.flags |= deadline_flags;
  } else if (real_time()) {
    out.priority = rt_priority;
  } else {
    out.nice = nice;
  }
  return out;
}

Result<SchedAttributes> SchedAttributes::ForChild() const {
  SchedAttributes child = *this;
  if (reset_on_fork) {
    child.reset_on_fork = false;
    if (fair()) {
      child.nice = std::max(nice, 0);
    } else {
      child.policy = abi::kSchedOther;
      child.nice = 0;
      child.rt_priority = 0;
    }
  }
  if (child.is_deadline()) return Errno::kEAGAIN;
  return child;
}

Result<SchedAttributes> ChangeSched(const SchedAttributes& now, const abi::SchedAttr& request,
                                    const SchedRights* rights) {
  const bool keep_policy = request.policy == kKeepSchedPolicy;
  const int32_t policy = keep_policy ? now.policy : static_cast<int32_t>(request.policy);
  const bool reset_on_fork = keep_policy ? now.reset_on_fork : (request.flags & abi::kSchedFlagResetOnFork) != 0;
  if (!IsFair(policy) && !IsRealTime(policy) && policy != abi::kSchedDeadline) return Errno::kEINVAL;
  if ((request.flags & ~abi::kSchedFlagAll) != 0) return Errno::kEINVAL;
  if (request.priority > abi::kMaxRtPriority) return Errno::kEINVAL;
  if (policy == abi::kSchedDeadline && !ValidDeadline(request)) return Errno::kEINVAL;
  if (IsRealTime(policy) != (request.priority != 0)) return Errno::kEINVAL;
  if (rights != nullptr && !rights->sys_nice && NeedsPrivilege(now, request, policy, reset_on_fork, *rights)) {
    return Errno::kEPERM;
  }
  // As a kernel without utilisation clamps.
  if ((request.flags & abi::kSchedFlagUtilClamp) != 0) return Errno::kEOPNOTSUPP;

  SchedAttributes after = now;
  after.reset_on_fork = reset_on_fork;
  if ((request.flags & abi::kSchedFlagKeepParams) == 0) SetParameters(after, request, policy);
  // Deadlines are promised for all CPUs together.
  const bool unchanged = policy == now.policy && after.runtime == now.runtime && after.deadline == now.deadline &&
                         after.period == now.period && after.deadline_flags == now.deadline_flags;
  if (policy == abi::kSchedDeadline && !unchanged && rights != nullptr && !rights->has_all_cpus) return Errno::kEPERM;
  return after;
}

Result<void> CheckIoPriority(int32_t priority, bool may_real_time) {
  const int32_t data = priority & abi::kIoprioDataMask;
  switch (priority >> abi::kIoprioClassShift & abi::kIoprioClassMask) {
    case abi::kIoprioClassRt:
      if (!may_real_time) return Errno::kEPERM;
      [[fallthrough]];
    case abi::kIoprioClassBe:
      if (data >= abi::kIoprioLevels) return Errno::kEINVAL;
      return base::Ok();
    case abi::kIoprioClassIdle:
      return base::Ok();
    case abi::kIoprioClassNone:
      if (data != 0) return Errno::kEINVAL;
      return base::Ok();
    default:
      return Errno::kEINVAL;
  }
}

int32_t EffectiveIoPriority(int32_t own, const SchedAttributes& attributes) {
  if (own >> abi::kIoprioClassShift != abi::kIoprioClassNone) return own;
  int32_t from_policy = abi::kIoprioClassBe;
  if (attributes.policy == abi::kSchedIdle) from_policy = abi::kIoprioClassIdle;
  // Linux's task_is_realtime.
  if (attributes.real_time() || attributes.is_deadline()) from_policy = abi::kIoprioClassRt;
  return from_policy << abi::kIoprioClassShift | (attributes.nice + 20) / 5;
}

}  // namespace sentry
