// mkdir, mknod, symlink, link: Linux's filename_create and its callers.
#include <utility>

#include "sentry/vfs/checks.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/operations.h"

namespace sentry {
namespace {

enum class NewKind : uint8_t { kDirectory, kLink, kOther };

// Finds the place for a new name and calls make(dir, child, name) under the
// directory's lock, with the dentry negative and the mount writable; `make`
// gives the new inode.
template <typename Make>
Result<Path> CreateAt(const VfsContext& ctx, const Path& start, std::string_view path, NewKind kind, Make make) {
  const ParentWalk walk = TRY(ResolveParent(ctx, start, path));
  if (walk.last != ParentWalk::Last::kNormal) return Errno::kEEXIST;
  Dentry& dir = *walk.parent.dentry;
  PrepareLookup(ctx, dir, walk.name);
  base::MutexLock lock(dir.inode_ptr()->dir_mu());
  RefPtr<Dentry> child = TRY(LookupForChange(ctx, dir, walk.name));
  if (!child->negative()) return Errno::kEEXIST;
  if (walk.trailing_slash && kind != NewKind::kDirectory) return Errno::kENOENT;
  if (!dir.inode_ptr()->may_create()) return Errno::kENOENT;
  TRY(WantWrite(walk.parent));
  RefPtr<Inode> inode = TRY(make(walk, dir, *child));
  kind == NewKind::kLink ? notify::Linked(dir, walk.name, *inode) : notify::Created(dir, walk.name, *inode);
  child->Instantiate(std::move(inode));
  return Path(walk.parent.mount, std::move(child));
}

Result<void> MayMakeNode(const VfsContext& ctx, uint32_t mode, uint64_t rdev) {
  const uint32_t type = mode & abi::kSIfMt;
  const bool device = type == abi::kSIfChr || type == abi::kSIfBlk;
  const bool whiteout = type == abi::kSIfChr && rdev == 0;
  return device && !whiteout && !ctx.creds->Has(Capability::kMknod) ? Errno::kEPERM : Ok();
}

Result<Path> MakeNodeAt(const VfsContext& ctx, const Path& start, std::string_view path, uint32_t mode, uint64_t rdev) {
  return CreateAt(ctx, start, path, NewKind::kOther,
                  [&](const ParentWalk& walk, Dentry& dir, const Dentry& child) -> Result<RefPtr<Inode>> {
                    TRY(MayCreate(ctx, dir, child));
                    TRY(MayMakeNode(ctx, mode, rdev));
                    const CreateArgs args = TRY(PrepareCreate(ctx, dir, mode, rdev));
                    return dir.inode_ptr()->Create(ctx, walk.name, args);
                  });
}

// protected_hardlinks=1 (Linux's may_linkat): a file of others may be linked to
// only if the caller could read and write it and it is a plain one.
Result<void> MayLink(const VfsContext& ctx, Inode& inode) {
  const Attributes attributes = TRY(inode.GetAttributes(ctx));
  if (OwnerOrCapable(*ctx.creds, attributes)) return Ok();
  constexpr uint32_t kSetGidExec = abi::kSIsGid | 0010;
  if (!inode.is_regular() || (attributes.mode & abi::kSIsUid) != 0 || (attributes.mode & kSetGidExec) == kSetGidExec) {
    return Errno::kEPERM;
  }
  return inode.CheckPermission(ctx, abi::kMayRead | abi::kMayWrite).ok() ? Ok() : Errno::kEPERM;
}

}  // namespace

Result<void> MakeDirectory(const VfsContext& ctx, const Path& start, std::string_view path, uint32_t mode) {
  TRY(CreateAt(ctx, start, path, NewKind::kDirectory,
               [&](const ParentWalk& walk, Dentry& dir, const Dentry& child) -> Result<RefPtr<Inode>> {
                 TRY(MayCreate(ctx, dir, child));
                 const uint32_t bits = mode & (0777 | abi::kSIsVtx);
                 const CreateArgs args = TRY(PrepareCreate(ctx, dir, abi::kSIfDir | bits, 0));
                 return dir.inode_ptr()->Create(ctx, walk.name, args);
               }));
  return Ok();
}

Result<void> MakeNode(const VfsContext& ctx, const Path& start, std::string_view path, uint32_t mode, uint64_t rdev) {
  switch (mode & abi::kSIfMt) {
    case 0:
      mode |= abi::kSIfReg;
      break;
    case abi::kSIfReg:
    case abi::kSIfChr:
    case abi::kSIfBlk:
    case abi::kSIfIfo:
    case abi::kSIfSock:
      break;
    case abi::kSIfDir:
      return Errno::kEPERM;
    default:
      return Errno::kEINVAL;
  }
  const uint32_t type = mode & abi::kSIfMt;
  if (type != abi::kSIfChr && type != abi::kSIfBlk) rdev = 0;
  TRY(MakeNodeAt(ctx, start, path, mode & (abi::kSIfMt | abi::kPermMask), rdev));
  return Ok();
}

Result<Path> MakeSocketNode(const VfsContext& ctx, const Path& start, std::string_view path, uint32_t mode) {
  Result<Path> made = MakeNodeAt(ctx, start, path, abi::kSIfSock | (mode & abi::kPermMask), 0);
  if (made.Is(Errno::kEEXIST)) return Errno::kEADDRINUSE;
  return made;
}

Result<void> MakeSymlink(const VfsContext& ctx, std::string_view target, const Path& start, std::string_view path) {
  if (target.empty()) return Errno::kENOENT;
  if (target.size() >= kPathMax) return Errno::kENAMETOOLONG;
  TRY(CreateAt(ctx, start, path, NewKind::kOther,
               [&](const ParentWalk& walk, Dentry& dir, const Dentry& child) -> Result<RefPtr<Inode>> {
                 TRY(MayCreate(ctx, dir, child));
                 const CreateArgs args = TRY(PrepareCreate(ctx, dir, abi::kSIfLnk | 0777, 0));
                 return dir.inode_ptr()->Symlink(ctx, walk.name, target, args);
               }));
  return Ok();
}

Result<void> MakeLink(const VfsContext& ctx, const Path& old_start, std::string_view old_path, const Path& new_start,
                      std::string_view new_path, WalkFlags old_flags) {
  const Path old = TRY(ResolvePath(ctx, old_start, old_path, old_flags));
  RefPtr<Inode> inode = old.dentry->inode();
  TRY(CreateAt(ctx, new_start, new_path, NewKind::kLink,
               [&](const ParentWalk& walk, Dentry& dir, const Dentry& child) -> Result<RefPtr<Inode>> {
                 if (!(old.mount == walk.parent.mount)) return Errno::kEXDEV;
                 TRY(MayLink(ctx, *inode));
                 TRY(MayCreate(ctx, dir, child));
                 if (&inode->fs() != &dir.inode_ptr()->fs()) return Errno::kEXDEV;
                 if (inode->is_dir()) return Errno::kEPERM;
                 TRY(dir.inode_ptr()->Link(ctx, walk.name, *inode));
                 return inode;
               }));
  return Ok();
}

}  // namespace sentry
