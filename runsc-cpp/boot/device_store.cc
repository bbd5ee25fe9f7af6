#include "runsc-cpp/boot/device_store.h"

#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/errno_status.h"
#include "runsc-cpp/boot/mount_points.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/vfs/operations.h"

namespace runsc {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

namespace {

RefPtr<Mount> NewTmpfsMount(MemoryFile& memory) {
  RefPtr<TmpfsFileSystem> fs = TmpfsFileSystem::Create(memory, {.root_mode = 0755});
  RefPtr<Dentry> root = Dentry::NewRoot(fs->NewRoot());
  return MakeRef<Mount>(std::move(fs), std::move(root), MountFlags{});
}

}  // namespace

Path DeviceStore::Root() {
  if (!mount_) mount_ = NewTmpfsMount(memory_);
  return Path{mount_, mount_->root()};
}

absl::Status DeviceStore::MountOn(const VfsContext& ctx, const std::string& path, const std::string& name) {
  const Result<Path> node = ResolvePath(ctx, Root(), name);
  if (!node.ok()) return Failed(absl::StrCat("find the node of ", path), node.error());
  Result<Path> at = ResolvePath(ctx, ctx.root, path);
  if (at.Is(Errno::kENOENT)) {
    if (absl::Status s = MakeMountFile(ctx, path); !s.ok()) return s;
    at = ResolvePath(ctx, ctx.root, path);
  }
  if (!at.ok()) return Failed(absl::StrCat("find ", path), at.error());
  const auto mount =
      MakeRef<Mount>(RefPtr<FileSystem>(&mount_->fs()), node->dentry, MountFlags{.no_suid = true, .no_exec = true});
  const Result<void> attached = ctx.mounts->Attach(mount, *at);
  return attached.ok() ? absl::OkStatus() : Failed(absl::StrCat("mount ", path), attached.error());
}

absl::Status DeviceStore::Place(const VfsContext& ctx, const std::string& path, const Node& node) {
  const std::string name = absl::StrCat("node", ++nodes_);
  Result<void> made = MakeNode(ctx, Root(), name, node.mode, node.device);
  if (!made.ok()) return Failed(absl::StrCat("make ", path), made.error());
  const Result<Path> there = ResolvePath(ctx, Root(), name);
  made = there.ok() ? ChangeOwner(ctx, *there, node.uid, node.gid) : there.error();
  return made.ok() ? MountOn(ctx, path, name) : Failed(absl::StrCat("chown ", path), made.error());
}

}  // namespace runsc
