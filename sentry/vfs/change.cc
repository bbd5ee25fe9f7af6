// What stat and statfs tell; chmod, chown, utimens, truncate, access: Linux's
// fs/attr.c and fs/open.c.
#include <utility>

#include "sentry/vfs/checks.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/operations.h"

namespace sentry {

namespace {

Result<void> SetAndTell(const VfsContext& ctx, Dentry& dentry, const SetAttributes& set, uint32_t event) {
  TRY(dentry.inode_ptr()->SetAttr(ctx, set));
  if (event != 0) notify::Changed(dentry, event);
  return Ok();
}

}  // namespace

Result<Attributes> GetAttributes(const VfsContext& ctx, const Path& path) {
  return path.dentry->inode_ptr()->GetAttributes(ctx);
}

Result<abi::Statfs> StatFs(const VfsContext& ctx, const Path& path) {
  abi::Statfs out = TRY(path.dentry->inode_ptr()->fs().StatFs(ctx));
  constexpr int64_t kValid = 0x20;  // ST_VALID
  out.flags = kValid | path.mount->flags().ToStatfs();
  return out;
}

Result<std::string> ReadLink(const VfsContext& ctx, const Path& start, std::string_view path, WalkFlags flags) {
  flags.follow = false;
  const Path place = TRY(ResolvePath(ctx, start, path, flags));
  Inode& inode = *place.dentry->inode_ptr();
  if (!inode.is_symlink()) return path.empty() ? Errno::kENOENT : Errno::kEINVAL;
  return inode.ReadLink(ctx);
}

Result<void> ChangeMode(const VfsContext& ctx, const Path& path, uint32_t perm) {
  TRY(WantWrite(path));
  Inode& inode = *path.dentry->inode_ptr();
  if (inode.is_symlink()) return Errno::kEOPNOTSUPP;
  const Attributes old = TRY(inode.GetAttributes(ctx));
  if (!OwnerOrCapable(*ctx.creds, old)) return Errno::kEPERM;
  perm &= abi::kPermMask;
  if (!InGroupOrCapable(*ctx.creds, old)) perm &= ~abi::kSIsGid;
  return SetAndTell(ctx, *path.dentry, SetAttributes{.perm = perm}, abi::kInAttrib);
}

Result<void> ChangeOwner(const VfsContext& ctx, const Path& path, uint32_t uid, uint32_t gid) {
  TRY(WantWrite(path));
  Inode& inode = *path.dentry->inode_ptr();
  const Credentials& creds = *ctx.creds;
  const Attributes old = TRY(inode.GetAttributes(ctx));
  SetAttributes set;
  if (uid != UINT32_MAX) set.uid = creds.user_ns->ToKernelUid(uid);
  if (gid != UINT32_MAX) set.gid = creds.user_ns->ToKernelGid(gid);
  if (set.uid == kInvalidId || set.gid == kInvalidId) return Errno::kEINVAL;
  const bool owner = creds.fsuid == old.uid;
  const bool capable = creds.HasOver(old.uid, old.gid, Capability::kChown);
  if (set.uid && !capable && !(owner && *set.uid == old.uid)) return Errno::kEPERM;
  if (set.gid && !capable && !(owner && (*set.gid == old.gid || creds.InGroup(*set.gid)))) return Errno::kEPERM;
  if (!inode.is_dir()) {
    if (const uint32_t perm = PermWithoutSetIds(creds, old); perm != old.perm()) {
      // Linux checks this as a change of mode, which is the owner's.
      if (!OwnerOrCapable(creds, old)) return Errno::kEPERM;
      set.perm = perm;
    }
  }
  return SetAndTell(ctx, *path.dentry, set, set.uid || set.gid || set.perm ? abi::kInAttrib : 0);
}

namespace {

std::optional<Timespec> NewTime(const TimeChange& change, const Timespec& now) {
  switch (change.kind) {
    case TimeChange::Kind::kOmit:
      return std::nullopt;
    case TimeChange::Kind::kNow:
      return now;
    case TimeChange::Kind::kSet:
      return change.value;
  }
  return std::nullopt;
}

}  // namespace

Result<void> ChangeTimes(const VfsContext& ctx, const Path& path, const TimeChange& atime, const TimeChange& mtime) {
  using Kind = TimeChange::Kind;
  TRY(WantWrite(path));
  if (atime.kind == Kind::kOmit && mtime.kind == Kind::kOmit) return Ok();
  Inode& inode = *path.dentry->inode_ptr();
  const Attributes old = TRY(inode.GetAttributes(ctx));
  if (!OwnerOrCapable(*ctx.creds, old)) {
    // Who may write may set both to now, and nothing else.
    if (atime.kind != Kind::kNow || mtime.kind != Kind::kNow) return Errno::kEPERM;
    TRY(inode.CheckPermission(ctx, abi::kMayWrite));
  }
  const Timespec now = RealtimeNow();
  SetAttributes set;
  set.atime = NewTime(atime, now);
  set.mtime = NewTime(mtime, now);
  // Both are a change of attributes; one alone looks like the access that makes it.
  const uint32_t event = !set.mtime ? abi::kInAccess : !set.atime ? abi::kInModify : abi::kInAttrib;
  return SetAndTell(ctx, *path.dentry, set, event);
}

namespace {

// Linux's do_truncate: size limits, set-id bits, times.
Result<void> DoTruncate(const VfsContext& ctx, Dentry& dentry, uint64_t size) {
  const Attributes old = TRY(dentry.inode_ptr()->GetAttributes(ctx));
  if (size > old.size && (size > ctx.file_size_limit || size > INT64_MAX)) return Errno::kEFBIG;
  SetAttributes set{.size = size, .mtime = RealtimeNow()};
  set.perm = PermAfterWrite(*ctx.creds, old);
  return SetAndTell(ctx, dentry, set, abi::kInModify);
}

}  // namespace

Result<void> Truncate(const VfsContext& ctx, const Path& path, uint64_t size) {
  Inode& inode = *path.dentry->inode_ptr();
  if (inode.is_dir()) return Errno::kEISDIR;
  if (!inode.is_regular()) return Errno::kEINVAL;
  TRY(WantWrite(path));
  TRY(inode.CheckPermission(ctx, abi::kMayWrite));
  TRY(inode.GetWriteAccess());
  const Result<void> result = DoTruncate(ctx, *path.dentry, size);
  inode.PutWriteAccess();
  return result;
}

Result<void> TruncateFile(const VfsContext& ctx, FileDescription& file, uint64_t size) {
  const RefPtr<Inode> inode = file.inode();
  if (!inode || !inode->is_regular() || !file.writable()) return Errno::kEINVAL;
  return DoTruncate(ctx, file.dentry(), size);
}

Result<void> CheckAccess(const VfsContext& ctx, const Path& path, uint32_t mask) {
  Inode& inode = *path.dentry->inode_ptr();
  if ((mask & abi::kMayExec) != 0 && inode.is_regular() && path.mount->flags().no_exec) return Errno::kEACCES;
  if (mask == 0) return Ok();
  TRY(inode.CheckPermission(ctx, mask));
  const bool plain = inode.is_regular() || inode.is_dir() || inode.is_symlink();
  return (mask & abi::kMayWrite) != 0 && plain ? WantWrite(path) : Ok();
}

}  // namespace sentry
