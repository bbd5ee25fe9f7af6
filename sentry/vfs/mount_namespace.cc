#include <algorithm>
#include <map>
#include <utility>

#include "sentry/vfs/mount.h"
#include "sentry/vfs/propagation.h"

namespace sentry {
MountNamespace::MountNamespace(RefPtr<Mount> root)
    : MountNamespace(std::move(root), UserNamespace::Initial(), NamespaceCharge()) {}

MountNamespace::MountNamespace(RefPtr<Mount> root, RefPtr<UserNamespace> owner, NamespaceCharge charge)
    : Namespace(NamespaceKind::kMnt, First::kNo, std::move(owner), std::move(charge)), root_(std::move(root)) {
  base::MutexLock lock(g_mount_trees_mu);
  root_->ns_ = this;
  mounts_.push_back(root_);
}

MountNamespace::MountNamespace(RefPtr<UserNamespace> owner, NamespaceCharge charge)
    : Namespace(NamespaceKind::kMnt, First::kNo, std::move(owner), std::move(charge)) {}

// Nobody hears of it, as in Linux; what was shared with others stays with them.
MountNamespace::~MountNamespace() {
  std::vector<RefPtr<Mount>> gone;  // dropped behind the lock, as are their places
  std::vector<Path> places;
  base::MutexLock lock(g_mount_trees_mu);
  for (const RefPtr<Mount>& mount : mounts_) {
    if (mount->parent_) places.push_back(TakeLocked(*mount));
    Propagation::ChangeType(*mount, PropagationType::kPrivate);
    mount->ns_ = nullptr;
  }
  gone = std::move(mounts_);
}

Path MountNamespace::root() const {
  base::MutexLock lock(g_mount_trees_mu);
  return TopLocked(Path(root_, root_->root()));
}

RefPtr<Mount> MountNamespace::OnLocked(const Mount& mount, const Dentry& dentry) {
  if (mount.ns_ == nullptr) return nullptr;
  auto it = mount.ns_->by_place_.find(Place(&mount, &dentry));
  return it == mount.ns_->by_place_.end() ? nullptr : it->second;
}

RefPtr<Mount> MountNamespace::MountOn(const Mount& mount, const Dentry& dentry) const {
  if (dentry.mount_count.load(std::memory_order_acquire) == 0) return nullptr;
  base::MutexLock lock(g_mount_trees_mu);
  return OnLocked(mount, dentry);
}

bool MountNamespace::IsMountpoint(const Dentry& dentry) const {
  if (dentry.mount_count.load(std::memory_order_acquire) == 0) return false;
  base::MutexLock lock(g_mount_trees_mu);
  return std::any_of(by_place_.begin(), by_place_.end(), [&](const auto& e) { return e.first.second == &dentry; });
}

Path MountNamespace::Mountpoint(const Mount& mount) const { return mount.place(); }

// Through whatever is mounted on `at`.
Path MountNamespace::TopLocked(Path at) {
  while (at.dentry->mount_count.load(std::memory_order_acquire) != 0) {
    RefPtr<Mount> on = OnLocked(*at.mount, *at.dentry);
    if (!on) break;
    at = Path(on, on->root());
  }
  return at;
}

RefPtr<Mount> MountNamespace::FindLocked(const Path& mount_root) const {
  const RefPtr<Mount>& mount = mount_root.mount;
  return mount && mount->ns_ == this && mount_root.dentry == mount->root() ? mount : nullptr;
}

Result<RefPtr<Mount>> MountNamespace::Find(const Path& mount_root) const {
  base::MutexLock lock(g_mount_trees_mu);
  RefPtr<Mount> found = FindLocked(mount_root);
  if (!found) return Errno::kEINVAL;
  return found;
}

bool MountNamespace::HasLockedChildLocked(const Mount& mount, const Dentry& below) {
  return std::any_of(mount.children_.begin(), mount.children_.end(),
                     [&](const Mount* m) { return m->locked() && below.IsAncestorOf(*m->mountpoint_); });
}

bool MountNamespace::FullyVisible(std::string_view type) const {
  base::MutexLock lock(g_mount_trees_mu);
  return std::any_of(mounts_.begin(), mounts_.end(), [&](const RefPtr<Mount>& m) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return m->fs().type_name() == type && m->root()->is_root() && !HasLockedChildLocked(*m, *m->root());
  });
}

RefPtr<MountNamespace> MountNamespace::Clone(std::span<Path*> paths, RefPtr<UserNamespace> new_owner,
                                             NamespaceCharge charge) const {
  const bool less_privileged = new_owner != owner();
  const auto how = less_privileged ? Propagation::Copy::kUnshared : Propagation::Copy::kPeer;
  std::vector<Path> old;  // what the callers' paths were, dropped behind the lock
  auto clone = MakeRef<MountNamespace>(std::move(new_owner), std::move(charge));
  base::MutexLock lock(g_mount_trees_mu);
  std::map<const Mount*, RefPtr<Mount>> copies;
  for (const RefPtr<Mount>& mount : mounts_) {
    RefPtr<Mount>& copy = copies[mount.get()];
    copy = Propagation::CopyMount(*mount, mount->root_, mount->flags(), how);
    copy->ns_ = clone.get();
    if (less_privileged) {
      copy->LockFlags();
      copy->locked_ = mount != root_;
    }
    clone->mounts_.push_back(copy);
  }
  clone->root_ = copies[root_.get()];
  for (const RefPtr<Mount>& mount : mounts_) {
    if (mount->parent_) PutLocked(copies[mount.get()], Path(copies[mount->parent_.get()], mount->mountpoint_));
  }
  for (Path* path : paths) {
    auto it = copies.find(path->mount.get());
    if (it == copies.end()) continue;
    old.push_back(*path);
    path->mount = it->second;
  }
  return clone;
}

// Whether `path` lies at or below `root`, through mounts.
bool MountNamespace::BelowLocked(const Path& path, const Path& root) const {
  const Mount* mount = path.mount.get();
  RefPtr<Dentry> dentry = path.dentry;
  while (mount != root.mount.get()) {
    if (!mount->parent_) return false;
    dentry = mount->mountpoint_;
    mount = mount->parent_.get();
  }
  return root.dentry->IsAncestorOf(*dentry);
}

std::vector<RefPtr<Mount>> MountNamespace::Mounts() const {
  base::MutexLock lock(g_mount_trees_mu);
  return mounts_;
}

namespace {

// The path of `dentry` below `top`, "/" for itself.
std::string PathBelow(RefPtr<Dentry> dentry, const Dentry& top) {
  std::string text;
  while (dentry.get() != &top && !dentry->is_root()) {
    text = "/" + dentry->name() + text;
    dentry = dentry->parent();
  }
  return text.empty() ? "/" : text;
}

}  // namespace

std::string MountNamespace::PropagationTextLocked(const Mount& mount, const Path& root) const {
  std::string text;
  if (mount.group_) text += " shared:" + std::to_string(mount.group_->id);
  if (mount.master_) text += " master:" + std::to_string(mount.master_->id);
  // The nearest group above that the reader sees a mount of.
  for (const PeerGroup* group = mount.master_.get(); group != nullptr; group = group->peers.front()->master_.get()) {
    const bool seen =
        std::any_of(group->peers.begin(), group->peers.end(), [&](const Mount* peer) ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return peer->ns_ == this && BelowLocked(Path(RefPtr<Mount>(const_cast<Mount*>(peer)), peer->root_), root);
        });
    if (!seen) continue;
    if (group != mount.master_.get()) text += " propagate_from:" + std::to_string(group->id);
    break;
  }
  return mount.unbindable_ ? text + " unbindable" : text;
}

MountNamespace::MountInfo MountNamespace::InfoLocked(const Mount& mount, const Path& root) const {
  std::string mountpoint;
  for (const Mount* m = &mount; m->parent_ && m != root.mount.get(); m = m->parent_.get()) {
    // Down to the root asked for where that lies inside the parent mount.
    const Dentry& top = m->parent_ == root.mount ? *root.dentry : *m->parent_->root();
    const std::string part = PathBelow(m->mountpoint_, top);
    if (part != "/") mountpoint = part + mountpoint;
  }
  RefPtr<Dentry> fs_root = mount.root();
  while (!fs_root->is_root()) fs_root = fs_root->parent();
  return {.id = mount.id(),
          .parent_id = mount.parent_ ? mount.parent_->id() : mount.id(),
          .device = mount.fs().device(),
          .root = PathBelow(mount.root(), *fs_root),
          .mountpoint = mountpoint.empty() ? "/" : mountpoint,
          .options = mount.flags().ToOptions(),
          .propagation = PropagationTextLocked(mount, root),
          .type = mount.fs().type_name(),
          .source = mount.fs().source(),
          .super_options = mount.fs().options()};
}

std::vector<MountNamespace::MountInfo> MountNamespace::List(const Path& root) const {
  std::vector<MountInfo> out;
  base::MutexLock lock(g_mount_trees_mu);
  for (const RefPtr<Mount>& mount : mounts_) {
    if (mount != root.mount && !BelowLocked(Path(mount, mount->root()), root)) continue;
    out.push_back(InfoLocked(*mount, root));
  }
  return out;
}

}  // namespace sentry
