// A name in a directory, cached. Analogous to Linux's struct dentry.
//
// A dentry holds its parent, so a path to the root always exists; a parent
// knows its children without holding them (they take themselves out). Unused
// dentries stay alive on the LRU of DentryCache, which bounds their number and
// with it the inodes, descriptors and gofer handles behind them.
#ifndef SENTRY_VFS_DENTRY_H_
#define SENTRY_VFS_DENTRY_H_

#include <atomic>
#include <map>
#include <string>
#include <string_view>

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

  // Null: known not to exist (negative).
  RefPtr<Inode> inode() const;
  bool negative() const { return !inode(); }
  std::string name() const;
  RefPtr<Dentry> parent() const;  // itself for a root
  bool is_root() const;
  // Unlinked or replaced while still in use: "(deleted)".
  bool unhashed() const { return unhashed_.load(std::memory_order_acquire); }

  // The cached child, or null if nothing is known of the name.
  RefPtr<Dentry> CachedChild(std::string_view name);
  // Looks up through the cache: Revalidate, then Inode::Lookup under dir_mu.
  // A negative dentry comes back as such; other errors as they are.
  Result<RefPtr<Dentry>> LookupChild(const VfsContext& ctx, std::string_view name);
  // The same for a caller that holds inode()->dir_mu().
  Result<RefPtr<Dentry>> LookupChildLocked(const VfsContext& ctx, std::string_view name);

  // Tree changes after the file system did them; the directories' locks are held.
  void Instantiate(RefPtr<Inode> inode);     // negative -> positive
  void Unhash();                             // unlinked: out of the tree, object lives on
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

  mutable base::RankedMutex<base::LockRank::kDentry> mu_;  // one lock a dentry; parent before child
  RefPtr<Dentry> parent_ ABSL_GUARDED_BY(mu_);
  std::string name_ ABSL_GUARDED_BY(mu_);
  RefPtr<Inode> inode_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Dentry*, std::less<>> children_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> unhashed_{false};
};

// The LRU that keeps recently used dentries (and negative ones) alive.
class DentryCache {
 public:
  static void SetCapacity(size_t dentries);  // default 16,384
  static void Touch(RefPtr<Dentry> dentry);
  // Drops everything unused of a file system (umount) or of all (null).
  static void Purge(const FileSystem* fs);
  static size_t size();
};

}  // namespace sentry

#endif  // SENTRY_VFS_DENTRY_H_
