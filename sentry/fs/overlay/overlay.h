// A union of one writable tree in memory (upper) over read-only ones (lowers).
// Analogous to Linux's fs/overlayfs, but between Inodes and with all its state
// in memory, so that what Linux keeps in extended attributes and a work
// directory is kept in objects: renames of lower directories and hard links to
// lower files just work.
#ifndef SENTRY_FS_OVERLAY_OVERLAY_H_
#define SENTRY_FS_OVERLAY_OVERLAY_H_

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/vfs/inode.h"

namespace sentry {

namespace overlay {
class Node;
class Directory;
}  // namespace overlay

class OverlayFileSystem final : public FileSystem {
 public:
  // The upper tree is a new, empty root of `upper`, which nobody else may use.
  // `lowers`: roots, topmost first, at least one; nobody else may change them.
  static Result<RefPtr<OverlayFileSystem>> Create(RefPtr<TmpfsFileSystem> upper, std::vector<RefPtr<Inode>> lowers);

  // The root directory; the same object while it lives.
  RefPtr<Inode> NewRoot();
  Result<abi::Statfs> StatFs(const VfsContext& ctx) override;
  std::string source() const override { return "overlay"; }

 private:
  friend class overlay::Node;
  friend class overlay::Directory;
  template <typename T, typename... Args>
  friend RefPtr<T> base::MakeRef(Args&&... args);

  // A lower file, whatever its names: device and inode number.
  using Key = std::pair<uint64_t, uint64_t>;
  struct KeyHash {
    size_t operator()(const Key& key) const { return key.first * 0x9e3779b97f4a7c15u ^ key.second; }
  };

  OverlayFileSystem(RefPtr<TmpfsFileSystem> upper, std::vector<RefPtr<Inode>> lowers);
  ~OverlayFileSystem() override;

  // st_ino, the same before and after copy-up.
  uint64_t LowerIno(uint64_t dev, uint64_t ino) const;
  static uint64_t UpperIno(uint64_t ino);

  // The node of an upper inode; of a lower file or directory found as `name` in
  // `parent`. One object while it lives.
  Result<RefPtr<overlay::Node>> NodeOfUpper(RefPtr<Inode> upper);
  Result<RefPtr<overlay::Node>> NodeOfLower(overlay::Directory& parent, std::string_view name,
                                            std::vector<RefPtr<Inode>> lowers);
  void AddUpper(Inode& upper, overlay::Node& node);
  void RemoveUpper(Inode& upper, overlay::Node& node);  // the copy failed
  void RemoveNode(overlay::Node& node);
  // Lower files with several names that were copied up: all names lead to the
  // copy.
  void AddCopied(const Key& key, RefPtr<Inode> upper);
  void RemoveCopied(const VfsContext& ctx, const Key& key);

  // Places for opening a layer's inode.
  Path UpperPath(RefPtr<Inode> inode) const;
  Path LowerPath(RefPtr<Inode> inode) const;
  // The kernel's own credentials, for work behind the caller's back.
  const VfsContext& kernel() const { return kernel_; }

  const RefPtr<TmpfsFileSystem> upper_;
  const std::vector<RefPtr<Inode>> lowers_;
  const RefPtr<Inode> upper_root_;
  const RefPtr<Inode> index_;  // upper directory without a name: copied files with several names, work in progress
  uint64_t lower_dev_ = 0;
  RefPtr<Mount> upper_mount_, lower_mount_;
  VfsContext kernel_;
  std::atomic<uint64_t> next_temporary_{0};

  // Held over no call but TryIncRef. Nodes here are not held: they take
  // themselves out.
  base::RankedMutex<base::LockRank::kLeaf> table_mu_;
  std::unordered_map<Key, overlay::Node*, KeyHash> live_lower_ ABSL_GUARDED_BY(table_mu_);
  std::unordered_map<const Inode*, overlay::Node*> live_upper_ ABSL_GUARDED_BY(table_mu_);
  std::unordered_map<Key, RefPtr<Inode>, KeyHash> copied_ ABSL_GUARDED_BY(table_mu_);
};

}  // namespace sentry

#endif  // SENTRY_FS_OVERLAY_OVERLAY_H_
