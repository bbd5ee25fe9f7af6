#include "sentry/kernel/cgroup/tree.h"

#include <algorithm>
#include <utility>

#include "sentry/kernel/cgroup/cgroup_state.h"
#include "sentry/memfile/memory_file.h"

namespace sentry {

using base::MutexLock;
using base::Ok;

CgroupMember::CgroupMember() = default;
CgroupMember::~CgroupMember() { ReleasePid(); }

RefPtr<Cgroup> CgroupMember::cgroup() const {
  MutexLock lock(place_mu_);
  return cgroup_;
}

void CgroupMember::ReleasePid() {
  MutexLock lock(place_mu_);
  if (std::exchange(charged_, false)) cgroup_->ChargePid(-1);
}

CgroupTree::CgroupTree(Options options) : options_(std::move(options)) {
  MemAccount* memory = options_.memory != nullptr ? options_.memory->NewAccount(nullptr) : nullptr;
  root_ = base::MakeRef<Cgroup>(*this, nullptr, "", memory);
  root_->state().effective_cpus = options_.cpus;
  if (memory != nullptr) memory->SetMax(options_.memory->limit());
}

// Parent and child hold each other until the child is removed.
CgroupTree::~CgroupTree() {
  std::vector<RefPtr<Cgroup>> left = {root_};
  while (!left.empty()) {
    const RefPtr<Cgroup> cgroup = std::move(left.back());
    left.pop_back();
    for (auto& [name, child] : cgroup->state().children) left.push_back(std::move(child));
    cgroup->state().children.clear();
  }
}

// --- Members ---

void CgroupTree::PlaceLocked(CgroupMember& member, RefPtr<Cgroup> cgroup) {
  Cgroup::State& s = cgroup->state();
  s.members.insert(&member);
  member.joined_ = true;
  member.base_ = member.member_times();
  member.mem_account_.store(cgroup->memory_, std::memory_order_relaxed);
  member.allowed_cpus_.store(s.effective_cpus, std::memory_order_relaxed);
  member.Hold((s.freeze_effective ? kHoldFrozen : kHoldNothing) | (s.throttled_above ? kHoldThrottled : kHoldNothing));
  Cgroup& place = *cgroup;
  {
    MutexLock lock(member.place_mu_);
    std::swap(member.cgroup_, cgroup);
  }
  member.watched_.store(!limited_.empty(), std::memory_order_seq_cst);
  UpdateEventsLocked(place);
}

void CgroupTree::TakeOutLocked(CgroupMember& member) {
  const RefPtr<Cgroup> cgroup = member.cgroup();
  Cgroup::State& s = cgroup->state();
  s.members.erase(&member);
  member.joined_ = false;
  const CgroupMember::Times times = member.member_times();
  s.gone.user_ns += times.user_ns - member.base_.user_ns;
  s.gone.system_ns += times.system_ns - member.base_.system_ns;
  UpdateEventsLocked(*cgroup);
}

Result<void> CgroupTree::Join(CgroupMember& member, CgroupMember* parent, Cgroup* where) {
  MutexLock lock(mu_);
  RefPtr<Cgroup> place(where);
  if (place) TRY(place->MayHostLocked());
  if (!place && parent != nullptr) place = parent->cgroup();
  if (!place) place = root_;
  if (place->state().removed) return Errno::kENODEV;
  if (!place->TryChargePid()) return Errno::kEAGAIN;
  PlaceLocked(member, std::move(place));
  MutexLock place_lock(member.place_mu_);
  member.charged_ = true;
  return Ok();
}

void CgroupTree::Follow(CgroupMember& member, CgroupMember& leader) {
  MutexLock lock(mu_);
  RefPtr<Cgroup> to = leader.cgroup();
  if (!member.joined_ || !to || to == member.cgroup()) return;
  MoveLocked(member, std::move(to));
  if (!limited_.empty()) TickLocked();
}

void CgroupTree::Leave(CgroupMember& member) {
  MutexLock lock(mu_);
  if (!member.joined_) return;
  TakeOutLocked(member);
  // Nothing stops it on its way out.
  member.Hold(kHoldNothing);
}

void CgroupTree::MoveLocked(CgroupMember& member, RefPtr<Cgroup> to) {
  const RefPtr<Cgroup> from = member.cgroup();
  TakeOutLocked(member);
  Cgroup& place = *to;
  PlaceLocked(member, std::move(to));
  MutexLock lock(member.place_mu_);
  if (!member.charged_) return;
  place.ChargePid(1);
  from->ChargePid(-1);
}

Result<void> CgroupTree::Move(const Lister& list, Cgroup& to) {
  MutexLock lock(mu_);
  const std::vector<CgroupMember*> members = TRY(list());
  TRY(to.MayHostLocked());
  for (CgroupMember* member : members) {
    if (member->joined_ && member->cgroup().get() != &to) MoveLocked(*member, RefPtr<Cgroup>(&to));
  }
  // Who is busy does not wake: the clock of its new group may stand still.
  if (!limited_.empty()) TickLocked();
  return Ok();
}

void CgroupTree::VisitLocked(const Cgroup& cgroup, const std::function<void(CgroupMember&)>& visit) const {
  for (CgroupMember* member : cgroup.state().members) visit(*member);
  for (const auto& [name, child] : cgroup.state().children) VisitLocked(*child, visit);
}

void CgroupTree::ForEach(const Cgroup& cgroup, const std::function<void(CgroupMember&)>& visit) const {
  MutexLock lock(mu_);
  VisitLocked(cgroup, visit);
}

// --- What follows from above ---

void CgroupTree::UpdateHoldsLocked(Cgroup& top) {
  Cgroup::State& s = top.state();
  const Cgroup* parent = top.parent();
  s.freeze_effective = s.freeze || (parent != nullptr && parent->state().freeze_effective);
  s.throttled_above = s.bandwidth.throttled() || (parent != nullptr && parent->state().throttled_above);
  const uint32_t bits =
      (s.freeze_effective ? kHoldFrozen : kHoldNothing) | (s.throttled_above ? kHoldThrottled : kHoldNothing);
  for (CgroupMember* member : s.members) member->Hold(bits);
  for (const auto& [name, child] : s.children) UpdateHoldsLocked(*child);
}

void CgroupTree::UpdateCpusLocked(Cgroup& top) {
  Cgroup::State& s = top.state();
  const uint64_t above = top.parent() != nullptr ? top.parent()->state().effective_cpus : options_.cpus;
  // A choice that leaves none counts as none, as Linux has it.
  s.effective_cpus = (s.cpus & above) != 0 ? s.cpus & above : above;
  for (CgroupMember* member : s.members) member->allowed_cpus_.store(s.effective_cpus, std::memory_order_relaxed);
  for (const auto& [name, child] : s.children) UpdateCpusLocked(*child);
}

bool CgroupTree::QuietLocked(const Cgroup& cgroup) const {
  const Cgroup::State& s = cgroup.state();
  return std::all_of(s.members.begin(), s.members.end(), [](const CgroupMember* m) { return m->quiet(); }) &&
         std::all_of(s.children.begin(), s.children.end(),
                     [this](const auto& child) ABSL_NO_THREAD_SAFETY_ANALYSIS { return QuietLocked(*child.second); });
}

// `bottom` and all above: what is told of them may have changed.
void CgroupTree::UpdateEventsLocked(Cgroup& bottom) {
  for (Cgroup* at = &bottom; at != nullptr; at = at->parent()) {
    Cgroup::State& s = at->state();
    bool populated = !s.members.empty();
    for (const auto& [name, child] : s.children) populated |= child->state().told_populated;
    const bool frozen = s.freeze_effective && QuietLocked(*at);
    if (populated == s.told_populated && frozen == s.told_frozen) continue;
    s.told_populated = populated;
    s.told_frozen = frozen;
    at->event_count_.fetch_add(1, std::memory_order_release);
    at->event_queue_.Notify(base::kEventPri);
  }
  changed_.SignalAll();
}

void CgroupTree::UpdateEventsBelowLocked(Cgroup& top) {
  for (const auto& [name, child] : top.state().children) UpdateEventsBelowLocked(*child);
  UpdateEventsLocked(top);
}

void CgroupTree::MemberChanged(CgroupMember& member) {
  MutexLock lock(mu_);
  if (const RefPtr<Cgroup> cgroup = member.cgroup()) UpdateEventsLocked(*cgroup);
}

}  // namespace sentry
