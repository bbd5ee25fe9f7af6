#include "sentry/vfs/propagation.h"

#include <algorithm>
#include <map>
#include <utility>

namespace sentry {
namespace {

int32_t NextGroupId() {
  static std::atomic<int32_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

MountTree MountTree::Of(const RefPtr<Mount>& top, const Dentry& below) {
  MountTree tree;
  tree.parts.push_back({top, 0, top->mountpoint_});
  for (size_t i = 0; i < tree.parts.size(); ++i) {
    const RefPtr<Mount> mount = tree.parts[i].mount;
    for (Mount* child : mount->children_) {
      if (i == 0 && !below.IsAncestorOf(*child->mountpoint_)) continue;
      tree.parts.push_back({RefPtr<Mount>(child), i, child->mountpoint_});
    }
  }
  return tree;
}

bool MountTree::HasUnbindable() const {
  return std::any_of(parts.begin(), parts.end(),
                     [](const Part& part) ABSL_NO_THREAD_SAFETY_ANALYSIS { return part.mount->unbindable_; });
}

void Propagation::Join(Mount& mount, RefPtr<PeerGroup> group) {
  group->peers.push_back(&mount);
  mount.group_ = std::move(group);
  mount.unbindable_ = false;
}

void Propagation::SetMaster(Mount& mount, RefPtr<PeerGroup> master) {
  if (mount.master_) std::erase(mount.master_->slaves, &mount);
  if (master) master->slaves.push_back(&mount);
  mount.master_ = std::move(master);
}

// Who received from a group whose last peer this was receives from its master, if any.
void Propagation::LeaveGroup(Mount& mount) {
  const RefPtr<PeerGroup> group = std::exchange(mount.group_, nullptr);
  if (!group) return;
  std::erase(group->peers, &mount);
  if (!group->peers.empty()) return;
  for (Mount* slave : std::vector<Mount*>(group->slaves)) SetMaster(*slave, mount.master_);
}

Result<PropagationType> PropagationOf(uint64_t kind) {
  switch (kind) {
    case abi::kMsShared:
      return PropagationType::kShared;
    case abi::kMsSlave:
      return PropagationType::kSlave;
    case abi::kMsPrivate:
      return PropagationType::kPrivate;
    case abi::kMsUnbindable:
      return PropagationType::kUnbindable;
    default:
      return Errno::kEINVAL;
  }
}

// Linux's change_mnt_propagation. A shared mount becomes a slave of its peers, one that
// has none of its master; a mount without a master is private.
void Propagation::ChangeType(Mount& mount, PropagationType type) {
  if (type == PropagationType::kShared) {
    if (!mount.group_) Join(mount, MakeRef<PeerGroup>(NextGroupId()));
    return;
  }
  const RefPtr<PeerGroup> group = mount.group_;
  LeaveGroup(mount);
  if (group && !group->peers.empty()) SetMaster(mount, group);
  if (type == PropagationType::kSlave) return;
  SetMaster(mount, nullptr);
  mount.unbindable_ = type == PropagationType::kUnbindable;
}

RefPtr<Mount> Propagation::CopyMount(Mount& original, const RefPtr<Dentry>& root, MountFlags flags, Copy how) {
  auto copy = MakeRef<Mount>(original.fs_, root, flags);
  copy->locked_ = original.locked();
  copy->locked_flags_ = original.locked_flags_.load(std::memory_order_relaxed);
  copy->unbindable_ = original.unbindable_;
  const bool slave = how == Copy::kSlave || how == Copy::kSharedSlave || (how == Copy::kUnshared && original.group_);
  if (how == Copy::kSharedPeer && !original.group_) ChangeType(original, PropagationType::kShared);
  if (slave) {
    SetMaster(*copy, original.group_);
  } else {
    if (original.group_) Join(*copy, original.group_);
    SetMaster(*copy, original.master_);
  }
  if (how == Copy::kSharedSlave) ChangeType(*copy, PropagationType::kShared);
  return copy;
}

MountTree Propagation::CopyTree(const MountTree& tree, Copy how) {
  MountTree copy;
  for (const MountTree::Part& part : tree.parts) {
    copy.parts.push_back(
        {CopyMount(*part.mount, part.mount->root_, part.mount->flags(), how), part.parent, part.mountpoint});
  }
  return copy;
}

// Whether (mount, mountpoint) is a place at all.
bool Propagation::Receives(const Mount& mount, const Dentry& mountpoint) {
  return mount.ns_ != nullptr && mount.root_->IsAncestorOf(mountpoint);
}

// Breadth first, as slaves of slaves may be many deep.
std::vector<Propagation::Step> Propagation::Plan(const Path& at) {
  std::vector<Step> steps;
  if (!at.mount->group_) return steps;
  std::set<const PeerGroup*> seen{at.mount->group_.get()};
  std::vector<std::pair<PeerGroup*, size_t>> groups;  // and what its slaves copy
  for (Mount* peer : at.mount->group_->peers) {
    if (peer == at.mount.get() || !Receives(*peer, *at.dentry)) continue;
    steps.push_back({peer, kOriginal, Copy::kSharedPeer});
  }
  groups.emplace_back(at.mount->group_.get(), kOriginal);
  for (size_t i = 0; i < groups.size(); ++i) {
    const auto [group, source] = groups[i];
    for (Mount* slave : group->slaves) {
      if (!slave->group_) {
        if (Receives(*slave, *at.dentry)) steps.push_back({slave, source, Copy::kSlave});
        continue;
      }
      if (!seen.insert(slave->group_.get()).second) continue;
      size_t first = kOriginal;
      for (Mount* peer : slave->group_->peers) {
        if (!Receives(*peer, *at.dentry)) continue;
        const bool is_first = first == kOriginal;
        steps.push_back({peer, is_first ? source : first, is_first ? Copy::kSharedSlave : Copy::kSharedPeer});
        if (is_first) first = steps.size() - 1;
      }
      groups.emplace_back(slave->group_.get(), first == kOriginal ? source : first);
    }
  }
  return steps;
}

RefPtr<Mount> Propagation::Topper(const Mount& mount) {
  if (mount.children_.size() != 1 || mount.children_[0]->mountpoint_ != mount.root_) return nullptr;
  return RefPtr<Mount>(mount.children_[0]);
}

std::vector<RefPtr<Mount>> Propagation::Counterparts(const Mount& mount) {
  std::vector<RefPtr<Mount>> found;
  if (!mount.parent_) return found;
  for (const Step& step : Plan(Path(mount.parent_, mount.mountpoint_))) {
    if (RefPtr<Mount> there = MountNamespace::OnLocked(*step.on, *mount.mountpoint_)) found.push_back(std::move(there));
  }
  return found;
}

// Linux's propagate_umount: not what has other mounts on it, nor, without its parent,
// what is locked.
std::vector<RefPtr<Mount>> Propagation::PlanUnmount(const std::vector<RefPtr<Mount>>& gone) {
  std::set<const Mount*> going;
  for (const RefPtr<Mount>& mount : gone) going.insert(mount.get());
  std::vector<RefPtr<Mount>> also;
  for (const RefPtr<Mount>& mount : gone) {
    for (RefPtr<Mount>& there : Counterparts(*mount)) {
      if (going.insert(there.get()).second) also.push_back(std::move(there));
    }
  }
  std::reverse(also.begin(), also.end());
  const auto stays = [&](const RefPtr<Mount>& mount) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (mount->locked() && !going.contains(mount->parent_.get())) return true;
    return !Topper(*mount) && !std::all_of(mount->children_.begin(), mount->children_.end(),
                                           [&](const Mount* child) { return going.contains(child); });
  };
  for (bool changed = true; changed;) {
    changed = false;
    std::erase_if(also, [&](const RefPtr<Mount>& mount) {
      if (!stays(mount)) return false;
      going.erase(mount.get());
      changed = true;
      return true;
    });
  }
  return also;
}

}  // namespace sentry
