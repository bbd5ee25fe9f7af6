#include "sentry/vfs/mount.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "sentry/vfs/notify.h"

namespace sentry {
namespace {

int32_t NextMountId() {
  static std::atomic<int32_t> next{20};
  return next.fetch_add(1, std::memory_order_relaxed);
}

constexpr uint32_t kPerMount = abi::kMsRdOnly | abi::kMsNoSuid | abi::kMsNoDev | abi::kMsNoExec | abi::kMsNoAtime;
// A guest can't make a namespace hold more (ENOSPC; Linux's mount-max is 100,000).
constexpr size_t kMaxMounts = 10000;

}  // namespace

uint64_t MountFlags::ToAbi() const {
  return (read_only ? abi::kMsRdOnly : 0) | (no_suid ? abi::kMsNoSuid : 0) | (no_dev ? abi::kMsNoDev : 0) |
         (no_exec ? abi::kMsNoExec : 0) | (no_atime ? abi::kMsNoAtime : 0);
}

MountFlags MountFlags::FromAbi(uint64_t ms) {
  return {.read_only = (ms & abi::kMsRdOnly) != 0,
          .no_suid = (ms & abi::kMsNoSuid) != 0,
          .no_dev = (ms & abi::kMsNoDev) != 0,
          .no_exec = (ms & abi::kMsNoExec) != 0,
          .no_atime = (ms & abi::kMsNoAtime) != 0};
}

std::string MountFlags::ToOptions() const {
  std::string out = read_only ? "ro" : "rw";
  if (no_suid) out += ",nosuid";
  if (no_dev) out += ",nodev";
  if (no_exec) out += ",noexec";
  out += no_atime ? ",noatime" : ",relatime";
  return out;
}

Mount::Mount(RefPtr<FileSystem> fs, RefPtr<Dentry> root, MountFlags flags)
    : fs_(std::move(fs)),
      root_(std::move(root)),
      id_(NextMountId()),
      flag_bits_(static_cast<uint32_t>(flags.ToAbi() & kPerMount)) {
  fs_->mounts.fetch_add(1, std::memory_order_relaxed);
}

Mount::~Mount() {
  if (fs_->mounts.fetch_sub(1, std::memory_order_acq_rel) == 1 && notify::Active()) notify::FileSystemUnmounted(*fs_);
}

Path Mount::place() const {
  base::MutexLock lock(place_mu_);
  return parent_ ? Path(parent_, mountpoint_) : Path();
}

MountFlags Mount::flags() const { return MountFlags::FromAbi(flag_bits_.load(std::memory_order_relaxed)); }
void Mount::SetFlags(MountFlags flags) {
  flag_bits_.store(static_cast<uint32_t>(flags.ToAbi() & kPerMount), std::memory_order_relaxed);
}

Result<void> Mount::ChangeFlags(MountFlags flags) {
  const uint32_t locked = locked_flags_.load(std::memory_order_relaxed);
  if ((locked & ~flags.ToAbi()) != 0) return Errno::kEPERM;
  SetFlags(flags);
  return Ok();
}

MountNamespace::MountNamespace(RefPtr<Mount> root)
    : MountNamespace(std::move(root), UserNamespace::Initial(), NamespaceCharge()) {}

MountNamespace::MountNamespace(RefPtr<Mount> root, RefPtr<UserNamespace> owner, NamespaceCharge charge)
    : Namespace(NamespaceKind::kMnt, First::kNo, std::move(owner), std::move(charge)), root_(std::move(root)) {
  root_->attached_ = true;
  mounts_.push_back(root_);
}

MountNamespace::~MountNamespace() {
  // The last holder: no lock is needed, and dropping ends in file systems.
  for (const RefPtr<Mount>& mount : mounts_) {
    if (mount->mountpoint_) mount->mountpoint_->mount_count.fetch_sub(1, std::memory_order_acq_rel);
    mount->parent_.reset();
    mount->mountpoint_.reset();
  }
}

Path MountNamespace::root() const {
  base::MutexLock lock(mu_);
  return TopLocked(Path(root_, root_->root()));
}

RefPtr<Mount> MountNamespace::OnLocked(const Mount& mount, const Dentry& dentry) const {
  auto it = by_place_.find(Place(&mount, &dentry));
  return it == by_place_.end() ? nullptr : it->second;
}

RefPtr<Mount> MountNamespace::MountOn(const Mount& mount, const Dentry& dentry) const {
  if (dentry.mount_count.load(std::memory_order_acquire) == 0) return nullptr;
  base::MutexLock lock(mu_);
  return OnLocked(mount, dentry);
}

bool MountNamespace::IsMountpoint(const Dentry& dentry) const {
  if (dentry.mount_count.load(std::memory_order_acquire) == 0) return false;
  base::MutexLock lock(mu_);
  return std::any_of(by_place_.begin(), by_place_.end(), [&](const auto& e) { return e.first.second == &dentry; });
}

Path MountNamespace::Mountpoint(const Mount& mount) const { return mount.place(); }

// Through whatever is mounted on `at`.
Path MountNamespace::TopLocked(Path at) const {
  while (at.dentry->mount_count.load(std::memory_order_acquire) != 0) {
    RefPtr<Mount> on = OnLocked(*at.mount, *at.dentry);
    if (!on) break;
    at = Path(on, on->root());
  }
  return at;
}

RefPtr<Mount> MountNamespace::FindLocked(const Path& mount_root) const {
  if (!mount_root.mount || !mount_root.mount->attached_ || mount_root.dentry != mount_root.mount->root())
    return nullptr;
  auto it = std::find(mounts_.begin(), mounts_.end(), mount_root.mount);
  return it == mounts_.end() ? nullptr : *it;
}

Result<RefPtr<Mount>> MountNamespace::Find(const Path& mount_root) const {
  base::MutexLock lock(mu_);
  RefPtr<Mount> found = FindLocked(mount_root);
  if (!found) return Errno::kEINVAL;
  return found;
}

void MountNamespace::PutLocked(const RefPtr<Mount>& mount, const Path& at) {
  {
    base::MutexLock place_lock(mount->place_mu_);
    mount->parent_ = at.mount;
    mount->mountpoint_ = at.dentry;
  }
  mount->attached_ = true;
  at.dentry->mount_count.fetch_add(1, std::memory_order_acq_rel);
  by_place_[Place(at.mount.get(), at.dentry.get())] = mount;
}

// Takes `mount` off its place; the place's references are the caller's, to be
// dropped behind the lock.
Path MountNamespace::TakeLocked(Mount& mount) {
  by_place_.erase(Place(mount.parent_.get(), mount.mountpoint_.get()));
  mount.mountpoint_->mount_count.fetch_sub(1, std::memory_order_acq_rel);
  mount.attached_ = false;
  base::MutexLock place_lock(mount.place_mu_);
  return Path(std::move(mount.parent_), std::move(mount.mountpoint_));
}

// `top` and all that is mounted below it, parents first.
std::vector<RefPtr<Mount>> MountNamespace::TreeLocked(const RefPtr<Mount>& top) const {
  std::vector<RefPtr<Mount>> tree{top};
  for (size_t i = 0; i < tree.size(); ++i) {
    for (const RefPtr<Mount>& mount : mounts_) {
      if (mount->parent_ == tree[i]) tree.push_back(mount);
    }
  }
  return tree;
}

Result<void> MountNamespace::Attach(RefPtr<Mount> mount, const Path& at) {
  base::MutexLock lock(mu_);
  if (mounts_.size() >= kMaxMounts) return Errno::kENOSPC;
  const Path top = TopLocked(at);
  const Inode* on = top.dentry->inode_ptr();
  const Inode* root = mount->root()->inode_ptr();
  if (on == nullptr || root == nullptr || top.dentry->unhashed()) return Errno::kENOENT;
  if (on->is_dir() != root->is_dir()) return Errno::kENOTDIR;
  if (mount->attached_) return Errno::kEINVAL;
  PutLocked(mount, top);
  mounts_.push_back(std::move(mount));
  return Ok();
}

Result<void> MountNamespace::Detach(const Path& at, bool detach) {
  std::vector<RefPtr<Mount>> gone;  // dropped behind the lock, as are their places
  std::vector<Path> places;
  base::MutexLock lock(mu_);
  const RefPtr<Mount> mount = FindLocked(at);
  if (!mount || mount == root_ || mount->locked()) return Errno::kEINVAL;
  gone = TreeLocked(mount);
  if ((gone.size() > 1 || mount->users.load(std::memory_order_relaxed) > 0) && !detach) return Errno::kEBUSY;
  for (auto it = gone.rbegin(); it != gone.rend(); ++it) {
    places.push_back(TakeLocked(**it));
    std::erase(mounts_, *it);
  }
  return Ok();
}

Result<void> MountNamespace::MoveMount(const Path& from, const Path& to) {
  Path old_place;
  base::MutexLock lock(mu_);
  const RefPtr<Mount> mount = FindLocked(from);
  if (!mount || mount == root_ || mount->locked()) return Errno::kEINVAL;
  const Path top = TopLocked(to);
  if (top.dentry->unhashed()) return Errno::kENOENT;
  const Inode* on = top.dentry->inode_ptr();
  const Inode* root = mount->root()->inode_ptr();
  if (on == nullptr || root == nullptr || on->is_dir() != root->is_dir()) return Errno::kENOTDIR;
  for (const Mount* m = top.mount.get(); m != nullptr; m = m->parent_.get()) {
    if (m == mount.get()) return Errno::kELOOP;
  }
  old_place = TakeLocked(*mount);
  PutLocked(mount, top);
  return Ok();
}

Result<void> MountNamespace::Bind(const Path& source, const Path& at, MountFlags flags, bool recursive) {
  std::vector<std::pair<RefPtr<Mount>, RefPtr<Mount>>> copies;  // original, copy
  base::MutexLock lock(mu_);
  const Path top = TopLocked(at);
  const Inode* on = top.dentry->inode_ptr();
  const Inode* root = source.dentry->inode_ptr();
  if (on == nullptr || root == nullptr || top.dentry->unhashed()) return Errno::kENOENT;
  if (on->is_dir() != root->is_dir()) return Errno::kENOTDIR;
  if (!source.mount->attached_) return Errno::kEINVAL;  // pipefs and the like
  if (!recursive && HasLockedChildLocked(*source.mount, *source.dentry)) return Errno::kEINVAL;
  const std::vector<RefPtr<Mount>> tree =
      recursive ? TreeLocked(source.mount) : std::vector<RefPtr<Mount>>{source.mount};
  if (mounts_.size() + tree.size() > kMaxMounts) return Errno::kENOSPC;
  for (const RefPtr<Mount>& mount : tree) {
    const bool first = mount == source.mount;
    // Of the source's own children only those below the bound directory.
    if (!first && mount->parent_ == source.mount && !source.dentry->IsAncestorOf(*mount->mountpoint_)) continue;
    Path place = top;
    if (!first) {
      auto it = std::find_if(copies.begin(), copies.end(), [&](const auto& c) { return c.first == mount->parent_; });
      if (it == copies.end()) continue;
      place = Path(it->second, mount->mountpoint_);
    }
    auto copy = MakeRef<Mount>(mount->fs_, first ? source.dentry : mount->root_, first ? flags : mount->flags());
    copy->locked_ = !first && mount->locked();
    copy->locked_flags_ = mount->locked_flags_.load(std::memory_order_relaxed);
    PutLocked(copy, place);
    mounts_.push_back(copy);
    copies.emplace_back(mount, std::move(copy));
  }
  return Ok();
}

bool MountNamespace::HasLockedChildLocked(const Mount& mount, const Dentry& below) const {
  return std::any_of(mounts_.begin(), mounts_.end(), [&](const RefPtr<Mount>& m) {
    return m->locked() && m->parent_.get() == &mount && below.IsAncestorOf(*m->mountpoint_);
  });
}

bool MountNamespace::FullyVisible(std::string_view type) const {
  base::MutexLock lock(mu_);
  return std::any_of(mounts_.begin(), mounts_.end(), [&](const RefPtr<Mount>& m) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return m->fs().type_name() == type && m->root()->is_root() && !HasLockedChildLocked(*m, *m->root());
  });
}

RefPtr<MountNamespace> MountNamespace::Clone(std::span<Path*> paths, RefPtr<UserNamespace> new_owner,
                                             NamespaceCharge charge) const {
  const bool less_privileged = new_owner != owner();
  std::vector<Path> old;  // what the callers' paths were, dropped behind the lock
  base::MutexLock lock(mu_);
  std::map<const Mount*, RefPtr<Mount>> copies;
  for (const RefPtr<Mount>& mount : mounts_) {
    RefPtr<Mount>& copy = copies[mount.get()];
    copy = MakeRef<Mount>(mount->fs_, mount->root_, mount->flags());
    copy->locked_ = mount->locked() || (less_privileged && mount != root_);
    copy->locked_flags_ = less_privileged ? mount->flag_bits_.load(std::memory_order_relaxed)
                                          : mount->locked_flags_.load(std::memory_order_relaxed);
  }
  auto clone = MakeRef<MountNamespace>(copies[root_.get()], std::move(new_owner), std::move(charge));
  clone->mu_.LockSameRank();  // nobody else knows it yet
  for (const RefPtr<Mount>& mount : mounts_) {
    if (!mount->parent_) continue;
    const RefPtr<Mount>& copy = copies[mount.get()];
    clone->PutLocked(copy, Path(copies[mount->parent_.get()], mount->mountpoint_));
    clone->mounts_.push_back(copy);
  }
  clone->mu_.Unlock();
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
  base::MutexLock lock(mu_);
  return mounts_;
}

Result<void> MountNamespace::PivotRoot(const Path& new_root, const Path& put_old) {
  Path old_place;
  base::MutexLock lock(mu_);
  const RefPtr<Mount> mount = FindLocked(new_root);
  if (!mount) return Errno::kEINVAL;
  if (mount->locked()) return Errno::kEINVAL;
  if (mount == root_ || put_old.mount == root_) return Errno::kEBUSY;
  if (!BelowLocked(put_old, new_root)) return Errno::kEINVAL;
  if (put_old.dentry->unhashed()) return Errno::kENOENT;
  const Path top = TopLocked(put_old);
  old_place = TakeLocked(*mount);
  mount->attached_ = true;
  // pivot_root(".", ".") stacks the old root on the new one.
  PutLocked(root_, top);
  root_ = mount;
  std::erase(mounts_, mount);
  mounts_.insert(mounts_.begin(), mount);
  return Ok();
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
          .type = mount.fs().type_name(),
          .source = mount.fs().source(),
          .super_options = mount.fs().options()};
}

std::vector<MountNamespace::MountInfo> MountNamespace::List(const Path& root) const {
  std::vector<MountInfo> out;
  base::MutexLock lock(mu_);
  for (const RefPtr<Mount>& mount : mounts_) {
    if (mount != root.mount && !BelowLocked(Path(mount, mount->root()), root)) continue;
    out.push_back(InfoLocked(*mount, root));
  }
  return out;
}

}  // namespace sentry
