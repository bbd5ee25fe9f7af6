// Linux's do_renameat2 and vfs_rename, with their order of checks.
#include "sentry/vfs/checks.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/operations.h"

namespace sentry {
namespace {

// The locks of both directories (lock_rename): the file system's rename lock
// first where they differ, an ancestor before its descendant.
class RenameLock {
 public:
  RenameLock(Dentry& a, Dentry& b) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (&a == &b) {
      first_ = a.inode_ptr();
      first_->dir_mu().Lock();
      return;
    }
    fs_ = &a.inode_ptr()->fs();
    fs_->rename_mu().Lock();
    const bool b_first = b.IsAncestorOf(a);
    first_ = b_first ? b.inode_ptr() : a.inode_ptr();
    second_ = b_first ? a.inode_ptr() : b.inode_ptr();
    first_->dir_mu().Lock();
    second_->dir_mu().LockSameRank();
  }
  ~RenameLock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (second_ != nullptr) second_->dir_mu().Unlock();
    first_->dir_mu().Unlock();
    if (fs_ != nullptr) fs_->rename_mu().Unlock();
  }
  RenameLock(const RenameLock&) = delete;
  RenameLock& operator=(const RenameLock&) = delete;

 private:
  FileSystem* fs_ = nullptr;
  Inode* first_ = nullptr;
  Inode* second_ = nullptr;
};

struct RenameArgs {
  const VfsContext& ctx;
  const ParentWalk& from;
  const ParentWalk& to;
  const uint32_t flags;
  RefPtr<Dentry> source;
  RefPtr<Dentry> target;

  bool exchange() const { return (flags & abi::kRenameExchange) != 0; }
  Dentry& old_dir() const { return *from.parent.dentry; }
  Dentry& new_dir() const { return *to.parent.dentry; }
};

// What depends on the names alone, in do_renameat2's order.
Result<void> CheckNames(const RenameArgs& r) {
  if (r.source->negative()) return Errno::kENOENT;
  if ((r.flags & abi::kRenameNoReplace) != 0 && !r.target->negative()) return Errno::kEEXIST;
  if (r.exchange()) {
    if (r.target->negative()) return Errno::kENOENT;
    if (!r.target->inode_ptr()->is_dir() && r.to.trailing_slash) return Errno::kENOTDIR;
  }
  if (!r.source->inode_ptr()->is_dir()) {
    if (r.from.trailing_slash || (!r.exchange() && r.to.trailing_slash)) return Errno::kENOTDIR;
  }
  if (r.source->IsAncestorOf(r.new_dir())) return Errno::kEINVAL;
  if (!r.target->negative() && r.target->IsAncestorOf(r.old_dir())) {
    return r.exchange() ? Errno::kEINVAL : Errno::kENOTEMPTY;
  }
  return Ok();
}

Result<void> CheckPermissions(const RenameArgs& r) {
  const VfsContext& ctx = r.ctx;
  Inode& source = *r.source->inode_ptr();
  TRY(MayDelete(ctx, r.old_dir(), *r.source, VictimKind(*r.source)));
  if (r.target->negative()) {
    TRY(MayCreate(ctx, r.new_dir(), *r.target));
  } else {
    TRY(MayDelete(ctx, r.new_dir(), *r.target, r.exchange() ? VictimKind(*r.target) : VictimKind(*r.source)));
  }
  if (&r.old_dir() == &r.new_dir()) return Ok();
  // A directory's ".." changes.
  if (source.is_dir()) TRY(source.CheckPermission(ctx, abi::kMayWrite));
  if (r.exchange() && r.target->inode_ptr()->is_dir()) {
    TRY(r.target->inode_ptr()->CheckPermission(ctx, abi::kMayWrite));
  }
  return Ok();
}

Result<void> DoRename(const RenameArgs& r) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const VfsContext& ctx = r.ctx;
  Inode* const replaced = r.target->inode_ptr();
  if (replaced == r.source->inode_ptr()) return Ok();  // two names of one file
  TRY(CheckPermissions(r));
  if (ctx.mounts != nullptr && (ctx.mounts->IsMountpoint(*r.source) || ctx.mounts->IsMountpoint(*r.target))) {
    return Errno::kEBUSY;
  }
  const bool replaces = replaced != nullptr && !r.exchange();
  const bool last = replaces && notify::IsWatchedLastLink(ctx, *replaced);
  // A directory that goes must not be filled meanwhile.
  const bool removes_dir = replaced != nullptr && replaced->is_dir() && !r.exchange();
  if (removes_dir) replaced->dir_mu().LockSameRank();
  const Result<void> result = r.old_dir().inode_ptr()->Rename(ctx, r.from.name, *r.source->inode_ptr(),
                                                              *r.new_dir().inode_ptr(), r.to.name, replaced, r.flags);
  if (removes_dir) {
    if (result.ok()) r.target->MarkDead();
    replaced->dir_mu().Unlock();
  }
  TRY(result);
  if (r.exchange()) {
    Dentry::Exchange(*r.source, *r.target);
  } else {
    Dentry::Move(*r.source, r.new_dir(), r.to.name, r.target.get());
  }
  notify::Renamed(
      {r.old_dir(), r.from.name, r.new_dir(), r.to.name, *r.source->inode_ptr(), replaces ? replaced : nullptr, last});
  if (r.exchange()) {
    notify::Renamed({r.new_dir(), r.to.name, r.old_dir(), r.from.name, *replaced, nullptr, false});
  }
  return Ok();
}

}  // namespace

Result<void> Rename(const VfsContext& ctx, const Path& old_start, std::string_view old_path, const Path& new_start,
                    std::string_view new_path, uint32_t flags) {
  constexpr uint32_t kKnown = abi::kRenameNoReplace | abi::kRenameExchange | abi::kRenameWhiteout;
  if ((flags & ~kKnown) != 0) return Errno::kEINVAL;
  if ((flags & abi::kRenameExchange) != 0 && (flags & ~abi::kRenameExchange) != 0) return Errno::kEINVAL;
  if ((flags & abi::kRenameWhiteout) != 0 && !ctx.creds->Has(Capability::kMknod)) return Errno::kEPERM;
  const ParentWalk from = TRY(ResolveParent(ctx, old_start, old_path));
  const ParentWalk to = TRY(ResolveParent(ctx, new_start, new_path));
  if (!(from.parent.mount == to.parent.mount)) return Errno::kEXDEV;
  if (from.last != ParentWalk::Last::kNormal) return Errno::kEBUSY;
  if (to.last != ParentWalk::Last::kNormal) {
    return (flags & abi::kRenameNoReplace) != 0 ? Errno::kEEXIST : Errno::kEBUSY;
  }
  TRY(WantWrite(from.parent));
  RenameArgs rename{ctx, from, to, flags, nullptr, nullptr};  // dentries go behind the locks
  PrepareLookup(ctx, rename.old_dir(), from.name);
  PrepareLookup(ctx, rename.new_dir(), to.name);
  RenameLock lock(rename.old_dir(), rename.new_dir());
  rename.source = TRY(LookupForChange(ctx, rename.old_dir(), from.name));
  if (rename.source->negative()) return Errno::kENOENT;
  rename.target = TRY(LookupForChange(ctx, rename.new_dir(), to.name));
  TRY(CheckNames(rename));
  return DoRename(rename);
}

}  // namespace sentry
