#include "sentry/vfs/simple_inode.h"

#include <array>
#include <utility>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/special_files.h"

namespace sentry {

uint64_t NextAnonymousIno() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

namespace {

Attributes Completed(Attributes attributes) {
  if (attributes.ino == 0) attributes.ino = NextAnonymousIno();
  if (attributes.ctime == Timespec{}) attributes.atime = attributes.mtime = attributes.ctime = RealtimeNow();
  return attributes;
}

}  // namespace

SimpleInode::SimpleInode(RefPtr<FileSystem> fs, Attributes attributes)
    : Inode(std::move(fs)), attributes_(Completed(attributes)), type_(attributes.type()), ino_(attributes_.ino) {
  attributes_.dev = this->fs().device();
}

Result<Attributes> SimpleInode::GetAttributes(const VfsContext&) {
  base::MutexLock lock(mu_);
  return attributes_;
}

Result<void> SimpleInode::SetAttr(const VfsContext&, const SetAttributes& set) {
  base::MutexLock lock(mu_);
  if (set.perm) attributes_.mode = attributes_.type() | (*set.perm & abi::kPermMask);
  if (set.uid) attributes_.uid = *set.uid;
  if (set.gid) attributes_.gid = *set.gid;
  if (set.atime) attributes_.atime = *set.atime;
  if (set.mtime) attributes_.mtime = *set.mtime;
  attributes_.ctime = RealtimeNow();
  return Ok();
}

Result<RefPtr<FileDescription>> SimpleInode::Open(const VfsContext& ctx, const Path& path, uint32_t flags) {
  uint64_t rdev;
  {
    base::MutexLock lock(mu_);
    rdev = attributes_.rdev;
  }
  return SpecialFiles::Open(ctx, path, type_, rdev, flags);
}

namespace {

constexpr uint32_t kSuperMagic[] = {0x50495045, 0x534f434b, 0x09041934, 0x01021994, 0x6e736673};
constexpr const char* kTypeName[] = {"pipefs", "sockfs", "anon_inodefs", "tmpfs", "nsfs"};

class InternalFileSystemImpl final : public FileSystem {
 public:
  explicit InternalFileSystemImpl(InternalFs which)
      : FileSystem(kTypeName[static_cast<size_t>(which)]), magic_(kSuperMagic[static_cast<size_t>(which)]) {}
  Result<abi::Statfs> StatFs(const VfsContext&) override {
    abi::Statfs out{};
    out.type = magic_;
    out.bsize = out.frsize = kPageSize;
    out.namelen = 255;
    return out;
  }

 private:
  const uint32_t magic_;
};

struct Internal {
  RefPtr<FileSystem> fs;
  RefPtr<Mount> mount;
};

// One of each, made at first use and never destroyed.
const Internal& TheInternal(InternalFs which) {
  static const std::array<Internal, std::size(kSuperMagic)>* const all = [] {
    auto* made = new std::array<Internal, std::size(kSuperMagic)>;
    for (size_t i = 0; i < made->size(); ++i) {
      RefPtr<FileSystem> fs = MakeRef<InternalFileSystemImpl>(static_cast<InternalFs>(i));
      auto root = Dentry::NewRoot(MakeRef<SimpleInode>(fs, Attributes{.mode = abi::kSIfDir | 0555}));
      (*made)[i] = {fs, MakeRef<Mount>(fs, std::move(root), MountFlags{})};
    }
    return made;
  }();
  return (*all)[static_cast<size_t>(which)];
}

}  // namespace

RefPtr<FileSystem> InternalFileSystem(InternalFs which) { return TheInternal(which).fs; }

Path InternalPath(InternalFs which, RefPtr<Inode> inode, std::string name) {
  return Path(TheInternal(which).mount, Dentry::NewRoot(std::move(inode), std::move(name)));
}

RefPtr<Inode> AnonInode() {
  static Inode* const inode =
      MakeRef<SimpleInode>(InternalFileSystem(InternalFs::kAnonInode), Attributes{.mode = 0600}).release();
  return RefPtr<Inode>(inode);
}

}  // namespace sentry
