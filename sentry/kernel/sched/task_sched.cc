#include "sentry/kernel/sched/task_sched.h"

#include <algorithm>
#include <utility>

namespace sentry {

using base::MutexLock;
using base::Ok;

namespace {

// As with sched_rt_runtime_us = 950000 of sched_rt_period_us = 1000000, the defaults.
constexpr uint64_t kPromisedOfEachCpu = (uint64_t{950'000} << 20) / 1'000'000;

platform::HostPriority ForHost(const SchedAttributes& a) {
  if (!a.fair()) return {};
  return {.policy = a.policy, .nice = std::max(a.nice, 0)};
}

}  // namespace

DeadlineBandwidth::DeadlineBandwidth(int cpus) : total_(kPromisedOfEachCpu * static_cast<uint64_t>(cpus)) {}

Result<void> DeadlineBandwidth::Exchange(uint64_t before, uint64_t after) {
  uint64_t now = taken_.load(std::memory_order_relaxed);
  do {
    if (after != before && now - before + after > total_ && after != 0) return Errno::kEBUSY;
  } while (!taken_.compare_exchange_weak(now, now - before + after, std::memory_order_relaxed));
  return Ok();
}

Result<void> TaskSched::InheritFrom(const TaskSched& parent, IoContextOf io) {
  SchedAttributes theirs;
  RefPtr<IoContext> io_context;
  {
    MutexLock lock(parent.mu_);
    theirs = parent.attributes_;
    io_context = parent.io_;
  }
  const SchedAttributes own = TRY(theirs.ForChild());
  if (io_context && io == IoContextOf::kOwn) {
    io_context = base::MakeRef<IoContext>(io_context->priority.load(std::memory_order_relaxed));
  }
  wanted_cpus_.store(parent.wanted_cpus(), std::memory_order_relaxed);
  // The host's thread begins as its maker's stands.
  const bool differs =
      parent.host_is_stale() || ForHost(theirs) != platform::HostPriority() || ForHost(own) != platform::HostPriority();
  stale_.store(differs, std::memory_order_seq_cst);
  MutexLock lock(mu_);
  attributes_ = own;
  io_ = std::move(io_context);
  return Ok();
}

void TaskSched::Leave() {
  MutexLock lock(mu_);
  deadlines_.Force(std::exchange(promised_, 0), 0);
}

SchedAttributes TaskSched::attributes() const {
  MutexLock lock(mu_);
  return attributes_;
}

Result<void> TaskSched::Change(const abi::SchedAttr& request, const SchedRights* rights) {
  MutexLock lock(mu_);
  const SchedAttributes after = TRY(ChangeSched(attributes_, request, rights));
  if (rights != nullptr) {
    TRY(deadlines_.Exchange(promised_, after.bandwidth()));
  } else {
    deadlines_.Force(promised_, after.bandwidth());
  }
  promised_ = after.bandwidth();
  const bool for_host = ForHost(after) != ForHost(attributes_);
  attributes_ = after;
  if (for_host) stale_.store(true, std::memory_order_seq_cst);
  return Ok();
}

void TaskSched::SetNice(int32_t nice) {
  MutexLock lock(mu_);
  const platform::HostPriority before = ForHost(attributes_);
  attributes_.nice = nice;
  if (ForHost(attributes_) != before) stale_.store(true, std::memory_order_seq_cst);
}

uint64_t TaskSched::CpusOf(uint64_t allowed) const {
  const uint64_t both = wanted_cpus() & allowed;
  return both != 0 ? both : allowed;
}

Result<void> TaskSched::SetCpus(uint64_t wanted, uint64_t allowed) {
  if ((wanted & allowed) != allowed && attributes().is_deadline()) return Errno::kEBUSY;
  if ((wanted & allowed) == 0) return Errno::kEINVAL;
  wanted_cpus_.store(wanted, std::memory_order_relaxed);
  return Ok();
}

int32_t TaskSched::io_priority() const {
  MutexLock lock(mu_);
  return io_ ? io_->priority.load(std::memory_order_relaxed) : 0;
}

void TaskSched::SetIoPriority(int32_t priority) {
  MutexLock lock(mu_);
  if (!io_) io_ = base::MakeRef<IoContext>(0);
  io_->priority.store(priority & 0xffff, std::memory_order_relaxed);
}

std::optional<platform::HostPriority> TaskSched::TakeForHost() {
  MutexLock lock(mu_);
  if (!stale_.exchange(false, std::memory_order_seq_cst)) return std::nullopt;
  return ForHost(attributes_);
}

}  // namespace sentry
