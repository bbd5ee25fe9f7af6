#include "sentry/kernel/cgroup/cgroup.h"

#include <algorithm>
#include <utility>

#include "sentry/kernel/cgroup/cgroup_state.h"
#include "sentry/kernel/cgroup/tree.h"
#include "sentry/memfile/mem_account.h"
#include "sentry/memfile/memory_file.h"

namespace sentry {

using base::MutexLock;
using base::Ok;

namespace {

uint64_t NextId() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

uint64_t DepthOf(const Cgroup* cgroup) {
  uint64_t depth = 0;
  for (; cgroup->parent() != nullptr; cgroup = cgroup->parent()) ++depth;
  return depth;
}

}  // namespace

Cgroup::Cgroup(CgroupTree& tree, RefPtr<Cgroup> parent, std::string name, MemAccount* memory)
    : tree_(tree),
      parent_(std::move(parent)),
      name_(std::move(name)),
      id_(NextId()),
      memory_(memory),
      state_(std::make_unique<State>()) {}

Cgroup::~Cgroup() {
  if (memory_ != nullptr) tree_.options_.memory->ReleaseAccount(*memory_);
}

bool Cgroup::removed() const {
  MutexLock lock(tree_.mu_);
  return state().removed;
}

bool Cgroup::IsBelow(const Cgroup& ancestor) const {
  const Cgroup* at = this;
  while (at != nullptr && at != &ancestor) at = at->parent();
  return at != nullptr;
}

std::string Cgroup::PathFrom(const Cgroup& root) const {
  std::string up;
  const Cgroup* base = &root;
  for (; !IsBelow(*base); base = base->parent()) up += "/..";
  std::string down;
  for (const Cgroup* at = this; at != base; at = at->parent()) down = "/" + at->name_ + down;
  return up.empty() && down.empty() ? "/" : up + down;
}

// --- Children ---

std::vector<RefPtr<Cgroup>> Cgroup::Children() const {
  std::vector<RefPtr<Cgroup>> children;
  MutexLock lock(tree_.mu_);
  for (const auto& [name, child] : state().children) children.push_back(child);
  return children;
}

RefPtr<Cgroup> Cgroup::Child(std::string_view name) const {
  MutexLock lock(tree_.mu_);
  const auto found = state().children.find(name);
  return found == state().children.end() ? nullptr : found->second;
}

Result<RefPtr<Cgroup>> Cgroup::MakeChild(std::string name, CgroupFileOwner owner) {
  if (name.find('\n') != std::string::npos) return Errno::kEINVAL;
  MutexLock lock(tree_.mu_);
  if (state().removed) return Errno::kENODEV;
  if (state().children.contains(name)) return Errno::kEEXIST;
  uint64_t level = 1;
  for (const Cgroup* at = this; at != nullptr; at = at->parent(), ++level) {
    if (at->state().descendants >= at->state().max_descendants || level > at->state().max_depth) return Errno::kEAGAIN;
  }
  // A path is made by looking at all that is above.
  constexpr uint64_t kDeepest = 256;
  if (tree_.count_ >= CgroupTree::kMaxCgroups || DepthOf(this) >= kDeepest) return Errno::kENOMEM;
  MemAccount* memory = nullptr;
  if (tree_.options_.memory != nullptr) {
    memory = tree_.options_.memory->NewAccount(memory_);
    if (memory == nullptr) return Errno::kENOMEM;
  }
  RefPtr<Cgroup> child = base::MakeRef<Cgroup>(tree_, RefPtr<Cgroup>(this), name, memory);
  State& s = child->state();
  s.owners.emplace("", owner);
  s.owners.emplace(kCgroupMaker, owner);
  s.freeze_effective = s.told_frozen = state().freeze_effective;
  s.throttled_above = state().throttled_above;
  s.effective_cpus = state().effective_cpus;
  state().children.emplace(std::move(name), child);
  for (Cgroup* at = this; at != nullptr; at = at->parent()) ++at->state().descendants;
  ++tree_.count_;
  return child;
}

Result<void> Cgroup::Remove() {
  RefPtr<Cgroup> self(this);
  MutexLock lock(tree_.mu_);
  if (state().removed) return Errno::kENODEV;
  if (!state().members.empty() || !state().children.empty() || parent_ == nullptr) return Errno::kEBUSY;
  state().removed = true;
  tree_.limited_.erase(this);
  const CgroupMember::Times used = tree_.TimesLocked(*this);
  State& above = parent_->state();
  above.gone.user_ns += used.user_ns;
  above.gone.system_ns += used.system_ns;
  above.children.erase(name_);
  for (Cgroup* at = parent_.get(); at != nullptr; at = at->parent()) --at->state().descendants;
  --tree_.count_;
  event_count_.fetch_add(1, std::memory_order_release);
  event_queue_.Notify(base::kEventPri);
  return Ok();
}

uint64_t Cgroup::Descendants() const {
  MutexLock lock(tree_.mu_);
  return state().descendants;
}

uint64_t Cgroup::max_depth() const {
  MutexLock lock(tree_.mu_);
  return state().max_depth;
}
uint64_t Cgroup::max_descendants() const {
  MutexLock lock(tree_.mu_);
  return state().max_descendants;
}
void Cgroup::SetMaxDepth(uint64_t depth) {
  MutexLock lock(tree_.mu_);
  state().max_depth = depth;
}
void Cgroup::SetMaxDescendants(uint64_t count) {
  MutexLock lock(tree_.mu_);
  state().max_descendants = count;
}

// --- Controllers ---

uint32_t Cgroup::available() const {
  MutexLock lock(tree_.mu_);
  return parent_ == nullptr ? kAllControllers : parent_->state().subtree_control;
}

uint32_t Cgroup::subtree_control() const {
  MutexLock lock(tree_.mu_);
  return state().subtree_control;
}

namespace {

// Linux's cgroup_can_be_thread_root, with no threaded groups to be had.
bool MayMix(const Cgroup& cgroup, uint32_t subtree_control, bool populated_child) {
  if (cgroup.parent() == nullptr) return true;
  return !populated_child && (subtree_control & ~kThreadedControllers) == 0;
}

}  // namespace

Result<void> Cgroup::ControlSubtree(uint32_t enable, uint32_t disable) {
  MutexLock lock(tree_.mu_);
  State& s = state();
  if (s.removed) return Errno::kENODEV;
  const uint32_t here = parent_ == nullptr ? kAllControllers : parent_->state().subtree_control;
  enable &= ~s.subtree_control;
  disable &= s.subtree_control;
  if ((enable & ~here) != 0) return Errno::kENOENT;
  bool populated_child = false;
  for (const auto& [name, child] : s.children) {
    if ((child->state().subtree_control & disable) != 0) return Errno::kEBUSY;
    populated_child |= child->state().told_populated;
  }
  if (enable != 0 && parent_ != nullptr && !s.members.empty()) {
    const bool domain = (enable & ~kThreadedControllers) != 0;
    if (domain || !MayMix(*this, s.subtree_control, populated_child)) return Errno::kEBUSY;
  }
  s.subtree_control = (s.subtree_control | enable) & ~disable;
  // A controller that is taken away leaves no limit behind.
  CgroupLimits none;
  if (disable & kPidsController) none.pids_max = kCgroupNoLimit;
  if (disable & kMemoryController) none.memory_max = none.memory_high = kCgroupNoLimit;
  if (disable & kCpuController) none.cpu_quota_us = INT64_MAX, none.cpu_weight = 100;
  if (disable & kCpusetController) none.cpus = 0;
  if (disable != 0) {
    for (const auto& [name, child] : s.children) tree_.SetLimitsLocked(*child, none);
  }
  return Ok();
}

Result<void> Cgroup::MayHostProcesses() const {
  MutexLock lock(tree_.mu_);
  return MayHostLocked();
}

Result<void> Cgroup::MayHostLocked() const {
  if (state().removed) return Errno::kENODEV;
  if (parent_ == nullptr || state().subtree_control == 0) return Ok();
  bool populated_child = false;
  for (const auto& [name, child] : state().children) populated_child |= child->state().told_populated;
  return MayMix(*this, state().subtree_control, populated_child) ? Ok() : Errno::kEBUSY;
}

// --- Members ---

std::vector<int32_t> Cgroup::Processes() const {
  std::set<int32_t> numbers;
  MutexLock lock(tree_.mu_);
  for (const CgroupMember* member : state().members) numbers.insert(member->member_tgid());
  return {numbers.begin(), numbers.end()};
}

std::vector<int32_t> Cgroup::Threads() const {
  std::set<int32_t> numbers;
  MutexLock lock(tree_.mu_);
  for (const CgroupMember* member : state().members) numbers.insert(member->member_tid());
  return {numbers.begin(), numbers.end()};
}

bool Cgroup::Populated() const {
  MutexLock lock(tree_.mu_);
  return state().told_populated;
}

void Cgroup::KillAll() {
  tree_.ForEach(*this, [](CgroupMember& member) { member.KillProcess(); });
}

std::optional<CgroupFileOwner> Cgroup::Owner(std::string_view file) const {
  MutexLock lock(tree_.mu_);
  const auto found = state().owners.find(file);
  if (found == state().owners.end()) return std::nullopt;
  return found->second;
}

void Cgroup::SetOwner(std::string_view file, const CgroupFileOwner& owner) {
  MutexLock lock(tree_.mu_);
  state().owners.insert_or_assign(std::string(file), owner);
}

}  // namespace sentry
