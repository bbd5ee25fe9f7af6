#include "runsc-cpp/boot/oom_victims.h"

#include <algorithm>

#include "sentry/kernel/cgroup/cgroup.h"

namespace runsc {

using base::MutexLock;
using sentry::Cgroup;

namespace {

constexpr int kMostKept = 4;  // the last ones

// The one below the root.
const Cgroup& ContainerOf(const Cgroup& cgroup) {
  const Cgroup* at = &cgroup;
  while (at->parent() != nullptr && at->parent()->parent() != nullptr) at = at->parent();
  return *at;
}

}  // namespace

void OomVictims::Add(const Cgroup& cgroup, int32_t pid, const std::string& command, uint64_t resident_bytes,
                     uint64_t limit) {
  const Cgroup& container = ContainerOf(cgroup);
  if (cgroup.memory() != nullptr) limit = std::min(limit, cgroup.memory()->EffectiveMax());
  MutexLock lock(mu_);
  auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.container == &container; });
  if (found == entries_.end()) found = entries_.insert(found, {&container, {}});
  sentry::control::ProcessEnd& all = found->victims;
  all.set_victim_count(all.victim_count() + 1);
  if (all.victims_size() == kMostKept) all.mutable_victims()->erase(all.victims().begin());
  sentry::control::OomVictim& victim = *all.add_victims();
  victim.set_pid(pid);
  victim.set_command(command);
  victim.set_resident_bytes(resident_bytes);
  victim.set_limit_bytes(limit);
}

void OomVictims::Take(const Cgroup& container, sentry::control::ProcessEnd& end) {
  MutexLock lock(mu_);
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.container == &container; });
  if (found == entries_.end()) return;
  end.MergeFrom(found->victims);
  entries_.erase(found);
}

}  // namespace runsc
