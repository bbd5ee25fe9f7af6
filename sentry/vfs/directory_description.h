// An open directory: what those of all file systems have in common.
#ifndef SENTRY_VFS_DIRECTORY_DESCRIPTION_H_
#define SENTRY_VFS_DIRECTORY_DESCRIPTION_H_

#include <optional>
#include <string>
#include <vector>

#include "sentry/vfs/file_description.h"

namespace sentry {

// Positions 0 and 1 are "." and "..", those of the entries follow. An entry that
// comes or goes while the directory is read may be seen or not, as in Linux;
// every other is seen once.
class DirectoryDescription : public FileDescription {
 public:
  using FileDescription::FileDescription;

  bool seekable() const override { return true; }
  Result<size_t> Read(const VfsContext&, IoSink&) override { return Errno::kEISDIR; }
  Result<size_t> ReadAt(const VfsContext&, IoSink&, uint64_t) override { return Errno::kEISDIR; }
  // SEEK_SET and SEEK_CUR; positions have no end.
  Result<int64_t> Seek(const VfsContext& ctx, int64_t offset, int whence) override;
  Result<void> IterateDir(const VfsContext& ctx, DirSink& sink) final;

 protected:
  static constexpr int64_t kFirstEntry = 2;

  // The number that "." has.
  virtual uint64_t ino() const = 0;
  // First of all, with no lock held.
  virtual Result<void> Prepare(const VfsContext&) { return Ok(); }
  // Gives entries from position() on until the sink is full, and moves it.
  virtual Result<void> IterateEntries(const VfsContext& ctx, DirSink& sink)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(position_mu_) = 0;
};

struct DirectoryEntry {
  std::string name;
  uint64_t ino;
  uint32_t type;  // S_IFMT bits
};

// A directory that is listed when it is first read, and again after a rewind: names
// that come or go later are not seen before. Positions count its entries.
class ListedDirectory : public DirectoryDescription {
 public:
  using DirectoryDescription::DirectoryDescription;

 protected:
  // All entries but "." and ".."; no lock is held.
  virtual Result<std::vector<DirectoryEntry>> List(const VfsContext& ctx) = 0;

 private:
  Result<void> Prepare(const VfsContext& ctx) final;
  Result<void> IterateEntries(const VfsContext& ctx, DirSink& sink) final ABSL_EXCLUSIVE_LOCKS_REQUIRED(position_mu_);
  bool NeedsList() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(position_mu_) { return position() == 0 || !list_; }

  std::optional<std::vector<DirectoryEntry>> list_ ABSL_GUARDED_BY(position_mu_);
};

}  // namespace sentry

#endif  // SENTRY_VFS_DIRECTORY_DESCRIPTION_H_
