// Extended attributes: the system call side of Linux's fs/xattr.c.
#include <algorithm>

#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"

namespace sentry {
namespace {

constexpr size_t kNameMax = 255, kValueMax = 64 << 10, kListMax = 64 << 10;

Result<std::string> ReadName(Task& task, UserAddr addr) {
  Result<std::string> name = CopyInString(task.mm(), addr, kNameMax + 1);
  if (name.Is(Errno::kENAMETOOLONG)) return Errno::kERANGE;
  if (name.ok() && name->empty()) return Errno::kERANGE;
  return name;
}

// What a caller's buffer of `size` bytes gets: nothing but the length if it is 0.
SyscallResult CopyOutSized(Task& task, UserAddr addr, uint64_t size, uint64_t max, std::string_view bytes) {
  if (size == 0) return bytes.size();
  if (bytes.size() > std::min(size, max)) return size >= max ? Errno::kE2BIG : Errno::kERANGE;
  TRY(CopyOutFull(task.mm(), addr, std::as_bytes(std::span(bytes.data(), bytes.size()))));
  return bytes.size();
}

SyscallResult Set(Task& task, const VfsContext& ctx, const Path& path, UserAddr name_addr, UserAddr addr, Size size,
                  int32_t flags) {
  constexpr int32_t kCreate = 1, kReplace = 2;
  if ((flags & ~(kCreate | kReplace)) != 0) return Errno::kEINVAL;
  const std::string name = TRY(ReadName(task, name_addr));
  if (size.value > kValueMax) return Errno::kE2BIG;
  std::string value(size.value, '\0');
  TRY(CopyInFull(task.mm(), addr, std::as_writable_bytes(std::span(value))));
  return SetXattr(ctx, path, name, value, flags);
}

SyscallResult Get(Task& task, const VfsContext& ctx, const Path& path, UserAddr name_addr, UserAddr addr, Size size) {
  const std::string name = TRY(ReadName(task, name_addr));
  return CopyOutSized(task, addr, size.value, kValueMax, TRY(GetXattr(ctx, path, name)));
}

SyscallResult List(Task& task, const VfsContext& ctx, const Path& path, UserAddr addr, Size size) {
  std::string names;
  for (const std::string& name : TRY(ListXattr(ctx, path))) names.append(name).push_back('\0');
  return CopyOutSized(task, addr, size.value, kListMax, names);
}

SyscallResult Remove(Task& task, const VfsContext& ctx, const Path& path, UserAddr name_addr) {
  return RemoveXattr(ctx, path, TRY(ReadName(task, name_addr)));
}

constexpr uint32_t kNoFollow = abi::kAtSymlinkNoFollow;

// The three ways to say which file: a path, a path whose last link counts
// itself, a descriptor. `call` is one of the functions above.
template <typename Call, typename... Args>
SyscallResult AtPath(Task& task, UserPath path, uint32_t at, Call call, Args... args) {
  const VfsContext ctx = task.vfs_context();
  return call(task, ctx, TRY(ResolveAt(task, ctx, kCwd, path, at)), args...);
}
template <typename Call, typename... Args>
SyscallResult AtFd(Task& task, Fd fd, Call call, Args... args) {
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  return call(task, task.vfs_context(), file->path(), args...);
}

}  // namespace

SyscallResult SysSetxattr(Task& task, UserPath path, UserAddr name, UserAddr value, Size size, int32_t flags) {
  return AtPath(task, path, 0, Set, name, value, size, flags);
}
SyscallResult SysLsetxattr(Task& task, UserPath path, UserAddr name, UserAddr value, Size size, int32_t flags) {
  return AtPath(task, path, kNoFollow, Set, name, value, size, flags);
}
SyscallResult SysFsetxattr(Task& task, Fd fd, UserAddr name, UserAddr value, Size size, int32_t flags) {
  return AtFd(task, fd, Set, name, value, size, flags);
}

SyscallResult SysGetxattr(Task& task, UserPath path, UserAddr name, UserAddr value, Size size) {
  return AtPath(task, path, 0, Get, name, value, size);
}
SyscallResult SysLgetxattr(Task& task, UserPath path, UserAddr name, UserAddr value, Size size) {
  return AtPath(task, path, kNoFollow, Get, name, value, size);
}
SyscallResult SysFgetxattr(Task& task, Fd fd, UserAddr name, UserAddr value, Size size) {
  return AtFd(task, fd, Get, name, value, size);
}

SyscallResult SysListxattr(Task& task, UserPath path, UserAddr list, Size size) {
  return AtPath(task, path, 0, List, list, size);
}
SyscallResult SysLlistxattr(Task& task, UserPath path, UserAddr list, Size size) {
  return AtPath(task, path, kNoFollow, List, list, size);
}
SyscallResult SysFlistxattr(Task& task, Fd fd, UserAddr list, Size size) { return AtFd(task, fd, List, list, size); }

SyscallResult SysRemovexattr(Task& task, UserPath path, UserAddr name) { return AtPath(task, path, 0, Remove, name); }
SyscallResult SysLremovexattr(Task& task, UserPath path, UserAddr name) {
  return AtPath(task, path, kNoFollow, Remove, name);
}
SyscallResult SysFremovexattr(Task& task, Fd fd, UserAddr name) { return AtFd(task, fd, Remove, name); }

}  // namespace sentry
