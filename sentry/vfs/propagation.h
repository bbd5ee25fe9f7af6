// How mounts and unmounts travel between mounts of one peer group and from a group to
// its slaves (Linux's sharedsubtree.txt and fs/pnode.c). Internal to vfs; all of it
// under g_mount_trees_mu.
#ifndef SENTRY_VFS_PROPAGATION_H_
#define SENTRY_VFS_PROPAGATION_H_

#include <set>
#include <vector>

#include "sentry/vfs/mount.h"

namespace sentry {

// Shared mounts that tell each other of all mounts on them.
class PeerGroup final : public base::RefCounted {
 public:
  explicit PeerGroup(int32_t id) : id(id) {}
  const int32_t id;  // "shared:N"
  // Each takes itself out before it goes.
  std::vector<Mount*> peers, slaves;

 private:
  ~PeerGroup() override = default;
};

// Mounts that are put, copied and told of as one; parents first.
struct MountTree {
  struct Part {
    RefPtr<Mount> mount;
    size_t parent = 0;  // index; of the first one nothing
    RefPtr<Dentry> mountpoint;
  };
  std::vector<Part> parts;

  const RefPtr<Mount>& top() const { return parts.front().mount; }
  // `top` and what is mounted below it, or below a directory of it.
  static MountTree Of(const RefPtr<Mount>& top) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu) {
    return Of(top, *top->root());
  }
  static MountTree Of(const RefPtr<Mount>& top, const Dentry& below) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  bool HasUnbindable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
};

class Propagation {
 public:
  // How a copy stands to its original (Linux's CL_*).
  enum class Copy : uint8_t {
    kPeer,         // shares and receives as the original does
    kSharedPeer,   // the same; both are to be shared
    kSlave,        // receives from the original, which is shared
    kSharedSlave,  // the same, and has a group of its own
    kUnshared,     // of another user namespace: a slave of what it would be a peer of
  };

  static void ChangeType(Mount& mount, PropagationType type) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  static RefPtr<Mount> CopyMount(Mount& original, const RefPtr<Dentry>& root, MountFlags flags, Copy how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  static MountTree CopyTree(const MountTree& tree, Copy how) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);

  // Where a mount on (`at`) appears too: which copy of it is copied there, and how.
  struct Step {
    Mount* on;
    size_t source;  // index of a step; kOriginal
    Copy how;
  };
  static constexpr size_t kOriginal = SIZE_MAX;
  static std::vector<Step> Plan(const Path& at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);

  // The mounts that go with `gone`, which are all attached; children first. Mounts that
  // cover one of them wholly sink to its place.
  static std::vector<RefPtr<Mount>> PlanUnmount(const std::vector<RefPtr<Mount>>& gone)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  // What stands at the same place in who hears of it.
  static std::vector<RefPtr<Mount>> Counterparts(const Mount& mount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  // Covers `mount` wholly; null.
  static RefPtr<Mount> Topper(const Mount& mount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);

 private:
  static void LeaveGroup(Mount& mount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  static void SetMaster(Mount& mount, RefPtr<PeerGroup> master) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  static void Join(Mount& mount, RefPtr<PeerGroup> group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
  static bool Receives(const Mount& mount, const Dentry& mountpoint) ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mount_trees_mu);
};

}  // namespace sentry

#endif  // SENTRY_VFS_PROPAGATION_H_
