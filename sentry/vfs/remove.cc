// unlink and rmdir: Linux's do_unlinkat and do_rmdir.
#include "sentry/vfs/checks.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/operations.h"

namespace sentry {
namespace {

bool IsMountpoint(const VfsContext& ctx, const Dentry& dentry) {
  return ctx.mounts != nullptr && ctx.mounts->IsMountpoint(dentry);
}

}  // namespace

Result<void> Unlink(const VfsContext& ctx, const Path& start, std::string_view path) {
  const ParentWalk walk = TRY(ResolveParent(ctx, start, path));
  if (walk.last != ParentWalk::Last::kNormal) return Errno::kEISDIR;
  TRY(WantWrite(walk.parent));
  Dentry& dir = *walk.parent.dentry;
  PrepareLookup(ctx, dir, walk.name);
  RefPtr<Dentry> victim;  // its last reference goes behind the lock
  base::MutexLock lock(dir.inode_ptr()->dir_mu());
  victim = TRY(LookupForChange(ctx, dir, walk.name));
  Inode* const inode = victim->inode_ptr();
  if (inode == nullptr) return Errno::kENOENT;
  if (walk.trailing_slash) return inode->is_dir() ? Errno::kEISDIR : Errno::kENOTDIR;
  TRY(MayDelete(ctx, dir, *victim, Victim::kOther));
  if (IsMountpoint(ctx, *victim)) return Errno::kEBUSY;
  const bool last = notify::IsWatchedLastLink(ctx, *inode);
  TRY(dir.inode_ptr()->Unlink(ctx, walk.name, *inode));
  victim->Unhash();
  notify::Removed(dir, walk.name, *victim, last);
  return Ok();
}

Result<void> RemoveDirectory(const VfsContext& ctx, const Path& start, std::string_view path) {
  const ParentWalk walk = TRY(ResolveParent(ctx, start, path));
  switch (walk.last) {
    case ParentWalk::Last::kDotDot:
      return Errno::kENOTEMPTY;
    case ParentWalk::Last::kDot:
      return Errno::kEINVAL;
    case ParentWalk::Last::kRoot:
      return Errno::kEBUSY;
    case ParentWalk::Last::kNormal:
      break;
  }
  TRY(WantWrite(walk.parent));
  Dentry& dir = *walk.parent.dentry;
  PrepareLookup(ctx, dir, walk.name);
  RefPtr<Dentry> victim;
  base::MutexLock lock(dir.inode_ptr()->dir_mu());
  victim = TRY(LookupForChange(ctx, dir, walk.name));
  TRY(MayDelete(ctx, dir, *victim, Victim::kDirectory));
  Inode& inode = *victim->inode_ptr();
  inode.dir_mu().LockSameRank();  // parent first
  Result<void> result = Errno::kEBUSY;
  if (!IsMountpoint(ctx, *victim)) result = dir.inode_ptr()->Rmdir(ctx, walk.name, inode);
  if (result.ok()) victim->MarkDead();
  inode.dir_mu().Unlock();
  if (!result.ok()) return result;
  const bool watched = notify::IsWatchedLastLink(ctx, inode);
  victim->Unhash();
  notify::Removed(dir, walk.name, *victim, watched);
  return Ok();
}

}  // namespace sentry
