// The inodes of the overlay. Internal to fs/overlay.
#ifndef SENTRY_FS_OVERLAY_NODES_H_
#define SENTRY_FS_OVERLAY_NODES_H_

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sentry/fs/overlay/overlay.h"
#include "sentry/vfs/directory_description.h"

namespace sentry::overlay {

using Key = std::pair<uint64_t, uint64_t>;

// What the overlay must not forget of an upper inode; hangs on it as its
// attachment, so it outlives the Node. An upper inode without it was made here:
// it merges with nothing.
struct UpperState final : public base::RefCounted {
  uint64_t ino = 0;                   // st_ino, from the lower file
  std::vector<RefPtr<Inode>> lowers;  // directories that it merges with
  std::optional<Key> key;             // of a lower file with several names
  std::atomic<uint32_t> nlink{0};     // names left of it, if `key`

  static RefPtr<UpperState> Of(Inode& upper) {
    RefPtr<base::RefCounted> attachment = upper.attachment();
    return RefPtr<UpperState>(static_cast<UpperState*>(attachment.get()));
  }
};

// The way a character device 0:0 hides a name of the lowers.
bool IsWhiteout(const VfsContext& ctx, Inode& inode);

class Node : public Inode {
 public:
  struct Origin {
    RefPtr<Inode> upper;                // null: not copied up
    std::vector<RefPtr<Inode>> lowers;  // of a file: one at most
    RefPtr<Directory> parent;           // where it was found, if not copied up
    std::string name;
    Key key;
    uint64_t ino = 0;
  };
  Node(RefPtr<OverlayFileSystem> fs, uint32_t type, Origin origin);
  ~Node() override;

  uint32_t type() const override { return type_; }
  Result<Attributes> GetAttributes(const VfsContext& ctx) override;
  Result<void> SetAttr(const VfsContext& ctx, const SetAttributes& set) override;
  Result<std::string> ReadLink(const VfsContext& ctx) override { return Real().ReadLink(ctx); }
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;
  Result<std::string> GetXattr(const VfsContext& ctx, std::string_view name) override;
  Result<void> SetXattr(const VfsContext& ctx, std::string_view name, std::string_view value, int flags) override;
  Result<void> RemoveXattr(const VfsContext& ctx, std::string_view name) override;
  Result<std::vector<std::string>> ListXattr(const VfsContext& ctx) override;

  Result<void> CheckMap(bool shared, MemoryProtection max) override;
  Result<Translation> Translate(uint64_t offset, uint64_t max_length, MemoryProtection access) override;
  Result<void> SyncMapped(uint64_t offset, uint64_t length) override;

  OverlayFileSystem& overlay() const { return static_cast<OverlayFileSystem&>(fs()); }
  uint64_t ino() const { return origin_.ino; }
  // Set once, by copy-up.
  Inode* upper() const { return upper_.load(std::memory_order_acquire); }
  Inode* lower() const { return origin_.lowers.empty() ? nullptr : origin_.lowers[0].get(); }
  Inode& Real() const { return upper() != nullptr ? *upper() : *lower(); }
  const Origin& origin() const { return origin_; }

  // Copies it up, and the directories above it; of the data only what lies below
  // `data_limit` (a truncation follows). Free when done before.
  Result<void> EnsureUpper(uint64_t data_limit = UINT64_MAX);
  // Held while the name goes; MarkNameless if there is no upper inode then.
  base::RankedMutex<base::LockRank::kOverlayCopyUp>& copy_mu() { return copy_mu_; }
  void MarkNameless() { nameless_.store(upper() == nullptr, std::memory_order_release); }
  // One name less, one more, of an upper inode that is counted here.
  void NameGone(const VfsContext& ctx);
  void NameAdded();
  // Whether other lower names lead here, so that the copy has to be found by
  // them too.
  bool HasSeveralLowerNames(const VfsContext& ctx);

  // An opened layer, as the file is right now.
  struct RealFile {
    RefPtr<FileDescription> file;
    bool of_upper = false;
  };
  Result<RealFile> OpenReal(const VfsContext& ctx);

 protected:
  void LastRefDropped() override;

 private:
  friend class sentry::OverlayFileSystem;
  Result<void> CopyUp(uint64_t data_limit);
  Result<void> PlaceCopy(const RefPtr<Inode>& copy, const Attributes& from, const std::string& temporary)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(copy_mu_);
  Result<void> CopyData(Inode& copy, uint64_t size);
  void CopyXattrs(Inode& copy);

  const uint32_t type_;
  const Origin origin_;
  std::atomic<Inode*> upper_;  // one reference
  // Rank kOverlayCopyUp: one copy-up of this file at a time, and none while its
  // name goes. Parents are copied before it is taken.
  base::RankedMutex<base::LockRank::kOverlayCopyUp> copy_mu_;
  // Never copied up, and its only name is gone; written under copy_mu_.
  std::atomic<bool> nameless_{false};
};

class Directory final : public Node {
 public:
  using Node::Node;

  Result<RefPtr<Inode>> Lookup(const VfsContext& ctx, std::string_view name) override;
  void PrefetchWalk(const VfsContext& ctx, std::span<const std::string_view> names) override;
  Result<RefPtr<Inode>> Create(const VfsContext& ctx, std::string_view name, const CreateArgs& args) override;
  Result<RefPtr<Inode>> Symlink(const VfsContext& ctx, std::string_view name, std::string_view target,
                                const CreateArgs& args) override;
  Result<void> Link(const VfsContext& ctx, std::string_view name, Inode& target) override;
  Result<void> Unlink(const VfsContext& ctx, std::string_view name, Inode& child) override;
  Result<void> Rmdir(const VfsContext& ctx, std::string_view name, Inode& child) override;
  Result<void> Rename(const VfsContext& ctx, std::string_view old_name, Inode& child, Inode& new_dir,
                      std::string_view new_name, Inode* replaced, uint32_t flags) override;
  Result<RefPtr<Inode>> CreateTemporary(const VfsContext& ctx, const CreateArgs& args) override;

  // What the layers hold together, without "." and "..".
  Result<std::vector<DirectoryEntry>> Merged(const VfsContext& ctx);

 private:
  // The layers found for a name; nothing: hidden, or not there.
  Result<std::vector<RefPtr<Inode>>> LookupLowers(const VfsContext& ctx, std::string_view name);
  Result<bool> LowerHas(const VfsContext& ctx, std::string_view name);
  // Clears the way for a new upper entry: a whiteout goes.
  enum class Hidden : uint8_t { kNo, kYes };
  Result<Hidden> TakeWhiteout(const VfsContext& ctx, std::string_view name);
  Result<void> PutWhiteout(const VfsContext& ctx, std::string_view name);
  template <typename Make>
  Result<RefPtr<Inode>> MakeChild(const VfsContext& ctx, std::string_view name, Make make);
  // Takes the name out of the upper directory, if it is there.
  Result<void> EraseUpper(const VfsContext& ctx, std::string_view name);
  Result<void> MoveUpper(const VfsContext& ctx, std::string_view old_name, Node& node, Directory& to,
                         std::string_view new_name);
  // ENOTEMPTY, or empties the upper part of its whiteouts.
  static Result<void> PrepareRemoval(const VfsContext& ctx, Directory& child);
  // Makes sure that the child's upper inode stands at `name`.
  Result<void> EnsureUpperName(const VfsContext& ctx, std::string_view name, Node& child);
};

// The descriptions (files.cc).
RefPtr<FileDescription> NewFileDescription(const Path& path, uint32_t flags);
RefPtr<FileDescription> NewDirectoryDescription(const Path& path, uint32_t flags);

}  // namespace sentry::overlay

#endif  // SENTRY_FS_OVERLAY_NODES_H_
