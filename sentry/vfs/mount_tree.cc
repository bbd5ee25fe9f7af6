#include <algorithm>
#include <set>
#include <utility>

// How a mount namespace changes: mount, umount, move, bind, pivot_root.
#include "sentry/vfs/mount.h"
#include "sentry/vfs/propagation.h"

namespace sentry {
namespace {

// A guest can't make a namespace hold more (ENOSPC; Linux's mount-max is 100,000).
constexpr size_t kMaxMounts = 10000;

}  // namespace

void MountNamespace::PutLocked(const RefPtr<Mount>& mount, const Path& at) {
  {
    base::MutexLock place_lock(mount->place_mu_);
    mount->parent_ = at.mount;
    mount->mountpoint_ = at.dentry;
  }
  mount->ns_ = at.mount->ns_;
  at.mount->children_.push_back(mount.get());
  at.dentry->mount_count.fetch_add(1, std::memory_order_acq_rel);
  mount->ns_->by_place_[Place(at.mount.get(), at.dentry.get())] = mount;
}

// Takes `mount` off its place; the place's references are the caller's, to be
// dropped behind the lock.
Path MountNamespace::TakeLocked(Mount& mount) {
  const auto it = mount.ns_->by_place_.find(Place(mount.parent_.get(), mount.mountpoint_.get()));
  // What covered it may stand there already (Detach).
  if (it != mount.ns_->by_place_.end() && it->second.get() == &mount) mount.ns_->by_place_.erase(it);
  std::erase(mount.parent_->children_, &mount);
  mount.mountpoint_->mount_count.fetch_sub(1, std::memory_order_acq_rel);
  base::MutexLock place_lock(mount.place_mu_);
  return Path(std::move(mount.parent_), std::move(mount.mountpoint_));
}

Result<void> MountNamespace::CheckPlaceLocked(const Dentry& root, const Path& at) const {
  const Inode* on = at.dentry->inode_ptr();
  const Inode* inode = root.inode_ptr();
  if (on == nullptr || inode == nullptr || at.dentry->unhashed()) return Errno::kENOENT;
  if (at.mount->ns_ != this) return Errno::kEINVAL;
  return on->is_dir() == inode->is_dir() ? Ok() : Errno::kENOTDIR;
}

void MountNamespace::PutTreeLocked(const MountTree& tree, const Path& at) {
  for (size_t i = 0; i < tree.parts.size(); ++i) {
    const MountTree::Part& part = tree.parts[i];
    PutLocked(part.mount, i == 0 ? at : Path(tree.parts[part.parent].mount, part.mountpoint));
    mounts_.push_back(part.mount);
  }
}

Result<void> MountNamespace::AttachTreeLocked(const MountTree& tree, const Path& at, Path* moved_from) {
  const std::vector<Propagation::Step> steps = Propagation::Plan(at);
  std::map<MountNamespace*, size_t> added;
  if (moved_from == nullptr) added[this] = tree.parts.size();
  for (const Propagation::Step& step : steps) added[step.on->ns_] += tree.parts.size();
  for (const auto& [ns, count] : added) {
    if (ns->mounts_.size() + count > kMaxMounts) return Errno::kENOSPC;
  }
  if (at.mount->group_) {
    for (const MountTree::Part& part : tree.parts) Propagation::ChangeType(*part.mount, PropagationType::kShared);
  }
  std::vector<MountTree> copies;
  for (const Propagation::Step& step : steps) {
    copies.push_back(
        Propagation::CopyTree(step.source == Propagation::kOriginal ? tree : copies[step.source], step.how));
  }
  if (moved_from == nullptr) {
    PutTreeLocked(tree, at);
  } else {
    *moved_from = TakeLocked(*tree.top());
    PutLocked(tree.top(), at);
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    MountNamespace& ns = *steps[i].on->ns_;
    const Path place(RefPtr<Mount>(steps[i].on), at.dentry);
    const RefPtr<Mount>& top = copies[i].top();
    if (ns.owner() != owner()) {
      for (const MountTree::Part& part : copies[i].parts) {
        part.mount->LockFlags();
        part.mount->locked_ = part.mount != top;
      }
    }
    // What is there already covers it.
    const RefPtr<Mount> above = OnLocked(*place.mount, *place.dentry);
    if (above) TakeLocked(*above);
    ns.PutTreeLocked(copies[i], place);
    if (above) PutLocked(above, Path(top, top->root()));
  }
  return Ok();
}

Result<void> MountNamespace::Attach(RefPtr<Mount> mount, const Path& at) {
  MountTree tree;  // outlives the lock, as all that could be the last reference
  Path top;
  base::MutexLock lock(g_mount_trees_mu);
  top = TopLocked(at);
  TRY(CheckPlaceLocked(*mount->root(), top));
  if (mount->ns_ != nullptr) return Errno::kEINVAL;
  tree.parts.push_back({std::move(mount), 0, nullptr});
  return AttachTreeLocked(tree, top, nullptr);
}

namespace {

bool Busy(const Mount& mount) { return mount.users.load(std::memory_order_relaxed) > 0; }

}  // namespace

Result<void> MountNamespace::Detach(const Path& at, bool detach) {
  std::vector<RefPtr<Mount>> gone;  // dropped behind the lock, as are their places
  std::vector<Path> places;
  base::MutexLock lock(g_mount_trees_mu);
  const RefPtr<Mount> mount = FindLocked(at);
  if (!mount || mount == root_ || mount->locked()) return Errno::kEINVAL;
  if (!detach) {
    if (!mount->children_.empty() || Busy(*mount)) return Errno::kEBUSY;
    for (const RefPtr<Mount>& there : Propagation::Counterparts(*mount)) {
      if ((there->children_.empty() || Propagation::Topper(*there)) && Busy(*there)) return Errno::kEBUSY;
    }
  }
  for (const MountTree::Part& part : MountTree::Of(mount).parts) gone.push_back(part.mount);
  std::vector<RefPtr<Mount>> also = Propagation::PlanUnmount(gone);
  std::reverse(gone.begin(), gone.end());
  gone.insert(gone.begin(), also.begin(), also.end());
  std::set<const Mount*> going;
  for (const RefPtr<Mount>& each : gone) going.insert(each.get());
  for (const RefPtr<Mount>& each : gone) {
    places.push_back(TakeLocked(*each));
    if (const RefPtr<Mount> above = Propagation::Topper(*each); above && !going.contains(above.get())) {
      Path place = places.back();
      while (going.contains(place.mount.get()) && place.mount->parent_) {
        place = Path(place.mount->parent_, place.mount->mountpoint_);
      }
      places.push_back(TakeLocked(*above));
      PutLocked(above, place);
    }
    std::erase(each->ns_->mounts_, each);
    each->ns_ = nullptr;
    Propagation::ChangeType(*each, PropagationType::kPrivate);
  }
  return Ok();
}

Result<void> MountNamespace::MoveMount(const Path& from, const Path& to) {
  MountTree tree;
  Path old_place, top;
  base::MutexLock lock(g_mount_trees_mu);
  const RefPtr<Mount> mount = FindLocked(from);
  if (!mount || mount == root_ || mount->locked()) return Errno::kEINVAL;
  top = TopLocked(to);
  TRY(CheckPlaceLocked(*mount->root(), top));
  if (mount->parent_->group_) return Errno::kEINVAL;
  tree = MountTree::Of(mount);
  if (top.mount->group_ && tree.HasUnbindable()) return Errno::kEINVAL;
  for (const Mount* m = top.mount.get(); m != nullptr; m = m->parent_.get()) {
    if (m == mount.get()) return Errno::kELOOP;
  }
  return AttachTreeLocked(tree, top, &old_place);
}

Result<void> MountNamespace::Bind(const Path& source, const Path& at, MountFlags flags, bool recursive) {
  MountTree copies;
  Path top;
  base::MutexLock lock(g_mount_trees_mu);
  top = TopLocked(at);
  if (source.mount->unbindable_) return Errno::kEINVAL;
  if (source.mount->ns_ != this) return Errno::kEINVAL;  // pipefs and the like
  if (!recursive && HasLockedChildLocked(*source.mount, *source.dentry)) return Errno::kEINVAL;
  TRY(CheckPlaceLocked(*source.dentry, top));
  MountTree tree = MountTree::Of(source.mount, *source.dentry);
  if (!recursive) tree.parts.resize(1);
  std::vector<size_t> index(tree.parts.size(), SIZE_MAX);  // of the copy; what is below an unbindable one has none
  for (size_t i = 0; i < tree.parts.size(); ++i) {
    const MountTree::Part& part = tree.parts[i];
    Mount& original = *part.mount;
    if (i > 0 && (index[part.parent] == SIZE_MAX || (original.unbindable_ && !original.locked()))) continue;
    RefPtr<Mount> copy = Propagation::CopyMount(original, i == 0 ? source.dentry : original.root_,
                                                i == 0 ? flags : original.flags(), Propagation::Copy::kPeer);
    if (i == 0) copy->locked_ = false;
    index[i] = copies.parts.size();
    copies.parts.push_back({std::move(copy), i == 0 ? 0 : index[part.parent], part.mountpoint});
  }
  const Result<void> attached = AttachTreeLocked(copies, top, nullptr);
  if (!attached.ok()) {
    for (const MountTree::Part& part : copies.parts) {
      Propagation::ChangeType(*part.mount, PropagationType::kPrivate);
    }
  }
  return attached;
}

Result<void> MountNamespace::ChangePropagation(const Path& at, PropagationType type, bool recursive) {
  MountTree tree;
  base::MutexLock lock(g_mount_trees_mu);
  const RefPtr<Mount> mount = FindLocked(at);
  if (!mount) return Errno::kEINVAL;
  tree = MountTree::Of(mount);
  if (!recursive) tree.parts.resize(1);
  for (const MountTree::Part& part : tree.parts) Propagation::ChangeType(*part.mount, type);
  return Ok();
}

Result<void> MountNamespace::ChangeFlags(const Path& at, const MountFlagsChange& change, bool recursive) {
  MountTree tree;
  base::MutexLock lock(g_mount_trees_mu);
  const RefPtr<Mount> mount = FindLocked(at);
  if (!mount) return Errno::kEINVAL;
  tree = MountTree::Of(mount);
  if (!recursive) tree.parts.resize(1);
  for (const MountTree::Part& part : tree.parts) {
    if (!part.mount->MayChangeFlags(change.Apply(part.mount->flags()))) return Errno::kEPERM;
  }
  for (const MountTree::Part& part : tree.parts) part.mount->SetFlags(change.Apply(part.mount->flags()));
  return Ok();
}

Result<void> MountNamespace::PivotRoot(const Path& new_root, const Path& put_old) {
  Path old_place;
  base::MutexLock lock(g_mount_trees_mu);
  const RefPtr<Mount> mount = FindLocked(new_root);
  if (!mount || mount->locked()) return Errno::kEINVAL;
  if (mount == root_ || put_old.mount == root_) return Errno::kEBUSY;
  if (put_old.mount->group_ || mount->parent_->group_) return Errno::kEINVAL;
  if (!BelowLocked(put_old, new_root)) return Errno::kEINVAL;
  if (put_old.dentry->unhashed()) return Errno::kENOENT;
  const Path top = TopLocked(put_old);
  old_place = TakeLocked(*mount);
  // pivot_root(".", ".") stacks the old root on the new one.
  PutLocked(root_, top);
  root_ = mount;
  std::erase(mounts_, mount);
  mounts_.insert(mounts_.begin(), mount);
  return Ok();
}

}  // namespace sentry
