// Limits, freezer and statistics of a control group.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "sentry/kernel/cgroup/cgroup.h"
#include "sentry/kernel/cgroup/cgroup_state.h"
#include "sentry/kernel/cgroup/tree.h"
#include "sentry/memfile/mem_account.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr int64_t kUs = 1000;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

int64_t Sum(const CgroupMember::Times& times) { return times.user_ns + times.system_ns; }

}  // namespace

// --- pids ---

void Cgroup::ChargePid(int64_t count) {
  for (Cgroup* at = this; at != nullptr; at = at->parent()) {
    const int64_t now = at->pids_.fetch_add(count, std::memory_order_relaxed) + count;
    uint64_t peak = at->pids_peak_.load(std::memory_order_relaxed);
    while (now > static_cast<int64_t>(peak) &&
           !at->pids_peak_.compare_exchange_weak(peak, static_cast<uint64_t>(now), std::memory_order_relaxed)) {
    }
  }
}

bool Cgroup::TryChargePid() {
  for (Cgroup* at = this; at != nullptr; at = at->parent()) {
    const int64_t now = at->pids_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (static_cast<uint64_t>(now) <= at->pids_max_.load(std::memory_order_relaxed)) continue;
    for (Cgroup* undo = this; undo != at->parent(); undo = undo->parent()) {
      undo->pids_.fetch_sub(1, std::memory_order_relaxed);
    }
    for (Cgroup* told = at; told != nullptr; told = told->parent()) {
      told->pids_events_.fetch_add(1, std::memory_order_relaxed);
      told->pids_queue_.Notify(base::kEventPri);
    }
    return false;
  }
  ChargePid(0);  // the peaks
  return true;
}

// --- Limits ---

void Cgroup::SetLimits(const CgroupLimits& limits) {
  MutexLock lock(tree_.mu_);
  tree_.SetLimitsLocked(*this, limits);
}

void CgroupTree::SetLimitsLocked(Cgroup& cgroup, const CgroupLimits& limits) {
  Cgroup::State& s = cgroup.state();
  if (limits.pids_max) cgroup.pids_max_.store(*limits.pids_max, std::memory_order_relaxed);
  if (cgroup.memory_ != nullptr && limits.memory_max) cgroup.memory_->SetMax(*limits.memory_max);
  if (cgroup.memory_ != nullptr && limits.memory_high) cgroup.memory_->SetHigh(*limits.memory_high);
  if (limits.cpu_weight) s.cpu_weight = *limits.cpu_weight;
  if (limits.cpus) {
    s.cpus = *limits.cpus;
    UpdateCpusLocked(cgroup);
  }
  if (!limits.cpu_quota_us && !limits.cpu_period_us) return;
  int64_t quota = s.bandwidth.quota_ns();
  if (limits.cpu_quota_us)
    quota = *limits.cpu_quota_us == INT64_MAX ? CpuBandwidth::kNoQuota : *limits.cpu_quota_us * kUs;
  const int64_t period = limits.cpu_period_us ? *limits.cpu_period_us * kUs : s.bandwidth.period_ns();
  s.bandwidth.Set(quota, period, Now(), Sum(TimesLocked(cgroup)));
  if (s.bandwidth.limited()) {
    limited_.insert(&cgroup);
  } else {
    limited_.erase(&cgroup);
  }
  UpdateHoldsLocked(cgroup);
  TickLocked();
}

int64_t Cgroup::quota_us() const {
  MutexLock lock(tree_.mu_);
  return state().bandwidth.limited() ? state().bandwidth.quota_ns() / kUs : INT64_MAX;
}
int64_t Cgroup::period_us() const {
  MutexLock lock(tree_.mu_);
  return state().bandwidth.period_ns() / kUs;
}
uint64_t Cgroup::cpu_weight() const {
  MutexLock lock(tree_.mu_);
  return state().cpu_weight;
}
uint64_t Cgroup::cpus() const {
  MutexLock lock(tree_.mu_);
  return state().cpus;
}
uint64_t Cgroup::effective_cpus() const {
  MutexLock lock(tree_.mu_);
  return state().effective_cpus;
}

CgroupStats Cgroup::Stats() const {
  CgroupStats stats;
  {
    MutexLock lock(tree_.mu_);
    const CgroupMember::Times used = tree_.TimesLocked(*this);
    stats.user_ns = used.user_ns;
    stats.system_ns = used.system_ns;
    stats.bandwidth = state().bandwidth.statistics(Now());
  }
  stats.pids = static_cast<uint64_t>(std::max<int64_t>(pids_.load(std::memory_order_relaxed), 0));
  stats.pids_peak = pids_peak_.load(std::memory_order_relaxed);
  stats.pids_max = pids_max_.load(std::memory_order_relaxed);
  stats.pids_events = pids_events_.load(std::memory_order_relaxed);
  if (memory_ == nullptr) return stats;
  stats.memory = memory_->usage();
  stats.memory_peak = memory_->peak();
  stats.memory_max = memory_->max();
  stats.memory_high = memory_->high();
  return stats;
}

// --- Freezer ---

void Cgroup::SetFrozen(bool frozen) {
  MutexLock lock(tree_.mu_);
  if (state().freeze == frozen) return;
  state().freeze = frozen;
  tree_.UpdateHoldsLocked(*this);
  tree_.UpdateEventsBelowLocked(*this);
}

bool Cgroup::FreezeAsked() const {
  MutexLock lock(tree_.mu_);
  return state().freeze;
}

bool Cgroup::Frozen() const {
  MutexLock lock(tree_.mu_);
  return state().freeze_effective && tree_.QuietLocked(*this);
}

bool Cgroup::WaitFrozen(int64_t deadline_ns) {
  // Who falls asleep while it is held tells nobody.
  constexpr auto kLook = std::chrono::milliseconds(1);
  MutexLock lock(tree_.mu_);
  while (!(state().freeze_effective && tree_.QuietLocked(*this))) {
    if (Now() >= deadline_ns) return false;
    tree_.changed_.WaitUntil(tree_.mu_, std::chrono::steady_clock::now() + kLook);
  }
  tree_.UpdateEventsBelowLocked(*this);
  return true;
}

// --- The tree's clock ---

void CgroupTree::Tick() {
  MutexLock lock(mu_);
  TickLocked();
}

void CgroupTree::MemberWoke() { Tick(); }

uint32_t CgroupTree::CountBusyLocked(const Cgroup& cgroup) const {
  uint32_t busy = 0;
  VisitLocked(cgroup, [&](CgroupMember& member) { busy += member.quiet() ? 0 : 1; });
  return busy;
}

void CgroupTree::WatchLocked(const Cgroup& cgroup, bool watched) {
  VisitLocked(cgroup, [&](CgroupMember& member) { member.watched_.store(watched, std::memory_order_seq_cst); });
}

// A group of which nothing runs needs no clock: its members tell when they wake. They are told to before the second
// look, so that none slips through.
void CgroupTree::TickLocked() {
  const int64_t now = Now();
  int64_t next = INT64_MAX;
  for (Cgroup* cgroup : limited_) {
    CpuBandwidth& bandwidth = cgroup->state().bandwidth;
    const bool before = bandwidth.throttled();
    const int64_t used = Sum(TimesLocked(*cgroup));
    bandwidth.Update(now, used);
    if (bandwidth.throttled() != before) UpdateHoldsLocked(*cgroup);
    uint32_t busy = CountBusyLocked(*cgroup);
    if (busy == 0 && !bandwidth.throttled()) {
      WatchLocked(*cgroup, true);
      busy = CountBusyLocked(*cgroup);
      if (busy == 0) continue;
    }
    WatchLocked(*cgroup, false);
    next = std::min(next, bandwidth.NextLook(now, used, busy));
  }
  if (next != INT64_MAX && options_.wake_at) options_.wake_at(next);
}

CgroupMember::Times CgroupTree::TimesLocked(const Cgroup& cgroup) const {
  CgroupMember::Times sum = cgroup.state().gone;
  for (const CgroupMember* member : cgroup.state().members) {
    const CgroupMember::Times times = member->member_times();
    sum.user_ns += times.user_ns - member->base_.user_ns;
    sum.system_ns += times.system_ns - member->base_.system_ns;
  }
  for (const auto& [name, child] : cgroup.state().children) {
    const CgroupMember::Times times = TimesLocked(*child);
    sum.user_ns += times.user_ns;
    sum.system_ns += times.system_ns;
  }
  return sum;
}

}  // namespace sentry
