// Open files and directories of tmpfs.
#include <utility>

#include "sentry/fs/tmpfs/nodes.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/directory_description.h"

namespace sentry::tmpfs {
namespace {

class RegularDescription final : public FileDescription {
 public:
  using FileDescription::FileDescription;
  const void* kind() const override { return RegularFile::Kind(); }

  bool seekable() const override { return true; }
  Result<size_t> ReadAt(const VfsContext&, IoSink& dst, uint64_t offset) override {
    if (dst.remaining() == 0) return size_t{0};
    const size_t n = TRY(file().Read(dst, offset));
    file().TouchAtime(*this);
    return n;
  }
  Result<size_t> WriteAt(const VfsContext& ctx, IoSource& src, uint64_t offset) override {
    if ((flags() & abi::kOAppend) == 0) return file().Write(ctx, src, offset);
    uint64_t end = 0;
    return file().Append(ctx, src, end);
  }
  Result<size_t> Write(const VfsContext& ctx, IoSource& src) override {
    base::MutexLock lock(position_mu_);
    uint64_t end = static_cast<uint64_t>(position());
    size_t n;
    if ((flags() & abi::kOAppend) != 0) {
      n = TRY(file().Append(ctx, src, end));
    } else {
      n = TRY(file().Write(ctx, src, end));
      end += n;
    }
    if (n > 0) set_position(static_cast<int64_t>(end));
    return n;
  }
  Result<uint64_t> SeekDataHole(const VfsContext&, uint64_t offset, int whence) override {
    return file().SeekDataHole(offset, whence);
  }
  Result<void> Fallocate(const VfsContext& ctx, int mode, uint64_t offset, uint64_t length) override {
    return file().Fallocate(ctx, mode, offset, length);
  }
  Result<RefPtr<Mappable>> MapTarget() override { return RefPtr<Mappable>(inode()); }

 private:
  RegularFile& file() const { return static_cast<RegularFile&>(*dentry().inode_ptr()); }
};

class OpenDirectory final : public DirectoryDescription {
 public:
  using DirectoryDescription::DirectoryDescription;

 private:
  static constexpr size_t kBatch = 64;

  Directory& directory() const { return static_cast<Directory&>(*dentry().inode_ptr()); }
  uint64_t ino() const override { return directory().ino(); }
  Result<void> Prepare(const VfsContext&) override {
    directory().TouchAtime(*this);
    return Ok();
  }
  Result<void> IterateEntries(const VfsContext&, DirSink& sink) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(position_mu_) {
    for (;;) {
      const std::vector<Directory::Entry> batch = directory().EntriesFrom(static_cast<uint64_t>(position()), kBatch);
      if (batch.empty()) return Ok();
      for (const Directory::Entry& entry : batch) {
        const int64_t next = static_cast<int64_t>(entry.cookie) + 1;
        if (!sink.Add(entry.name, entry.node->ino(), entry.node->type(), next)) return Ok();
        set_position(next);
      }
    }
  }
};

}  // namespace

RefPtr<FileDescription> NewRegularDescription(const Path& path, uint32_t flags) {
  return MakeRef<RegularDescription>(path, flags);
}

RefPtr<FileDescription> NewDirectoryDescription(const Path& path, uint32_t flags) {
  return MakeRef<OpenDirectory>(path, flags);
}

}  // namespace sentry::tmpfs
