// An open file whose content is made when it is read: proc, sysfs, cgroup. Analogous to Linux's seq_file.
#ifndef SENTRY_VFS_TEXT_FILE_H_
#define SENTRY_VFS_TEXT_FILE_H_

#include <memory>
#include <string>
#include <string_view>

#include "sentry/vfs/file_description.h"

namespace sentry {

// The text is made at the first read and stable from then on; it is made anew when a reader goes back to the start.
// ENOMEM: all open files together keep too much of it.
class TextFile : public FileDescription {
 public:
  using FileDescription::FileDescription;

  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) final;
  Result<size_t> ReadAt(const VfsContext& ctx, IoSink& dst, uint64_t offset) final;
  // Each write is one whole order, wherever it is. At most kMaxWrite bytes are taken.
  Result<size_t> Write(const VfsContext& ctx, IoSource& src) final;
  Result<size_t> WriteAt(const VfsContext& ctx, IoSource& src, uint64_t offset) final;
  bool seekable() const override { return true; }
  Result<uint64_t> SeekDataHole(const VfsContext&, uint64_t, int) override { return Errno::kEINVAL; }
  Result<void> Sync(const VfsContext&) override { return Errno::kEINVAL; }

 protected:
  static constexpr size_t kMaxWrite = 4096;

  struct Order {
    std::string_view text;
    uint64_t offset;  // few care
    size_t size;      // as asked for: the text may be less
  };
  // Both are called with no lock held.
  virtual Result<std::string> Generate(const VfsContext& ctx) = 0;
  virtual Result<void> Store(const VfsContext& ctx, const Order& order);  // EIO by default

 private:
  class Kept;
  Result<std::shared_ptr<const Kept>> Text(const VfsContext& ctx, bool fresh);

  base::RankedMutex<base::LockRank::kLeaf> text_mu_;
  std::shared_ptr<const Kept> text_ ABSL_GUARDED_BY(text_mu_);
};

}  // namespace sentry

#endif  // SENTRY_VFS_TEXT_FILE_H_
