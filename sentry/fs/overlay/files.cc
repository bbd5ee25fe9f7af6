// Open files of the overlay: each operation finds the layer that holds the file
// now, so a description opened before a copy-up sees what is written after it.
#include <utility>
#include <vector>

#include "sentry/fs/overlay/nodes.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/directory_description.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"

namespace sentry::overlay {
namespace {

class RegularDescription final : public FileDescription {
 public:
  using FileDescription::FileDescription;

  bool seekable() const override { return true; }
  Result<size_t> ReadAt(const VfsContext& ctx, IoSink& dst, uint64_t offset) override {
    if (dst.remaining() == 0) return size_t{0};
    return TRY(Real(ctx))->ReadAt(ctx, dst, offset);
  }
  Result<size_t> WriteAt(const VfsContext& ctx, IoSource& src, uint64_t offset) override {
    if (src.remaining() == 0) return size_t{0};
    TRY(node().EnsureUpper());
    return TRY(Real(ctx))->WriteAt(ctx, src, offset);
  }
  Result<uint64_t> SeekDataHole(const VfsContext& ctx, uint64_t offset, int whence) override {
    return TRY(Real(ctx))->SeekDataHole(ctx, offset, whence);
  }
  Result<void> Fallocate(const VfsContext& ctx, int mode, uint64_t offset, uint64_t length) override {
    constexpr int kPunchHole = 2, kZeroRange = 16;
    TRY(node().EnsureUpper());
    TRY(TRY(Real(ctx))->Fallocate(ctx, mode, offset, length));
    if ((mode & (kPunchHole | kZeroRange)) != 0) {
      node().InvalidateAll(PageRoundDown(offset), length + kPageSize, MappingSpace::Copies::kKeep);
    }
    return Ok();
  }
  Result<void> Sync(const VfsContext& ctx) override {
    if (node().upper() == nullptr) return Ok();
    return TRY(Real(ctx))->Sync(ctx);
  }
  Result<uint64_t> Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) override {
    return TRY(Real(ctx))->Ioctl(ctx, request, arg);
  }
  Result<RefPtr<Mappable>> MapTarget() override { return RefPtr<Mappable>(inode()); }

 private:
  Node& node() const { return static_cast<Node&>(*dentry().inode_ptr()); }

  Result<RefPtr<FileDescription>> Real(const VfsContext& ctx) {
    const bool upper = node().upper() != nullptr;
    {
      base::MutexLock lock(real_mu_);
      if (real_.file && (real_.of_upper || !upper)) return Synced(real_.file);
    }
    Node::RealFile fresh = TRY(node().OpenReal(ctx));
    base::MutexLock lock(real_mu_);
    // What stood there goes with `fresh`, behind the lock.
    if (!real_.file || !real_.of_upper) std::swap(real_, fresh);
    return Synced(real_.file);
  }
  // Status flags are this description's: F_SETFL never reaches the layer's own.
  RefPtr<FileDescription> Synced(const RefPtr<FileDescription>& real) const {
    constexpr uint32_t kPassed = abi::kOAppend | abi::kONoAtime;
    uint32_t wanted = flags() & kPassed;
    if (path().mount->flags().no_atime()) wanted |= abi::kONoAtime;
    if ((real->flags() & kPassed) != wanted) real->SetStatusFlags(wanted);
    return real;
  }

  base::RankedMutex<base::LockRank::kLeaf> real_mu_;
  Node::RealFile real_ ABSL_GUARDED_BY(real_mu_);
};

class MergedDirectory final : public ListedDirectory {
 public:
  using ListedDirectory::ListedDirectory;

 private:
  Directory& directory() const { return static_cast<Directory&>(*dentry().inode_ptr()); }
  uint64_t ino() const override { return directory().ino(); }
  Result<std::vector<DirectoryEntry>> List(const VfsContext& ctx) override { return directory().Merged(ctx); }
};

}  // namespace

RefPtr<FileDescription> NewFileDescription(const Path& path, uint32_t flags) {
  return MakeRef<RegularDescription>(path, flags);
}

RefPtr<FileDescription> NewDirectoryDescription(const Path& path, uint32_t flags) {
  return MakeRef<MergedDirectory>(path, flags);
}

}  // namespace sentry::overlay
