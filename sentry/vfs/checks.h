// Permission checks shared by the operations; names as in Linux's fs/namei.c
// and fs/attr.c. Internal to vfs.
#ifndef SENTRY_VFS_CHECKS_H_
#define SENTRY_VFS_CHECKS_H_

#include <string_view>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/path_walk.h"

namespace sentry {

inline constexpr uint32_t kMayWriteExec = abi::kMayWrite | abi::kMayExec;

// EROFS (mnt_want_write).
Result<void> WantWrite(const Path& path);
// The caller owns the file or has CAP_FOWNER.
bool OwnerOrCapable(const Credentials& creds, const Attributes& attributes);
// Linux's in_group_or_capable.
bool InGroupOrCapable(const Credentials& creds, const Attributes& attributes);

// May a name be made in / taken out of this directory? Called under its lock.
Result<void> MayCreate(const VfsContext& ctx, Dentry& dir, const Dentry& child);
enum class Victim : uint8_t { kDirectory, kOther };
Result<void> MayDelete(const VfsContext& ctx, Dentry& dir, const Dentry& victim, Victim kind);
inline Victim VictimKind(const Dentry& dentry) {
  return dentry.inode_ptr()->is_dir() ? Victim::kDirectory : Victim::kOther;
}

// Owner, group and bits of a new file in `dir`: umask, set-gid inheritance
// (vfs_prepare_mode, inode_init_owner).
Result<CreateArgs> PrepareCreate(const VfsContext& ctx, Dentry& dir, uint32_t mode, uint64_t rdev);

// The dentry of a name for an operation that changes the directory, whose lock
// is held by the caller; ENAMETOOLONG, and ENOENT in a removed directory.
Result<RefPtr<Dentry>> LookupForChange(const VfsContext& ctx, Dentry& dir, std::string_view name);
// Before that lock: drops what is cached of the name and no longer holds.
void PrepareLookup(const VfsContext& ctx, Dentry& dir, std::string_view name);

}  // namespace sentry

#endif  // SENTRY_VFS_CHECKS_H_
