// When memory is out: a guest process dies for it, the sandbox lives on. Analogous to Linux's mm/oom_kill.c.
#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"
#include "sentry/kernel/cgroup/tree.h"
#include "sentry/kernel/host_futex.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

namespace {

constexpr int64_t kLongestWait = 2 * kNsPerSec;
constexpr int64_t kLook = 2'000'000;
constexpr int32_t kNeverKilled = -1000;

struct Candidate {
  RefPtr<ThreadGroup> group;
  RefPtr<Cgroup> cgroup;
  MmUsage usage;
  int64_t points = 0;
};

// The group whose limit stands in the way; null: none does any more.
RefPtr<Cgroup> DomainOf(const Task& task, MemoryFile& memory) {
  MemAccount* const account = task.cgroup_member().mem_account();
  const MemAccount* const over = account != nullptr ? account->OverLimit(kPageSize) : nullptr;
  const bool all = memory.usage().total() + kPageSize > memory.limit();
  RefPtr<Cgroup> at = task.cgroup_member().cgroup();
  if (!at || (over == nullptr && !all)) return nullptr;
  while (at->parent() != nullptr && (over == nullptr || at->memory() != over)) at = RefPtr<Cgroup>(at->parent());
  return at;
}

// A process of it for each; one that ends already is in `ending`.
std::vector<Candidate> CandidatesIn(const CgroupTree& tree, const Cgroup& domain, RefPtr<ThreadGroup>* ending) {
  std::vector<RefPtr<Task>> tasks;
  tree.ForEach(domain, [&](CgroupMember& member) { tasks.emplace_back(&static_cast<TaskMember&>(member).task()); });
  std::vector<Candidate> found;
  for (const RefPtr<Task>& task : tasks) {
    RefPtr<ThreadGroup> group(&task->group());
    if (group->exiting()) {
      if (task->SharedMm() && ending != nullptr) *ending = std::move(group);
      continue;
    }
    const bool known = std::any_of(found.begin(), found.end(), [&](const Candidate& c) { return c.group == group; });
    const RefPtr<MemoryManager> mm = known ? nullptr : task->SharedMm();
    if (mm) found.push_back({std::move(group), task->cgroup_member().cgroup(), mm->usage(), 0});
  }
  return found;
}

// Linux's oom_badness, in pages.
int64_t Badness(const Candidate& c, uint64_t total_pages) {
  const int64_t adj = c.group->oom_score_adj.load(std::memory_order_relaxed);
  return static_cast<int64_t>(c.usage.resident_bytes / kPageSize) + adj * static_cast<int64_t>(total_pages) / 1000;
}

const Candidate* ChooseVictim(std::vector<Candidate>& candidates, uint64_t total_pages) {
  const Candidate* worst = nullptr;
  for (Candidate& c : candidates) {
    if (c.group->oom_score_adj.load(std::memory_order_relaxed) == kNeverKilled) continue;
    c.points = Badness(c, total_pages);
    if (worst == nullptr || c.points > worst->points) worst = &c;
  }
  return worst;
}

// The highest group, from the victim's to the domain, that wants to die as a whole.
RefPtr<Cgroup> OomGroupOf(const RefPtr<Cgroup>& victim, const Cgroup& domain) {
  RefPtr<Cgroup> group;
  for (Cgroup* at = victim.get(); at != nullptr && at->parent() != nullptr; at = at->parent()) {
    if (at->oom_group()) group = RefPtr<Cgroup>(at);
    if (at == &domain) break;
  }
  return group;
}

void CountOn(const Cgroup& cgroup, MemAccount::Event event) {
  if (cgroup.memory() != nullptr) cgroup.memory()->CountEvent(event);
}

}  // namespace

void Kernel::OomKill(const RefPtr<ThreadGroup>& group, const Cgroup& cgroup, const MmUsage& usage) {
  const RefPtr<Task> leader = group->leader();
  const std::string name = leader ? leader->name() : "";
  LOG(kWarning, "Memory cgroup out of memory: Killed process %d (%s) total-vm:%dkB, anon-rss:%dkB, oom_score_adj:%d",
      group->tgid(), name, usage.virtual_bytes / 1024, usage.resident_anon / 1024, group->oom_score_adj.load());
  CountOn(cgroup, MemAccount::Event::kOomKill);
  group->Exit({.signo = abi::kSigKill});
  if (on_oom_kill) on_oom_kill(cgroup, group->tgid(), name, usage.resident_bytes);
}

// The process that is to die for it, or dies already; null: there is none.
RefPtr<ThreadGroup> Kernel::OutOfMemory(const RefPtr<Cgroup>& domain) {
  RefPtr<ThreadGroup> ending;
  std::vector<Candidate> candidates = CandidatesIn(cgroups(), *domain, &ending);
  if (ending) return ending;
  CountOn(*domain, MemAccount::Event::kOom);
  uint64_t limit = memory_file().limit();
  if (domain->memory() != nullptr) limit = std::min(limit, domain->memory()->EffectiveMax());
  const Candidate* victim = ChooseVictim(candidates, limit / kPageSize);
  if (victim == nullptr) {
    LOG(kWarning, "out of memory, and no process that may be killed");
    return nullptr;
  }
  const RefPtr<Cgroup> whole = OomGroupOf(victim->cgroup, *domain);
  OomKill(victim->group, *victim->cgroup, victim->usage);
  if (!whole) return victim->group;
  CountOn(*whole, MemAccount::Event::kOomGroupKill);
  for (const Candidate& c : CandidatesIn(cgroups(), *whole, nullptr)) {
    if (c.group->oom_score_adj.load() != kNeverKilled) OomKill(c.group, *c.cgroup, c.usage);
  }
  return victim->group;
}

namespace {

// What was taken in advance and never touched.
uint64_t ReclaimIn(const CgroupTree& tree, const Cgroup& domain) {
  uint64_t bytes = 0;
  for (const Candidate& c : CandidatesIn(tree, domain, nullptr)) {
    const RefPtr<Task> leader = c.group->leader();
    const RefPtr<MemoryManager> mm = leader ? leader->SharedMm() : nullptr;
    if (mm) bytes += mm->ReclaimUntouched();
  }
  return bytes;
}

}  // namespace

MemRelief Kernel::RelieveMemory(Task& task) {
  const int64_t deadline = MonotonicNow() + kLongestWait;
  if (const RefPtr<Cgroup> domain = DomainOf(task, memory_file())) {
    if (ReclaimIn(cgroups(), *domain) > 0 && !DomainOf(task, memory_file())) return MemRelief::kTryAgain;
  }
  while (!task.killed()) {
    RefPtr<ThreadGroup> victim;
    if (const RefPtr<Cgroup> domain = DomainOf(task, memory_file()); domain && before_oom_kill) {
      before_oom_kill(*domain, *task.cgroup_member().cgroup());
    }
    {
      // One at a time: who comes second finds that somebody dies already.
      base::MutexLock lock(oom_mu_);
      const RefPtr<Cgroup> domain = DomainOf(task, memory_file());
      if (!domain) return MemRelief::kTryAgain;
      victim = OutOfMemory(domain);
    }
    if (!victim) return MemRelief::kNone;
    std::atomic<uint32_t> word{0};
    while (!victim->ended() && !task.killed() && DomainOf(task, memory_file())) {
      if (MonotonicNow() >= deadline) return MemRelief::kNone;
      HostFutexWait(word, 0, DeadlineAfter(kLook));
    }
  }
  return MemRelief::kDying;
}

}  // namespace sentry
