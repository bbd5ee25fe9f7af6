#include "sentry/vfs/checks.h"

namespace sentry {

Result<void> WantWrite(const Path& path) { return path.mount->read_only() ? Errno::kEROFS : Ok(); }

bool OwnerOrCapable(const Credentials& creds, const Attributes& attributes) {
  if (creds.fsuid == attributes.uid) return true;
  // Linux's inode_owner_or_capable: of the group nothing need be known.
  return creds.HasHere(Capability::kFowner) && creds.user_ns->FromKernelUid(attributes.uid) != kInvalidId;
}

bool InGroupOrCapable(const Credentials& creds, const Attributes& attributes) {
  return creds.InGroup(attributes.gid) || creds.HasOver(attributes.uid, attributes.gid, Capability::kFsetid);
}

Result<void> MayCreate(const VfsContext& ctx, Dentry& dir, const Dentry& child) {
  if (!child.negative()) return Errno::kEEXIST;
  if (dir.dead()) return Errno::kENOENT;
  const UserNamespace& ns = dir.inode_ptr()->fs().user_ns();
  const Credentials& creds = *ctx.creds;
  const bool known = ns.FromKernelUid(creds.fsuid) != kInvalidId && ns.FromKernelGid(creds.fsgid) != kInvalidId;
  if (!known) return Errno::kEOVERFLOW;
  return dir.inode_ptr()->CheckPermission(ctx, kMayWriteExec);
}

Result<void> MayDelete(const VfsContext& ctx, Dentry& dir, const Dentry& victim, Victim kind) {
  Inode* const inode = victim.inode_ptr();
  if (inode == nullptr) return Errno::kENOENT;
  TRY(dir.inode_ptr()->CheckPermission(ctx, kMayWriteExec));
  const Credentials& creds = *ctx.creds;
  // Who has the capability over all files need not ask for the attributes.
  if (!creds.Has(Capability::kFowner)) {
    const Attributes parent = TRY(dir.inode_ptr()->GetAttributes(ctx));
    if ((parent.mode & abi::kSIsVtx) != 0 && parent.uid != creds.fsuid) {
      const Attributes file = TRY(inode->GetAttributes(ctx));
      if (file.uid != creds.fsuid && !creds.HasOver(file.uid, file.gid, Capability::kFowner)) return Errno::kEPERM;
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
  } else if ((args.mode & kSetGidExec) == kSetGidExec && !InGroupOrCapable(creds, parent)) {
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
