#include <utility>

#include "sentry/vfs/checks.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/path_walker.h"
#include "sentry/vfs/special_files.h"

namespace sentry {
namespace {

using WriteAccess = FileDescription::WriteAccess;

// What an open is to be allowed (Linux's ACC_MODE and build_open_flags).
uint32_t AccessMask(uint32_t flags) {
  uint32_t mask = 0;
  switch (flags & abi::kOAccMode) {
    case abi::kORdOnly:
      mask = abi::kMayRead;
      break;
    case abi::kOWrOnly:
      mask = abi::kMayWrite;
      break;
    default:
      mask = abi::kMayRead | abi::kMayWrite;
  }
  return (flags & abi::kOTrunc) != 0 ? mask | abi::kMayWrite : mask;
}

bool WantsWrite(uint32_t flags) { return (flags & abi::kOAccMode) != abi::kORdOnly; }

// Linux's may_open.
Result<void> MayOpen(const VfsContext& ctx, const Path& path, uint32_t mask, uint32_t flags) {
  Inode& inode = *path.dentry->inode_ptr();
  const MountFlags mount = path.mount->flags();
  switch (inode.type()) {
    case abi::kSIfLnk:
      return Errno::kELOOP;
    case abi::kSIfDir:
      if ((mask & abi::kMayWrite) != 0) return Errno::kEISDIR;
      if ((mask & abi::kMayExec) != 0) return Errno::kEACCES;
      break;
    case abi::kSIfBlk:
    case abi::kSIfChr:
      if (mount.no_dev) return Errno::kEACCES;
      [[fallthrough]];
    case abi::kSIfIfo:
    case abi::kSIfSock:
      if ((mask & abi::kMayExec) != 0) return Errno::kEACCES;
      break;
    case abi::kSIfReg:
      if ((mask & abi::kMayExec) != 0 && mount.no_exec) return Errno::kEACCES;
      break;
  }
  TRY(inode.CheckPermission(ctx, mask));
  if ((flags & abi::kONoAtime) != 0 && !OwnerOrCapable(*ctx.creds, TRY(inode.GetAttributes(ctx)))) {
    return Errno::kEPERM;
  }
  return Ok();
}

// Linux's do_dentry_open: takes write access, asks the inode or the driver.
Result<RefPtr<FileDescription>> OpenInode(const VfsContext& ctx, const Path& path, uint32_t flags) {
  if ((flags & abi::kOPath) != 0) return RefPtr<FileDescription>(MakeRef<FileDescription>(path, flags));
  Inode& inode = *path.dentry->inode_ptr();
  const uint32_t type = inode.type();
  const bool special = type == abi::kSIfIfo || type == abi::kSIfChr || type == abi::kSIfBlk || type == abi::kSIfSock;
  const bool writes = WantsWrite(flags) && !special;
  if (writes) {
    TRY(inode.GetWriteAccess());
    if (path.mount->read_only()) {
      inode.PutWriteAccess();
      return Errno::kEROFS;
    }
  }
  Result<RefPtr<FileDescription>> file = Errno::kENXIO;
  if (special) {
    const Result<Attributes> attributes = inode.GetAttributes(ctx);
    file = attributes.ok() ? SpecialFiles::Open(ctx, path, type, attributes->rdev, flags)
                           : Result<RefPtr<FileDescription>>(attributes.error());
  } else {
    file = inode.Open(ctx, path, flags);
  }
  if (writes) {
    if (!file.ok()) {
      inode.PutWriteAccess();
    } else {
      (*file)->AdoptWriteAccess(WriteAccess::kHeld);
    }
  }
  return file;
}

// O_TRUNC of a file that was there (handle_truncate): Linux asks for the right
// to write even of a description opened for reading.
Result<void> TruncateAtOpen(const VfsContext& ctx, const Path& path) {
  Inode& inode = *path.dentry->inode_ptr();
  TRY(inode.GetWriteAccess());
  const Result<Attributes> attributes = inode.GetAttributes(ctx);
  Result<void> result = Ok();
  if (attributes.ok()) {
    SetAttributes set{.size = 0, .mtime = RealtimeNow()};
    set.perm = PermAfterWrite(*ctx.creds, *attributes);
    result = inode.SetAttr(ctx, set);
    if (result.ok()) notify::Changed(*path.dentry, abi::kInModify);
  } else {
    result = attributes.error();
  }
  inode.PutWriteAccess();
  return result;
}

// What is known of the directory of the last component, for the rule of
// protected_regular and protected_fifos.
struct StickyParent {
  uint32_t mode = 0;
  uint32_t uid = 0;
};

// protected_fifos=1, protected_regular=2 (Linux's may_create_in_sticky).
Result<void> MayCreateInSticky(const VfsContext& ctx, const StickyParent& dir, Inode& inode) {
  if ((dir.mode & abi::kSIsVtx) == 0) return Ok();
  const Attributes attributes = TRY(inode.GetAttributes(ctx));
  if (attributes.uid == dir.uid || attributes.uid == ctx.creds->fsuid) return Ok();
  if ((dir.mode & 0002) != 0) return Errno::kEACCES;
  if ((dir.mode & 0020) != 0 && inode.is_regular()) return Errno::kEACCES;
  return Ok();
}

enum class Made : uint8_t { kFound, kCreated };

struct OpenTarget {
  Path path;
  Made made = Made::kFound;
  StickyParent parent;
  bool must_be_directory = false;
};

// Linux's do_open: checks and opens what the walk has found or made.
Result<RefPtr<FileDescription>> DoOpen(const VfsContext& ctx, const OpenTarget& target, uint32_t flags) {
  Inode* const inode = target.path.dentry->inode_ptr();
  if (inode == nullptr) return Errno::kENOENT;
  if ((flags & abi::kOCreat) != 0) {
    if ((flags & abi::kOExcl) != 0 && target.made == Made::kFound) return Errno::kEEXIST;
    if (inode->is_dir()) return Errno::kEISDIR;
    if (target.made == Made::kFound) TRY(MayCreateInSticky(ctx, target.parent, *inode));
  }
  if (((flags & abi::kODirectory) != 0 || target.must_be_directory) && !inode->is_dir()) return Errno::kENOTDIR;
  bool truncate = false;
  uint32_t mask = AccessMask(flags);
  if (target.made == Made::kCreated) {
    mask = 0;
  } else if (inode->is_regular() && (flags & abi::kOTrunc) != 0) {
    TRY(WantWrite(target.path));
    truncate = true;
  }
  TRY(MayOpen(ctx, target.path, mask, flags));
  RefPtr<FileDescription> file = TRY(OpenInode(ctx, target.path, flags & ~(abi::kOCreat | abi::kOExcl | abi::kOTrunc)));
  notify::Opened(*file);
  if (truncate) TRY(TruncateAtOpen(ctx, target.path));
  return file;
}

// The last component where O_CREAT is set (Linux's lookup_open): found, made, or
// a link to be followed.
Result<RefPtr<Dentry>> LookupOrCreate(const VfsContext& ctx, const Path& parent, std::string_view name,
                                      const OpenHow& how, Made& made) {
  Dentry& dir = *parent.dentry;
  if (name.size() > kNameMax) return Errno::kENAMETOOLONG;
  RefPtr<Dentry> found = TRY(dir.LookupChild(ctx, name));
  if (!found->negative()) return found;
  base::MutexLock lock(dir.inode_ptr()->dir_mu());
  RefPtr<Dentry> child = TRY(LookupForChange(ctx, dir, name));
  if (!child->negative()) return child;
  if (!dir.inode_ptr()->may_create()) return Errno::kENOENT;
  TRY(WantWrite(parent));
  const CreateArgs args = TRY(PrepareCreate(ctx, dir, abi::kSIfReg | (how.mode & abi::kPermMask), 0));
  TRY(dir.inode_ptr()->CheckPermission(ctx, kMayWriteExec));
  Result<RefPtr<Inode>> inode = dir.inode_ptr()->Create(ctx, name, args);
  if (!inode.ok()) return inode.Is(Errno::kEPERM) ? Errno::kEACCES : inode.error();
  notify::Created(dir, name, **inode);
  child->Instantiate(std::move(*inode));
  made = Made::kCreated;
  return child;
}

Result<OpenTarget> WalkToOpen(const VfsContext& ctx, const Path& start, std::string_view path, const OpenHow& how) {
  const bool create = (how.flags & abi::kOCreat) != 0;
  const bool follow = (how.flags & abi::kONoFollow) == 0 && !(create && (how.flags & abi::kOExcl) != 0);
  OpenTarget target;
  PathWalker walker(ctx, how.resolve);
  TRY(walker.Start(start, path));
  for (;;) {
    const PathWalker::Last last = TRY(walker.ToLast());
    if (last.kind != ParentWalk::Last::kNormal) {
      TRY(walker.EnterDots(last));
      break;
    }
    RefPtr<Dentry> child;
    if (create) {
      if (last.trailing_slash) return Errno::kEISDIR;
      const Attributes dir = TRY(walker.at().dentry->inode_ptr()->GetAttributes(ctx));
      target.parent = {dir.mode, dir.uid};
      child = TRY(LookupOrCreate(ctx, walker.at(), last.name, how, target.made));
    } else {
      child = TRY(walker.LookupLast(last));
    }
    const Inode* inode = child->inode_ptr();
    if (inode == nullptr) return Errno::kENOENT;
    if (inode->is_symlink() && (follow || walker.must_be_directory())) {
      TRY(walker.FollowLast(*child));
      continue;
    }
    TRY(walker.Enter(std::move(child)));
    break;
  }
  TRY(walker.CheckScope());
  target.path = walker.at();
  target.must_be_directory = walker.must_be_directory();
  return target;
}

Result<RefPtr<FileDescription>> OpenTemporary(const VfsContext& ctx, const Path& start, std::string_view path,
                                              const OpenHow& how) {
  WalkFlags walk = how.resolve;
  walk.directory = true;
  walk.follow = (how.flags & abi::kONoFollow) == 0;
  const Path dir = TRY(ResolvePath(ctx, start, path, walk));
  TRY(WantWrite(dir));
  Inode& parent = *dir.dentry->inode_ptr();
  TRY(parent.CheckPermission(ctx, kMayWriteExec));
  const CreateArgs args = TRY(PrepareCreate(ctx, *dir.dentry, abi::kSIfReg | (how.mode & abi::kPermMask), 0));
  RefPtr<Inode> inode = TRY(parent.CreateTemporary(ctx, args));
  const Attributes attributes = TRY(inode->GetAttributes(ctx));
  const Path place(dir.mount, Dentry::NewUnhashed(dir.dentry, "#" + std::to_string(attributes.ino), std::move(inode)));
  TRY(MayOpen(ctx, place, 0, how.flags));
  RefPtr<FileDescription> file =
      TRY(OpenInode(ctx, place, how.flags & ~(abi::kOTmpFile & ~abi::kODirectory) & ~abi::kOExcl));
  notify::Opened(*file);
  return file;
}

}  // namespace

Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& start, std::string_view path,
                                     const OpenHow& how) {
  if ((how.flags & abi::kOPath) != 0) {
    WalkFlags walk = how.resolve;
    walk.follow = (how.flags & abi::kONoFollow) == 0;
    walk.directory = (how.flags & abi::kODirectory) != 0;
    const Path place = TRY(ResolvePath(ctx, start, path, walk));
    return OpenInode(ctx, place, how.flags & (abi::kOPath | abi::kODirectory | abi::kONoFollow));
  }
  if ((how.flags & abi::kOTmpFile) == abi::kOTmpFile) return OpenTemporary(ctx, start, path, how);
  return DoOpen(ctx, TRY(WalkToOpen(ctx, start, path, how)), how.flags);
}

Result<RefPtr<FileDescription>> OpenPath(const VfsContext& ctx, const Path& path, uint32_t flags) {
  if ((flags & abi::kOPath) != 0) return OpenInode(ctx, path, flags);
  return DoOpen(ctx, OpenTarget{.path = path, .parent = {}}, flags & ~(abi::kOCreat | abi::kOExcl));
}

Result<RefPtr<FileDescription>> OpenExecutable(const VfsContext& ctx, const Path& start, std::string_view path,
                                               WalkFlags flags) {
  const Path place = TRY(ResolvePath(ctx, start, path, flags));
  Inode& inode = *place.dentry->inode_ptr();
  TRY(MayOpen(ctx, place, abi::kMayExec, 0));
  if (!inode.is_regular()) return Errno::kEACCES;
  RefPtr<FileDescription> file = TRY(OpenInode(ctx, place, abi::kORdOnly));
  TRY(inode.DenyWriteAccess());
  file->AdoptWriteAccess(WriteAccess::kDenied);
  notify::Opened(*file);
  return file;
}

}  // namespace sentry
