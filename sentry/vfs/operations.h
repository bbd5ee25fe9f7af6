// What the file system calls do, between path text and Inode: permission
// checks, read-only mounts, error order, dentry upkeep. Each function is the
// object behind one family of system calls (man 2 open, mkdir, rename, ...).
#ifndef SENTRY_VFS_OPERATIONS_H_
#define SENTRY_VFS_OPERATIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sentry/vfs/attributes.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/path_walk.h"

namespace sentry {

// man 2 open, openat2. `flags` were validated by the caller (openat2's EINVAL
// rules in syscalls/open.cc). A fifo without its peer comes back open and not
// ready: the caller waits with WaitOpen (fs/pipe/fifo.h).
struct OpenHow {
  uint32_t flags = 0;
  uint32_t mode = 0;  // without umask
  WalkFlags resolve;
};
Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& start, std::string_view path,
                                     const OpenHow& how);
// Opens a place already resolved (/proc/PID/fd, O_PATH re-open, the loader).
Result<RefPtr<FileDescription>> OpenPath(const VfsContext& ctx, const Path& path, uint32_t flags);
// For execve: a regular file with execute permission, not on a noexec mount;
// EACCES, ETXTBSY. The description holds DenyWriteAccess while it lives.
Result<RefPtr<FileDescription>> OpenExecutable(const VfsContext& ctx, const Path& start, std::string_view path,
                                               WalkFlags flags);

Result<void> MakeDirectory(const VfsContext& ctx, const Path& start, std::string_view path, uint32_t mode);
Result<void> MakeNode(const VfsContext& ctx, const Path& start, std::string_view path, uint32_t mode, uint64_t rdev);
// bind(2) of a unix socket: EADDRINUSE where mknod says EEXIST. The new inode.
Result<Path> MakeSocketNode(const VfsContext& ctx, const Path& start, std::string_view path, uint32_t mode);
Result<void> MakeSymlink(const VfsContext& ctx, std::string_view target, const Path& start, std::string_view path);
// `follow`: AT_SYMLINK_FOLLOW of the old path.
Result<void> MakeLink(const VfsContext& ctx, const Path& old_start, std::string_view old_path, const Path& new_start,
                      std::string_view new_path, WalkFlags old_flags);
Result<void> Unlink(const VfsContext& ctx, const Path& start, std::string_view path);
Result<void> RemoveDirectory(const VfsContext& ctx, const Path& start, std::string_view path);
Result<void> Rename(const VfsContext& ctx, const Path& old_start, std::string_view old_path, const Path& new_start,
                    std::string_view new_path, uint32_t flags);
Result<std::string> ReadLink(const VfsContext& ctx, const Path& start, std::string_view path, WalkFlags flags);

Result<Attributes> GetAttributes(const VfsContext& ctx, const Path& path);
Result<abi::Statfs> StatFs(const VfsContext& ctx, const Path& path);

// Checks and changes (Linux's notify_change): EPERM, EROFS, clearing of
// set-id bits, "owner or CAP_FOWNER", group membership.
Result<void> ChangeMode(const VfsContext& ctx, const Path& path, uint32_t perm);
// UINT32_MAX keeps.
Result<void> ChangeOwner(const VfsContext& ctx, const Path& path, uint32_t uid, uint32_t gid);
struct TimeChange {
  enum class Kind : uint8_t { kOmit, kNow, kSet } kind = Kind::kNow;
  Timespec value;
};
Result<void> ChangeTimes(const VfsContext& ctx, const Path& path, const TimeChange& atime, const TimeChange& mtime);
// truncate(2) checks write permission; ftruncate(2) goes by its descriptor.
Result<void> Truncate(const VfsContext& ctx, const Path& path, uint64_t size);
Result<void> TruncateFile(const VfsContext& ctx, FileDescription& file, uint64_t size);

// access(2): `mask` of kMayRead | kMayWrite | kMayExec with ctx.creds (the
// caller swaps in the real ids unless AT_EACCESS).
Result<void> CheckAccess(const VfsContext& ctx, const Path& path, uint32_t mask);

// Extended attributes, with namespace rules (user., trusted., security., system.).
Result<std::string> GetXattr(const VfsContext& ctx, const Path& path, std::string_view name);
Result<void> SetXattr(const VfsContext& ctx, const Path& path, std::string_view name, std::string_view value,
                      int flags);
Result<void> RemoveXattr(const VfsContext& ctx, const Path& path, std::string_view name);
Result<std::vector<std::string>> ListXattr(const VfsContext& ctx, const Path& path);

}  // namespace sentry

#endif  // SENTRY_VFS_OPERATIONS_H_
