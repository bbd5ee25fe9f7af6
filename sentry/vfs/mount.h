// The mount tree. Analogous to Linux's struct mount and struct mnt_namespace.
#ifndef SENTRY_VFS_MOUNT_H_
#define SENTRY_VFS_MOUNT_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/namespace.h"
#include "sentry/vfs/user_namespace.h"

namespace sentry {

struct MountFlags {
  bool read_only = false;
  bool no_suid = false;
  bool no_dev = false;
  bool no_exec = false;
  bool no_atime = false;
  uint64_t ToAbi() const;                  // MS_*
  static MountFlags FromAbi(uint64_t ms);  // takes the per-mount bits
  std::string ToOptions() const;           // "rw,nosuid,..." of /proc/mounts
};

class Mount final : public base::RefCounted {
 public:
  // `root` is the file system's root, or any directory or file of it (bind).
  Mount(RefPtr<FileSystem> fs, RefPtr<Dentry> root, MountFlags flags);

  FileSystem& fs() const { return *fs_; }
  const RefPtr<Dentry>& root() const { return root_; }
  MountFlags flags() const;
  void SetFlags(MountFlags flags);
  // A mount that a less privileged mount namespace was born with: it can't be taken
  // off alone, nor lose these flags (Linux's MNT_LOCKED, MNT_LOCK_*).
  bool locked() const { return locked_.load(std::memory_order_relaxed); }
  // EPERM: they would lose a locked one.
  Result<void> ChangeFlags(MountFlags flags);
  bool read_only() const { return flags().read_only; }
  int32_t id() const { return id_; }
  // Open files, working directories and roots here: umount(2) is EBUSY.
  std::atomic<uint32_t> users{0};
  // Where this stands: an empty path for a root or a detached mount.
  Path place() const;

 private:
  friend class MountNamespace;
  ~Mount() override;
  const RefPtr<FileSystem> fs_;
  const RefPtr<Dentry> root_;
  const int32_t id_;
  std::atomic<uint32_t> flag_bits_;
  std::atomic<bool> locked_{false};
  std::atomic<uint32_t> locked_flags_{0};
  // Where this stands. Written under the namespace's lock and place_mu_, read
  // under either. No parent: a root, or detached. A mount is of one namespace at
  // most.
  mutable base::RankedMutex<base::LockRank::kLeaf> place_mu_;
  RefPtr<Mount> parent_;
  RefPtr<Dentry> mountpoint_;
  bool attached_ = false;
};

class MountNamespace final : public Namespace {
 public:
  explicit MountNamespace(RefPtr<Mount> root);
  MountNamespace(RefPtr<Mount> root, RefPtr<UserNamespace> owner, NamespaceCharge charge);

  Path root() const;
  // The mount that stands on (mount, dentry), topmost, or null. Free when the
  // dentry's mount_count is 0.
  RefPtr<Mount> MountOn(const Mount& mount, const Dentry& dentry) const;
  // What the root of `mount` is mounted on; an empty path for the root mount.
  Path Mountpoint(const Mount& mount) const;

  Result<void> Attach(RefPtr<Mount> mount, const Path& at);
  // EINVAL: not a mount's root or the namespace's root. EBUSY: mounts stand
  // below and `detach` (MNT_DETACH) is not set.
  Result<void> Detach(const Path& at, bool detach);
  Result<void> MoveMount(const Path& from, const Path& to);
  // A bind mount of `source` (recursive: with the mounts below it).
  Result<void> Bind(const Path& source, const Path& at, MountFlags flags, bool recursive);
  Result<RefPtr<Mount>> Find(const Path& mount_root) const;
  // Whether any mount of this namespace stands on `dentry` (EBUSY of unlink,
  // rmdir, rename).
  bool IsMountpoint(const Dentry& dentry) const;
  // unshare(CLONE_NEWNS): the same mounts; `paths` are moved to their copies.
  RefPtr<MountNamespace> Clone(std::span<Path*> paths, RefPtr<UserNamespace> owner, NamespaceCharge charge) const;
  // pivot_root(2).
  Result<void> PivotRoot(const Path& new_root, const Path& put_old);

  struct MountInfo {  // a line of /proc/PID/mountinfo
    int32_t id, parent_id;
    uint64_t device;
    std::string root, mountpoint, options, type, source, super_options;
  };
  std::vector<MountInfo> List(const Path& root) const;
  std::vector<RefPtr<Mount>> Mounts() const;  // sync(2)
  // Whether all of a file system of this type can be seen somewhere, so that mounting
  // another shows nothing new (Linux's mount_too_revealing).
  bool FullyVisible(std::string_view type) const;

 private:
  using Place = std::pair<const Mount*, const Dentry*>;

  ~MountNamespace() override;
  RefPtr<Mount> OnLocked(const Mount& mount, const Dentry& dentry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  RefPtr<Mount> FindLocked(const Path& mount_root) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasLockedChildLocked(const Mount& mount, const Dentry& below) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PutLocked(const RefPtr<Mount>& mount, const Path& at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Path TakeLocked(Mount& mount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Path TopLocked(Path at) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<RefPtr<Mount>> TreeLocked(const RefPtr<Mount>& top) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool BelowLocked(const Path& path, const Path& root) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  MountInfo InfoLocked(const Mount& mount, const Path& root) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Rank kMountNamespace. Never held over a call into a file system.
  mutable base::RankedMutex<base::LockRank::kMountNamespace> mu_;
  RefPtr<Mount> root_ ABSL_GUARDED_BY(mu_);
  std::vector<RefPtr<Mount>> mounts_ ABSL_GUARDED_BY(mu_);  // in order of attachment, root first
  std::map<Place, RefPtr<Mount>> by_place_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_VFS_MOUNT_H_
