// A host file, as the gofer's node and what is known of it.
#ifndef SENTRY_FS_GOFER_GOFER_INODE_H_
#define SENTRY_FS_GOFER_GOFER_INODE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sentry/fs/gofer/gofer_fs.h"
#include "sentry/fs/gofer/look_ahead.h"

namespace sentry {

enum class DonatedAccess : uint8_t { kRead, kReadWrite };

class GoferInode final : public Inode {
 public:
  // `state` null: its own.
  GoferInode(RefPtr<GoferFileSystem> fs, const fsgofer::NodeAttr& node, RefPtr<SharedFileState> state,
             std::optional<std::string> link_target);

  GoferFileSystem& gofer_fs() const { return *fs_; }
  fsgofer::NodeId node() const { return node_; }
  uint64_t host_device() const { return host_device_; }
  uint64_t host_ino() const { return host_ino_; }

  uint32_t type() const override { return type_; }
  Result<Attributes> GetAttributes(const VfsContext& ctx) override;
  Result<void> SetAttr(const VfsContext& ctx, const SetAttributes& set) override;
  Result<void> CheckPermission(const VfsContext& ctx, uint32_t mask) override;

  Result<RefPtr<Inode>> Lookup(const VfsContext& ctx, std::string_view name) override;
  void PrefetchWalk(const VfsContext& ctx, std::span<const std::string_view> names) override;
  bool Revalidate(const VfsContext& ctx, std::string_view name, Inode* child) override;
  Result<RefPtr<Inode>> Create(const VfsContext& ctx, std::string_view name, const CreateArgs& args) override;
  Result<RefPtr<Inode>> Symlink(const VfsContext& ctx, std::string_view name, std::string_view target,
                                const CreateArgs& args) override;
  Result<void> Link(const VfsContext& ctx, std::string_view name, Inode& target) override;
  Result<void> Unlink(const VfsContext& ctx, std::string_view name, Inode& child) override;
  Result<void> Rmdir(const VfsContext& ctx, std::string_view name, Inode& child) override;
  Result<void> Rename(const VfsContext& ctx, std::string_view old_name, Inode& child, Inode& new_dir,
                      std::string_view new_name, Inode* replaced, uint32_t flags) override;
  Result<std::string> ReadLink(const VfsContext& ctx) override;
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;
  Result<std::string> GetXattr(const VfsContext& ctx, std::string_view name) override;
  Result<void> SetXattr(const VfsContext& ctx, std::string_view name, std::string_view value, int flags) override;
  Result<void> RemoveXattr(const VfsContext& ctx, std::string_view name) override;
  Result<std::vector<std::string>> ListXattr(const VfsContext& ctx) override;

  // --- Mappable ---
  Result<void> CheckMap(bool shared, MemoryProtection max) override;
  Result<Translation> Translate(uint64_t offset, uint64_t max_length, MemoryProtection access) override;
  Result<void> SyncMapped(uint64_t offset, uint64_t length) override;

  // The donated descriptor, asked for at first use. EISDIR, ENXIO, EACCES.
  Result<RefPtr<DonatedFd>> Descriptor(DonatedAccess access);
  // This directory's names, as listed: they will perhaps be looked up.
  void WasListed(std::vector<LookAhead::Name> names);
  // The file system looks ahead elsewhere now.
  void EndLookAhead();
  // A write through the descriptor changed size or times.
  void Changed();
  // The descriptor's LRU has dropped it.
  void DropDescriptors();

 private:
  ~GoferInode() override;

  // What a PrefetchWalk found for the next Lookup.
  struct Prefetched {
    std::string name;
    RefPtr<Inode> inode;  // null: `error`
    Errno error = Errno::kENOENT;
  };
  // Lists the directory by itself when names of it are looked up again and again.
  void ListForLookAhead();
  // By the look-ahead; nullopt: it knows nothing.
  std::optional<Result<RefPtr<Inode>>> LookupAhead(std::string_view name);
  Result<RefPtr<Inode>> TakePrefetched(std::string_view name, bool* found);
  void SetPrefetched(Prefetched found);
  Result<void> Send(fsgofer::SetAttrRequest& request);

  const RefPtr<GoferFileSystem> fs_;
  const fsgofer::NodeId node_;
  const uint32_t type_;
  const uint64_t host_device_, host_ino_;
  // Rank kInodeLower: an overlay may hold its own inode's lock. Never held over
  // a message.
  base::RankedMutex<base::LockRank::kInodeLower> mu_;
  Attributes attributes_ ABSL_GUARDED_BY(mu_);
  bool stale_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<std::string> link_target_ ABSL_GUARDED_BY(mu_);
  std::optional<Prefetched> prefetched_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<LookAhead> ahead_ ABSL_GUARDED_BY(mu_);
  int lookups_ ABSL_GUARDED_BY(mu_) = 0;  // without ahead_
  RefPtr<DonatedFd> read_fd_ ABSL_GUARDED_BY(mu_);
  RefPtr<DonatedFd> write_fd_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_FS_GOFER_GOFER_INODE_H_
