#include "sentry/vfs/checks.h"

namespace sentry {

Result<void> WantWrite(const Path& path) { return path.mount->read_only() ? Errno::kEROFS : Ok(); }

bool OwnerOrCapable(const Credentials& creds, const Attributes& attributes) {
  return creds.fsuid == attributes.uid || creds.Has(Capability::kFowner);
}

bool InGroupOrCapable(const Credentials& creds, uint32_t gid) {
  return creds.InGroup(gid) || creds.Has(Capability::kFsetid);
}

Result<void> MayCreate(const VfsContext& ctx, Dentry& dir, const Dentry& child) {
  if (!child.negative()) return Errno::kEEXIST;
  if (dir.dead()) return Errno::kENOENT;
  return dir.inode_ptr()->CheckPermission(ctx, kMayWriteExec);
}

Result<void> MayDelete(const VfsContext& ctx, Dentry& dir, const Dentry& victim, Victim kind) {
  Inode* const inode = victim.inode_ptr();
  if (inode == nullptr) return Errno::kENOENT;
  TRY(dir.inode_ptr()->CheckPermission(ctx, kMayWriteExec));
  if (!ctx.creds->Has(Capability::kFowner)) {
    const Attributes parent = TRY(dir.inode_ptr()->GetAttributes(ctx));
    if ((parent.mode & abi::kSIsVtx) != 0 && parent.uid != ctx.creds->fsuid &&
        TRY(inode->GetAttributes(ctx)).uid != ctx.creds->fsuid) {
      return Errno::kEPERM;
    }
  }
  if (kind == Victim::kDirectory) {
    if (!inode->is_dir()) return Errno::kENOTDIR;
    if (victim.is_root()) return Errno::kEBUSY;
  } else if (inode->is_dir()) {
    return Errno::kEISDIR;
  }
  return dir.dead() ? Errno::kENOENT : Ok();
}

Result<CreateArgs> PrepareCreate(const VfsContext& ctx, Dentry& dir, uint32_t mode, uint64_t rdev) {
  const Credentials& creds = *ctx.creds;
  const Attributes parent = TRY(dir.inode_ptr()->GetAttributes(ctx));
  CreateArgs args{.mode = mode, .uid = creds.fsuid, .gid = creds.fsgid, .rdev = rdev};
  const uint32_t type = mode & abi::kSIfMt;
  if (type != abi::kSIfLnk) args.mode &= ~(ctx.umask & 0777);
  if ((parent.mode & abi::kSIsGid) == 0) return args;
  constexpr uint32_t kSetGidExec = abi::kSIsGid | 0010;
  if (type == abi::kSIfDir) {
    args.mode |= abi::kSIsGid;
  } else if ((args.mode & kSetGidExec) == kSetGidExec && !InGroupOrCapable(creds, parent.gid)) {
    args.mode &= ~abi::kSIsGid;
  }
  args.gid = parent.gid;
  return args;
}

Result<RefPtr<Dentry>> LookupForChange(const VfsContext& ctx, Dentry& dir, std::string_view name) {
  if (name.size() > kNameMax) return Errno::kENAMETOOLONG;
  if (dir.dead()) return Errno::kENOENT;
  return dir.LookupChildLocked(ctx, name);
}

void PrepareLookup(const VfsContext& ctx, Dentry& dir, std::string_view name) {
  if (name.size() <= kNameMax) dir.RevalidateChild(ctx, name);
}

}  // namespace sentry
