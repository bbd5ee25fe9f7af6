// The inodes of tmpfs. Internal to fs/tmpfs.
#ifndef SENTRY_FS_TMPFS_NODES_H_
#define SENTRY_FS_TMPFS_NODES_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sentry/fs/tmpfs/page_map.h"
#include "sentry/fs/tmpfs/tmpfs.h"

namespace sentry::tmpfs {

// Attributes and extended attributes; also, as it is, fifos, sockets and device
// nodes.
class Node : public Inode {
 public:
  // Who makes one has called TakeInode.
  Node(RefPtr<TmpfsFileSystem> fs, const CreateArgs& args);
  ~Node() override;

  uint32_t type() const override { return type_; }
  uint64_t ino() const { return ino_; }
  TmpfsFileSystem& tmpfs() const { return static_cast<TmpfsFileSystem&>(fs()); }

  Result<Attributes> GetAttributes(const VfsContext& ctx) override;
  Result<void> SetAttr(const VfsContext& ctx, const SetAttributes& set) override;
  Result<void> CheckPermission(const VfsContext& ctx, uint32_t mask) override;
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;
  Result<std::string> GetXattr(const VfsContext& ctx, std::string_view name) override;
  Result<void> SetXattr(const VfsContext& ctx, std::string_view name, std::string_view value, int flags) override;
  Result<void> RemoveXattr(const VfsContext& ctx, std::string_view name) override;
  Result<std::vector<std::string>> ListXattr(const VfsContext& ctx) override;

  // A name more or less; ctime moves. Called with no Node's lock held.
  Result<void> AddLink();  // ENOENT: no names are left to add to; EMLINK
  void DropLink();
  void ChangedName();  // ctime
  // O_TMPFILE: no name yet, but linkat may give one.
  void MarkUnnamed();
  void TouchAtime(const FileDescription& file);

 protected:
  // What size and blocks are; under mu_.
  virtual void FillSize(Attributes& out) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { (void)out; }
  void DropCapabilitiesLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Rank kInode; two of them only in Directory::Rename, by address.
  mutable base::RankedMutex<base::LockRank::kInode> mu_;
  Attributes attributes_ ABSL_GUARDED_BY(mu_);

 private:
  using Xattrs = std::map<std::string, std::string, std::less<>>;
  const uint32_t type_;
  const uint64_t ino_;
  bool linkable_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<Xattrs> xattrs_ ABSL_GUARDED_BY(mu_);
};

class Directory final : public Node {
 public:
  Directory(RefPtr<TmpfsFileSystem> fs, const CreateArgs& args);
  ~Directory() override;

  Result<RefPtr<Inode>> Lookup(const VfsContext& ctx, std::string_view name) override;
  Result<RefPtr<Inode>> Create(const VfsContext& ctx, std::string_view name, const CreateArgs& args) override;
  Result<RefPtr<Inode>> Symlink(const VfsContext& ctx, std::string_view name, std::string_view target,
                                const CreateArgs& args) override;
  Result<void> Link(const VfsContext& ctx, std::string_view name, Inode& target) override;
  Result<void> Unlink(const VfsContext& ctx, std::string_view name, Inode& child) override;
  Result<void> Rmdir(const VfsContext& ctx, std::string_view name, Inode& child) override;
  Result<void> Rename(const VfsContext& ctx, std::string_view old_name, Inode& child, Inode& new_dir,
                      std::string_view new_name, Inode* replaced, uint32_t flags) override;
  Result<RefPtr<Inode>> CreateTemporary(const VfsContext& ctx, const CreateArgs& args) override;
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;

  struct Entry {
    uint64_t cookie;
    std::string name;
    RefPtr<Node> node;
  };
  // Up to `max` entries with a cookie of at least `cookie`, in order. Cookies
  // are never used again, so an offset stays good whatever comes and goes.
  std::vector<Entry> EntriesFrom(uint64_t cookie, size_t max) const;
  static constexpr uint64_t kFirstCookie = 3;  // 0, 1: "." and ".."; 2: Linux's choice too

 protected:
  void FillSize(Attributes& out) const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

 private:
  struct Child {
    std::string name;
    RefPtr<Node> node;
  };
  Result<void> InsertLocked(std::string_view name, RefPtr<Node> node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  RefPtr<Node> EraseLocked(std::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<void> RemoveForRename(Inode& replaced);
  Result<void> Add(std::string_view name, RefPtr<Node> node);
  bool CloseIfEmpty();

  std::map<uint64_t, Child> entries_ ABSL_GUARDED_BY(mu_);                     // by cookie
  std::unordered_map<std::string_view, uint64_t> names_ ABSL_GUARDED_BY(mu_);  // views of entries_' names
  uint64_t next_cookie_ ABSL_GUARDED_BY(mu_) = kFirstCookie;
  uint32_t subdirectories_ ABSL_GUARDED_BY(mu_) = 0;
  bool removed_ ABSL_GUARDED_BY(mu_) = false;
};

class SymbolicLink final : public Node {
 public:
  SymbolicLink(RefPtr<TmpfsFileSystem> fs, const CreateArgs& args, std::string_view target);
  Result<std::string> ReadLink(const VfsContext&) override { return target_; }

 protected:
  void FillSize(Attributes& out) const override { out.size = target_.size(); }

 private:
  const std::string target_;
};

class RegularFile final : public Node {
 public:
  RegularFile(RefPtr<TmpfsFileSystem> fs, const CreateArgs& args, uint32_t seals = kSealSeal);
  ~RegularFile() override;
  static const void* Kind();

  Result<void> SetAttr(const VfsContext& ctx, const SetAttributes& set) override;
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;

  Result<size_t> Read(IoSink& dst, uint64_t offset);
  Result<size_t> Write(const VfsContext& ctx, IoSource& src, uint64_t offset);
  // At the end, whole chunks at a time; `offset` tells where the end was.
  Result<size_t> Append(const VfsContext& ctx, IoSource& src, uint64_t& end);
  Result<void> Fallocate(const VfsContext& ctx, int mode, uint64_t offset, uint64_t length);
  Result<uint64_t> SeekDataHole(uint64_t offset, int whence);
  Result<void> AddSeals(uint32_t seals);
  uint32_t seals() const;

  // Mappable.
  Result<void> CheckMap(bool shared, MemoryProtection max) override;
  Result<Translation> Translate(uint64_t offset, uint64_t max_length, MemoryProtection access) override;

 protected:
  void FillSize(Attributes& out) const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

 private:
  // A piece of memory, with references to its pages, to be copied without a lock.
  struct Piece {
    PageMap::Run run;
    std::byte* at = nullptr;
    size_t length = 0;
  };
  enum class Holes : uint8_t { kKeep, kFill };
  Result<Piece> Pin(uint64_t offset, size_t length, Holes holes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unpin(const Piece& piece);
  Result<void> Fill(PageMap::Run& run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<size_t> WritePiece(const VfsContext& ctx, IoSource& src, uint64_t offset, size_t length);
  Result<void> CheckWrite(uint64_t offset, size_t length) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Written(const VfsContext& ctx, uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<void> Resize(uint64_t size);
  Result<void> PunchHole(uint64_t offset, uint64_t length);
  Result<void> Preallocate(uint64_t offset, uint64_t length);
  void ZeroLocked(uint64_t offset, uint64_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Free(const std::vector<MemRange>& ranges);

  uint64_t size_ ABSL_GUARDED_BY(mu_) = 0;
  PageMap pages_ ABSL_GUARDED_BY(mu_);
  uint32_t seals_ ABSL_GUARDED_BY(mu_);
};

// The descriptions (files.cc).
RefPtr<FileDescription> NewRegularDescription(const Path& path, uint32_t flags);
RefPtr<FileDescription> NewDirectoryDescription(const Path& path, uint32_t flags);

}  // namespace sentry::tmpfs

#endif  // SENTRY_FS_TMPFS_NODES_H_
