// Open host files and directories.
#ifndef SENTRY_FS_GOFER_GOFER_FILE_H_
#define SENTRY_FS_GOFER_GOFER_FILE_H_

#include <vector>

#include "sentry/fs/gofer/gofer_inode.h"
#include "sentry/vfs/directory_description.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

// A regular file: reads and writes go to the donated descriptor, at our own
// position. The description holds the descriptor, so it works on after the file
// lost its name.
class GoferFile final : public FileDescription {
 public:
  GoferFile(Path path, uint32_t flags, RefPtr<GoferInode> inode, RefPtr<DonatedFd> fd)
      : FileDescription(std::move(path), flags), inode_(std::move(inode)), fd_(std::move(fd)) {}

  bool seekable() const override { return true; }
  Result<size_t> ReadAt(const VfsContext& ctx, IoSink& dst, uint64_t offset) override;
  Result<size_t> WriteAt(const VfsContext& ctx, IoSource& src, uint64_t offset) override;
  Result<uint64_t> SeekDataHole(const VfsContext& ctx, uint64_t offset, int whence) override;
  Result<void> Fallocate(const VfsContext& ctx, int mode, uint64_t offset, uint64_t length) override;
  Result<void> Sync(const VfsContext& ctx) override;
  Result<RefPtr<Mappable>> MapTarget() override { return RefPtr<Mappable>(inode_); }

 private:
  ~GoferFile() override = default;
  const RefPtr<GoferInode> inode_;
  const RefPtr<DonatedFd> fd_;
};

class GoferDirectory final : public ListedDirectory {
 public:
  GoferDirectory(Path path, uint32_t flags, RefPtr<GoferInode> inode)
      : ListedDirectory(std::move(path), flags), inode_(std::move(inode)) {}

  Result<void> Sync(const VfsContext& ctx) override;

 private:
  ~GoferDirectory() override = default;
  uint64_t ino() const override { return inode_->host_ino(); }
  Result<std::vector<DirectoryEntry>> List(const VfsContext& ctx) override;

  const RefPtr<GoferInode> inode_;
};

}  // namespace sentry

#endif  // SENTRY_FS_GOFER_GOFER_FILE_H_
