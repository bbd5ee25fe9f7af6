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

class MountNamespace;
class PeerGroup;
struct MountTree;

// Rank kMountNamespace. All mount trees: a mount propagates from one namespace to
// others (Linux's namespace_sem). Never held over a call into a file system.
inline base::RankedMutex<base::LockRank::kMountNamespace> g_mount_trees_mu;

struct MountFlags {
  bool read_only = false;
  bool no_suid = false;
  bool no_dev = false;
  bool no_exec = false;
  bool no_dir_atime = false;
  bool no_sym_follow = false;
  enum class Atime : uint8_t { kRelative, kNone, kStrict } atime = Atime::kRelative;

  bool no_atime() const { return atime == Atime::kNone; }
  uint64_t ToAbi() const;                  // MS_*
  static MountFlags FromAbi(uint64_t ms);  // takes the per-mount bits
  int64_t ToStatfs() const;                // ST_*
  std::string ToOptions() const;           // "rw,nosuid,..." of /proc/mounts
};

// What mount_setattr(2) changes of flags; MOUNT_ATTR_*, a time setting with its
// whole mask cleared.
struct MountFlagsChange {
  uint64_t set = 0, clear = 0;
  MountFlags Apply(MountFlags flags) const;
};

enum class PropagationType : uint8_t { kShared, kSlave, kPrivate, kUnbindable };
// `kind`: one of MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE; EINVAL.
Result<PropagationType> PropagationOf(uint64_t kind);

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
  bool MayChangeFlags(MountFlags flags) const;
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
  friend struct MountTree;
  friend class Propagation;
  ~Mount() override;
  void LockFlags();

  const RefPtr<FileSystem> fs_;
  const RefPtr<Dentry> root_;
  const int32_t id_;
  std::atomic<uint32_t> flag_bits_;
  std::atomic<bool> locked_{false};
  std::atomic<uint32_t> locked_flags_{0};
  // Where this stands. Written under both locks, read under either. No parent: a
  // root, or detached.
  mutable base::RankedMutex<base::LockRank::kLeaf> place_mu_;
  RefPtr<Mount> parent_;
  RefPtr<Dentry> mountpoint_;
  // Who holds this, while it is attached.
  MountNamespace* ns_ ABSL_GUARDED_BY(g_mount_trees_mu) = nullptr;
  std::vector<Mount*> children_ ABSL_GUARDED_BY(g_mount_trees_mu);  // in order of attachment
  // Whom it shares mounts with, whose it receives (propagation.h).
  RefPtr<PeerGroup> group_ ABSL_GUARDED_BY(g_mount_trees_mu), master_ ABSL_GUARDED_BY(g_mount_trees_mu);
  bool unbindable_ ABSL_GUARDED_BY(g_mount_trees_mu) = false;
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
  // mount(2) with MS_SHARED and kin. EINVAL.
  Result<void> ChangePropagation(const Path& at, PropagationType type, bool recursive);
  // mount_setattr(2): all of it or nothing. EINVAL, EPERM (a locked flag).
  Result<void> ChangeFlags(const Path& at, const MountFlagsChange& change, bool recursive);
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
    std::string root, mountpoint, options;
    std::string propagation;  // " shared:1 master:2"
    std::string type, source, super_options;
  };
  std::vector<MountInfo> List(const Path& root) const;
  std::vector<RefPtr<Mount>> Mounts() const;  // sync(2)
  // Whether all of a file system of this type can be seen somewhere, so that mounting
  // another shows nothing new (Linux's mount_too_revealing).
  bool FullyVisible(std::string_view type) const;

 private:
  friend class Propagation;
  template <typename T, typename... Args>
  friend RefPtr<T> base::MakeRef(Args&&... args);
  using Place = std::pair<const Mount*, const Dentry*>;

  MountNamespace(RefPtr<UserNamespace> owner, NamespaceCharge charge);  // empty yet
  ~MountNamespace() override;
  static RefPtr<Mount> OnLocked(const Mount& mount, const Dentry& dentry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  RefPtr<Mount> FindLocked(const Path& mount_root) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  static bool HasLockedChildLocked(const Mount& mount, const Dentry& below)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  static void PutLocked(const RefPtr<Mount>& mount, const Path& at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  static Path TakeLocked(Mount& mount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  static Path TopLocked(Path at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  // Both may be mounted on each other, and `at` is of this namespace.
  Result<void> CheckPlaceLocked(const Dentry& root, const Path& at) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  // With what it propagates to. ENOSPC; then nothing has changed.
  // A tree that is attached already moves; its old place's references go to `moved_from`.
  Result<void> AttachTreeLocked(const MountTree& tree, const Path& at, Path* moved_from)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  void PutTreeLocked(const MountTree& tree, const Path& at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  bool BelowLocked(const Path& path, const Path& root) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  MountInfo InfoLocked(const Mount& mount, const Path& root) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  std::string PropagationTextLocked(const Mount& mount, const Path& root) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);

  RefPtr<Mount> root_ ABSL_GUARDED_BY(g_mount_trees_mu);
  std::vector<RefPtr<Mount>> mounts_ ABSL_GUARDED_BY(g_mount_trees_mu);  // in order of attachment, root first
  std::map<Place, RefPtr<Mount>> by_place_ ABSL_GUARDED_BY(g_mount_trees_mu);
};

}  // namespace sentry

#endif  // SENTRY_VFS_MOUNT_H_
