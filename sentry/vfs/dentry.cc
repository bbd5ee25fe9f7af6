#include "sentry/vfs/dentry.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "sentry/vfs/notify.h"

namespace sentry {
namespace {

// Where a dying dentry leaves its parent for the outermost destructor of this
// thread to drop, so that a deep path comes down in a loop and not on the stack.
thread_local RefPtr<Dentry>* pending_parent = nullptr;

void DropParent(RefPtr<Dentry> parent) {
  if (!parent) return;
  if (pending_parent != nullptr && !*pending_parent) {
    *pending_parent = std::move(parent);
    return;
  }
  RefPtr<Dentry> slot;
  RefPtr<Dentry>* const outer = std::exchange(pending_parent, &slot);
  while (parent) {
    parent.reset();  // may fill the slot
    std::swap(parent, slot);
  }
  pending_parent = outer;
}

}  // namespace

Dentry::Dentry(RefPtr<Dentry> parent, std::string name, RefPtr<Inode> inode)
    : parent_(std::move(parent)), name_(std::move(name)), inode_(inode.release()), is_root_(parent_.get() == nullptr) {}

Dentry::~Dentry() {
  DetachFromParent();
  if (notify::Active()) [[unlikely]]
    notify::DentryGone(*this);
  if (Inode* inode = inode_.load(std::memory_order_acquire)) inode->DecRef();
  DropParent(std::move(parent_));
}

RefPtr<Dentry> Dentry::NewRoot(RefPtr<Inode> inode, std::string name) {
  return MakeRef<Dentry>(nullptr, std::move(name), std::move(inode));
}

RefPtr<Dentry> Dentry::NewUnhashed(RefPtr<Dentry> parent, std::string name, RefPtr<Inode> inode) {
  auto dentry = MakeRef<Dentry>(std::move(parent), std::move(name), std::move(inode));
  dentry->unhashed_.store(true, std::memory_order_release);
  return dentry;
}

std::string Dentry::name() const {
  base::MutexLock lock(mu_);
  return name_;
}

RefPtr<Dentry> Dentry::parent() const {
  if (is_root_) return RefPtr<Dentry>(const_cast<Dentry*>(this));
  base::MutexLock lock(mu_);
  return parent_;
}

RefPtr<Dentry> Dentry::CachedChild(std::string_view name) {
  base::MutexLock lock(mu_);
  if (!children_) return nullptr;
  auto it = children_->find(name);
  // A child whose count is 0 is about to take itself out.
  if (it == children_->end() || !it->second->TryIncRef()) return nullptr;
  return RefPtr<Dentry>::Adopt(it->second);
}

Result<RefPtr<Dentry>> Dentry::LookupChild(const VfsContext& ctx, std::string_view name) {
  Inode* const dir = inode_ptr();
  if (dir == nullptr) return Errno::kENOENT;
  if (RefPtr<Dentry> child = CachedChild(name)) {
    if (dir->Revalidate(ctx, name, child->inode_ptr())) {
      DentryCache::Touch(child);
      return child;
    }
    child->Unhash();
  }
  base::MutexLock lock(dir->dir_mu());
  return LookupChildLocked(ctx, name);
}

void Dentry::RevalidateChild(const VfsContext& ctx, std::string_view name) {
  Inode* const dir = inode_ptr();
  RefPtr<Dentry> child = CachedChild(name);
  if (dir != nullptr && child && !dir->Revalidate(ctx, name, child->inode_ptr())) child->Unhash();
}

Result<RefPtr<Dentry>> Dentry::LookupChildLocked(const VfsContext& ctx, std::string_view name) {
  if (RefPtr<Dentry> child = CachedChild(name)) {
    DentryCache::Touch(child);
    return child;
  }
  Inode* const dir = inode_ptr();
  if (dir == nullptr || dead()) return Errno::kENOENT;
  Result<RefPtr<Inode>> found = dir->Lookup(ctx, name);
  if (!found.ok() && !found.Is(Errno::kENOENT)) return found.error();
  auto child = MakeRef<Dentry>(RefPtr<Dentry>(this), std::string(name), found.ok() ? std::move(*found) : nullptr);
  child->AttachTo(*this, name);
  DentryCache::Touch(child);
  return child;
}

// Enters `parent`'s map. What stands there is dying: its destructor sees that
// the place is no longer its own.
void Dentry::AttachTo(Dentry& parent, std::string_view name) {
  base::MutexLock lock(parent.mu_);
  if (!parent.children_) parent.children_ = std::make_unique<Children>();
  (*parent.children_)[std::string(name)] = this;
}

void Dentry::DetachFromParent() {
  RefPtr<Dentry> parent;
  std::string name;
  {
    base::MutexLock lock(mu_);
    parent = parent_;
    name = name_;
  }
  if (!parent) return;
  base::MutexLock lock(parent->mu_);
  if (!parent->children_) return;
  auto it = parent->children_->find(name);
  if (it == parent->children_->end() || it->second != this) return;
  parent->children_->erase(it);
  if (parent->children_->empty()) parent->children_.reset();
}

void Dentry::SetPlace(RefPtr<Dentry> parent, std::string_view name) {
  RefPtr<Dentry> old = std::move(parent);  // dropped behind the lock
  base::MutexLock lock(mu_);
  std::swap(parent_, old);
  name_ = name;
}

void Dentry::Instantiate(RefPtr<Inode> inode) {
  Inode* expected = nullptr;
  CHECK(inode_.compare_exchange_strong(expected, inode.release(), std::memory_order_acq_rel));
}

void Dentry::Unhash() {
  if (is_root_) return;
  DetachFromParent();
  unhashed_.store(true, std::memory_order_release);
  if (notify::Active()) [[unlikely]]
    notify::DentryUnhashed(*this);
  DentryCache::Forget(*this);
}

void Dentry::Move(Dentry& child, Dentry& new_parent, std::string_view new_name, Dentry* replaced) {
  if (replaced != nullptr) replaced->Unhash();
  child.DetachFromParent();
  child.SetPlace(RefPtr<Dentry>(&new_parent), new_name);
  child.AttachTo(new_parent, new_name);
}

void Dentry::Exchange(Dentry& a, Dentry& b) {
  const RefPtr<Dentry> a_parent = a.parent(), b_parent = b.parent();
  const std::string a_name = a.name(), b_name = b.name();
  a.DetachFromParent();
  b.DetachFromParent();
  a.SetPlace(b_parent, b_name);
  b.SetPlace(a_parent, a_name);
  a.AttachTo(*b_parent, b_name);
  b.AttachTo(*a_parent, a_name);
}

bool Dentry::IsAncestorOf(const Dentry& other) const {
  RefPtr<Dentry> at(const_cast<Dentry*>(&other));
  while (at.get() != this) {
    if (at->is_root()) return false;
    at = at->parent();
  }
  return true;
}

// An intrusive list with one reference to each dentry on it.
struct DentryCache::Lru {
  // Rank kDentryLru. References are dropped behind it: a last one ends in a
  // file system.
  base::RankedMutex<base::LockRank::kDentryLru> mu;
  Dentry* head ABSL_GUARDED_BY(mu) = nullptr;  // the hand
  Dentry* tail ABSL_GUARDED_BY(mu) = nullptr;
  size_t count ABSL_GUARDED_BY(mu) = 0;
  std::atomic<size_t> capacity{16384};

  void PushBack(Dentry* d) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    d->lru_prev_ = tail;
    d->lru_next_ = nullptr;
    (tail != nullptr ? tail->lru_next_ : head) = d;
    tail = d;
    ++count;
  }
  void Take(Dentry* d) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    (d->lru_prev_ != nullptr ? d->lru_prev_->lru_next_ : head) = d->lru_next_;
    (d->lru_next_ != nullptr ? d->lru_next_->lru_prev_ : tail) = d->lru_prev_;
    d->lru_prev_ = d->lru_next_ = nullptr;
    --count;
  }
  // Takes `d` off for good; the list's reference is the caller's now.
  RefPtr<Dentry> Release(Dentry* d) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    Take(d);
    d->in_cache_.store(false, std::memory_order_relaxed);
    return RefPtr<Dentry>::Adopt(d);
  }
  // The first that was not used since the hand last passed.
  RefPtr<Dentry> Evict() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    for (size_t turns = count; turns > 1 && head->referenced_.exchange(false, std::memory_order_relaxed); --turns) {
      Dentry* used = head;
      Take(used);
      PushBack(used);
    }
    return Release(head);
  }
};

DentryCache::Lru& DentryCache::TheLru() {
  static Lru* const lru = new Lru;
  return *lru;
}

void DentryCache::SetCapacity(size_t dentries) {
  Lru& lru = TheLru();
  lru.capacity.store(dentries, std::memory_order_relaxed);
  std::vector<RefPtr<Dentry>> dropped;
  base::MutexLock lock(lru.mu);
  while (lru.count > dentries) dropped.push_back(lru.Evict());
}

void DentryCache::Touch(const RefPtr<Dentry>& dentry) {
  if (dentry->in_cache_.load(std::memory_order_relaxed)) {
    if (!dentry->referenced_.load(std::memory_order_relaxed)) {
      dentry->referenced_.store(true, std::memory_order_relaxed);
    }
    return;
  }
  if (dentry->is_root() || dentry->unhashed()) return;
  Lru& lru = TheLru();
  RefPtr<Dentry> dropped;  // one is enough: the list grows by one at a time
  base::MutexLock lock(lru.mu);
  if (dentry->in_cache_.exchange(true, std::memory_order_relaxed)) return;
  lru.PushBack(RefPtr<Dentry>(dentry).release());
  if (lru.count > lru.capacity.load(std::memory_order_relaxed)) dropped = lru.Evict();
}

void DentryCache::Forget(Dentry& dentry) {
  Lru& lru = TheLru();
  RefPtr<Dentry> dropped;
  base::MutexLock lock(lru.mu);
  if (dentry.in_cache_.load(std::memory_order_relaxed)) dropped = lru.Release(&dentry);
}

void DentryCache::Purge(const FileSystem* fs) {
  Lru& lru = TheLru();
  std::vector<RefPtr<Dentry>> dropped;
  base::MutexLock lock(lru.mu);
  for (Dentry *d = lru.head, *next; d != nullptr; d = next) {
    next = d->lru_next_;
    const RefPtr<Inode> inode = d->negative() ? d->parent()->inode() : d->inode();
    if (fs == nullptr || (inode && &inode->fs() == fs)) dropped.push_back(lru.Release(d));
  }
}

size_t DentryCache::size() {
  Lru& lru = TheLru();
  base::MutexLock lock(lru.mu);
  return lru.count;
}

}  // namespace sentry
