// Names made, moved and removed: Linux's fs/namei.c, and fs/open.c for the
// directories a process stands in.
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"

namespace sentry {

SyscallResult SysMkdir(Task& task, UserPath path, FileMode mode) { return SysMkdirat(task, kCwd, path, mode); }

SyscallResult SysMkdirat(Task& task, DirFd dir, UserPath path, FileMode mode) {
  const PathArg arg = TRY(ReadPathArg(task, dir, path));
  return MakeDirectory(task.vfs_context(), arg.start, arg.text, mode.value);
}

SyscallResult SysRmdir(Task& task, UserPath path) { return SysUnlinkat(task, kCwd, path, abi::kAtRemoveDir); }

SyscallResult SysMknod(Task& task, UserPath path, FileMode mode, uint32_t dev) {
  return SysMknodat(task, kCwd, path, mode, dev);
}

SyscallResult SysMknodat(Task& task, DirFd dir, UserPath path, FileMode mode, uint32_t dev) {
  // The mode is a umode_t: what lies above its 16 bits is not looked at. The
  // 32-bit device number is the 64-bit one's lower half.
  const uint32_t bits = mode.value & 0xffff;
  const PathArg arg = TRY(ReadPathArg(task, dir, path));
  return MakeNode(task.vfs_context(), arg.start, arg.text, bits, dev);
}

SyscallResult SysLink(Task& task, UserPath old_path, UserPath new_path) {
  return SysLinkat(task, kCwd, old_path, kCwd, new_path, 0);
}

SyscallResult SysLinkat(Task& task, DirFd old_dir, UserPath old_path, DirFd new_dir, UserPath new_path,
                        uint32_t flags) {
  if ((flags & ~(abi::kAtSymlinkFollow | abi::kAtEmptyPath)) != 0) return Errno::kEINVAL;
  const bool empty_path = (flags & abi::kAtEmptyPath) != 0;
  // Whoever was handed a descriptor must not thereby be able to name the file.
  if (empty_path && !task.creds().Has(Capability::kDacReadSearch)) return Errno::kENOENT;
  const PathArg old_arg = TRY(ReadPathArg(task, old_dir, old_path, empty_path ? EmptyPath::kAllowed : EmptyPath::kNo));
  const PathArg new_arg = TRY(ReadPathArg(task, new_dir, new_path));
  const WalkFlags walk{.follow = (flags & abi::kAtSymlinkFollow) != 0, .empty_path = empty_path};
  return MakeLink(task.vfs_context(), old_arg.start, old_arg.text, new_arg.start, new_arg.text, walk);
}

SyscallResult SysSymlink(Task& task, UserPath target, UserPath path) { return SysSymlinkat(task, target, kCwd, path); }

SyscallResult SysSymlinkat(Task& task, UserPath target, DirFd dir, UserPath path) {
  const std::string text = TRY(target.Read(task.mm()));
  if (text.empty()) return Errno::kENOENT;
  const PathArg arg = TRY(ReadPathArg(task, dir, path));
  return MakeSymlink(task.vfs_context(), text, arg.start, arg.text);
}

SyscallResult SysUnlink(Task& task, UserPath path) { return SysUnlinkat(task, kCwd, path, 0); }

SyscallResult SysUnlinkat(Task& task, DirFd dir, UserPath path, uint32_t flags) {
  if ((flags & ~abi::kAtRemoveDir) != 0) return Errno::kEINVAL;
  const PathArg arg = TRY(ReadPathArg(task, dir, path));
  const VfsContext ctx = task.vfs_context();
  return flags != 0 ? RemoveDirectory(ctx, arg.start, arg.text) : Unlink(ctx, arg.start, arg.text);
}

SyscallResult SysRename(Task& task, UserPath old_path, UserPath new_path) {
  return SysRenameat2(task, kCwd, old_path, kCwd, new_path, 0);
}

SyscallResult SysRenameat(Task& task, DirFd old_dir, UserPath old_path, DirFd new_dir, UserPath new_path) {
  return SysRenameat2(task, old_dir, old_path, new_dir, new_path, 0);
}

SyscallResult SysRenameat2(Task& task, DirFd old_dir, UserPath old_path, DirFd new_dir, UserPath new_path,
                           uint32_t flags) {
  constexpr uint32_t kKnown = abi::kRenameNoReplace | abi::kRenameExchange | abi::kRenameWhiteout;
  if ((flags & ~kKnown) != 0) return Errno::kEINVAL;
  if ((flags & abi::kRenameExchange) != 0 && flags != abi::kRenameExchange) return Errno::kEINVAL;
  const PathArg from = TRY(ReadPathArg(task, old_dir, old_path));
  const PathArg to = TRY(ReadPathArg(task, new_dir, new_path));
  return Rename(task.vfs_context(), from.start, from.text, to.start, to.text, flags);
}

SyscallResult SysChdir(Task& task, UserPath path) {
  const VfsContext ctx = task.vfs_context();
  const Path place = TRY(ResolveArg(ctx, TRY(ReadPathArg(task, kCwd, path)), {.directory = true}));
  TRY(place.dentry->inode_ptr()->CheckPermission(ctx, abi::kMayExec));
  task.fs().SetCwd(place);
  return 0;
}

SyscallResult SysFchdir(Task& task, Fd fd) {
  const RefPtr<FileDescription> file = TRY(task.fds().Get(fd.value));
  const Path& place = file->path();
  const RefPtr<Inode> inode = place.dentry->inode();
  if (!inode || !inode->is_dir()) return Errno::kENOTDIR;
  TRY(inode->CheckPermission(task.vfs_context(), abi::kMayExec));
  task.fs().SetCwd(place);
  return 0;
}

SyscallResult SysChroot(Task& task, UserPath path) {
  const VfsContext ctx = task.vfs_context();
  const Path place = TRY(ResolveArg(ctx, TRY(ReadPathArg(task, kCwd, path)), {.directory = true}));
  TRY(place.dentry->inode_ptr()->CheckPermission(ctx, abi::kMayExec));
  if (!task.creds().HasHere(Capability::kSysChroot)) return Errno::kEPERM;
  task.fs().SetRoot(place);
  return 0;
}

SyscallResult SysUmask(Task& task, FileMode mask) { return task.fs().SetUmask(mask.value & 0777); }

}  // namespace sentry
