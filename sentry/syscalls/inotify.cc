// inotify: Linux's fs/notify/inotify/inotify_user.c.
#include "sentry/vfs/inotify.h"

#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"

namespace sentry {
namespace {

Result<RefPtr<Inotify>> GetInotify(const RefPtr<FileDescription>& file) {
  RefPtr<Inotify> instance = FileCast<Inotify>(file);
  if (!instance) return Errno::kEINVAL;
  return instance;
}

}  // namespace

SyscallResult SysInotifyInit(Task& task) { return SysInotifyInit1(task, 0); }

SyscallResult SysInotifyInit1(Task& task, uint32_t flags) {
  return InstallFd(task, TRY(Inotify::Create(task.vfs_context(), flags)), ToCloseOnExec(flags));
}

SyscallResult SysInotifyAddWatch(Task& task, Fd fd, UserPath path, HexFlags raw) {
  const auto mask = static_cast<uint32_t>(raw.value);
  if ((mask & abi::kInAllBits) == 0) return Errno::kEINVAL;
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  if ((mask & abi::kInMaskAdd) != 0 && (mask & abi::kInMaskCreate) != 0) return Errno::kEINVAL;
  const RefPtr<Inotify> instance = TRY(GetInotify(file));
  const VfsContext ctx = task.vfs_context();
  WalkFlags walk;
  walk.follow = (mask & abi::kInDontFollow) == 0;
  walk.directory = (mask & abi::kInOnlyDir) != 0;
  const Path place = TRY(ResolveArg(ctx, TRY(ReadPathArg(task, kCwd, path)), walk));
  TRY(place.dentry->inode_ptr()->CheckPermission(ctx, abi::kMayRead));
  return instance->AddWatch(place, mask);
}

SyscallResult SysInotifyRmWatch(Task& task, Fd fd, int32_t wd) {
  return TRY(GetInotify(TRY(task.fds().GetNoPath(fd.value))))->RemoveWatch(wd);
}

}  // namespace sentry
