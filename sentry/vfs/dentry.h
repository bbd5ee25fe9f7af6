// A name in a directory, cached. Analogous to Linux's struct dentry.
//
// A dentry holds its parent, so a path to the root always exists; a parent
// knows its children without holding them (they take themselves out). Unused
// dentries stay alive on the LRU of DentryCache, which bounds their number and
// with it the inodes, descriptors and gofer handles behind them.
#ifndef SENTRY_VFS_DENTRY_H_
#define SENTRY_VFS_DENTRY_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/inode.h"

namespace sentry {

class DentryCache;

class Dentry final : public base::RefCounted {
 public:
  // The root of a file system (or a lone object: pipe, socket, memfd, whose name
  // is shown as "pipe:[7]").
  static RefPtr<Dentry> NewRoot(RefPtr<Inode> inode, std::string name = "/");
  // A file below `parent` that no look-up finds (O_TMPFILE).
  static RefPtr<Dentry> NewUnhashed(RefPtr<Dentry> parent, std::string name, RefPtr<Inode> inode);

  // Null: known not to exist (negative). Set once: a positive dentry never
  // changes its inode and never turns negative.
  RefPtr<Inode> inode() const { return RefPtr<Inode>(inode_ptr()); }
  Inode* inode_ptr() const { return inode_.load(std::memory_order_acquire); }
  bool negative() const { return inode_ptr() == nullptr; }
  std::string name() const;
  RefPtr<Dentry> parent() const;  // itself for a root
  bool is_root() const { return is_root_; }
  // Unlinked, replaced or found stale while still in use: "(deleted)".
  bool unhashed() const { return unhashed_.load(std::memory_order_acquire); }
  // A removed directory: nothing can be found or made in it (S_DEAD).
  bool dead() const { return dead_.load(std::memory_order_acquire); }

  // The cached child, or null if nothing is known of the name.
  RefPtr<Dentry> CachedChild(std::string_view name);
  // Looks up through the cache: Revalidate, then Inode::Lookup under dir_mu.
  // A negative dentry comes back as such; other errors as they are.
  Result<RefPtr<Dentry>> LookupChild(const VfsContext& ctx, std::string_view name);
  // The same for a caller that holds inode()->dir_mu(). It revalidates nothing:
  // see RevalidateChild.
  Result<RefPtr<Dentry>> LookupChildLocked(const VfsContext& ctx, std::string_view name);
  // Forgets a cached child that no longer holds. Without dir_mu.
  void RevalidateChild(const VfsContext& ctx, std::string_view name);

  // Tree changes after the file system did them; the directories' locks are held.
  void Instantiate(RefPtr<Inode> inode);  // negative -> positive
  void Unhash();                          // unlinked: out of the tree, object lives on
  void MarkDead() { dead_.store(true, std::memory_order_release); }
  // `child` takes the name; what stood there (`replaced`, may be null) is
  // unhashed.
  static void Move(Dentry& child, Dentry& new_parent, std::string_view new_name, Dentry* replaced);
  static void Exchange(Dentry& a, Dentry& b);
  // True if `this` is `other` or above it.
  bool IsAncestorOf(const Dentry& other) const;

  // How many mounts stand on this dentry, in any namespace (fast path of walk).
  std::atomic<uint32_t> mount_count{0};

 private:
  friend class DentryCache;
  template <typename T, typename... Args>
  friend RefPtr<T> base::MakeRef(Args&&... args);
  Dentry(RefPtr<Dentry> parent, std::string name, RefPtr<Inode> inode);
  ~Dentry() override;

  // Finds by string_view, so that a walk allocates nothing.
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  using Children = std::unordered_map<std::string, Dentry*, NameHash, std::equal_to<>>;

  void AttachTo(Dentry& parent, std::string_view name);
  void DetachFromParent();
  void SetPlace(RefPtr<Dentry> parent, std::string_view name);

  // Rank kDentry. Never two at once: a move shows a moment in which the name is
  // in neither directory, and who misses it then waits for dir_mu.
  mutable base::RankedMutex<base::LockRank::kDentry> mu_;
  RefPtr<Dentry> parent_ ABSL_GUARDED_BY(mu_);
  std::string name_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Children> children_ ABSL_GUARDED_BY(mu_);  // made with the first child
  std::atomic<Inode*> inode_;                                // one reference
  const bool is_root_;
  std::atomic<bool> unhashed_{false};
  std::atomic<bool> dead_{false};
  // For DentryCache: whether its list holds this, and whether it was used since
  // the hand last passed (a clock, not a strict LRU: a hit writes one flag).
  // in_cache_ changes under the list's lock; links are guarded by it.
  std::atomic<bool> in_cache_{false};
  std::atomic<bool> referenced_{false};
  Dentry* lru_prev_ = nullptr;
  Dentry* lru_next_ = nullptr;
};

// The LRU that keeps recently used dentries (and negative ones) alive.
class DentryCache {
 public:
  static void SetCapacity(size_t dentries);  // default 16,384
  static void Touch(const RefPtr<Dentry>& dentry);
  // The list's hold on an unlinked dentry ends at once: its inode may own memory.
  static void Forget(Dentry& dentry);
  // Drops everything unused of a file system (umount) or of all (null).
  static void Purge(const FileSystem* fs);
  static size_t size();

 private:
  struct Lru;
  static Lru& TheLru();
};

}  // namespace sentry

#endif  // SENTRY_VFS_DENTRY_H_
