#include "sentry/syscalls/file_args.h"

#include <algorithm>

#include "sentry/abi/socket.h"
#include "sentry/kernel/close.h"

namespace sentry {

Result<PathArg> ReadPathArg(Task& task, DirFd dir, UserPath path, EmptyPath empty) {
  PathArg arg;
  arg.text = TRY(path.Read(task.mm()));
  if (arg.text.empty() && empty == EmptyPath::kNo) return Errno::kENOENT;
  if (dir.value == abi::kAtFdCwd || arg.text.starts_with('/')) {
    arg.start = task.fs().cwd();
  } else {
    arg.start = TRY(task.fds().Get(dir.value))->path();
  }
  return arg;
}

Result<Path> ResolveArg(const VfsContext& ctx, const PathArg& arg, WalkFlags flags) {
  return ResolvePath(ctx, arg.start, arg.text, flags);
}

Result<Path> ResolveAt(Task& task, const VfsContext& ctx, DirFd dir, UserPath path, uint32_t at) {
  const bool empty_path = (at & abi::kAtEmptyPath) != 0;
  const PathArg arg = TRY(ReadPathArg(task, dir, path, empty_path ? EmptyPath::kAllowed : EmptyPath::kNo));
  return ResolveArg(ctx, arg, {.follow = (at & abi::kAtSymlinkNoFollow) == 0, .empty_path = empty_path});
}

Result<std::vector<UserIovec>> ImportBuffer(UserAddr buf, uint64_t count) {
  if (!MakeUserRange(buf, count)) return Errno::kEFAULT;
  return std::vector<UserIovec>{{buf, std::min<uint64_t>(count, kMaxRwCount)}};
}

Result<std::vector<UserIovec>> ImportIovec(Task& task, UserAddr iov, uint64_t count) {
  struct Raw {
    uint64_t base;
    uint64_t len;
  };
  if (count > abi::kUioMaxIov) return Errno::kEINVAL;
  const std::vector<Raw> raw = TRY(UserIn<Raw>(iov).ReadArray(task.mm(), count));
  std::vector<UserIovec> out;
  out.reserve(raw.size());
  uint64_t total = 0;
  for (const Raw& r : raw) {
    if (r.len > INT64_MAX) return Errno::kEINVAL;
  }
  for (const Raw& r : raw) {
    if (!MakeUserRange(UserAddr(r.base), r.len)) return Errno::kEFAULT;
    const uint64_t len = std::min<uint64_t>(r.len, kMaxRwCount - total);
    out.push_back({UserAddr(r.base), len});
    total += len;
  }
  return out;
}

Result<int32_t> InstallFd(Task& task, RefPtr<FileDescription> file, CloseOnExec cloexec) {
  return task.fds().Install(std::move(file), cloexec, NofileLimit(task));
}

Result<int32_t> InstallFdPair(Task& task, RefPtr<FileDescription> a, RefPtr<FileDescription> b, CloseOnExec cloexec,
                              UserOut<FdPair> out) {
  const auto fds = TRY(task.fds().InstallPair(std::move(a), std::move(b), cloexec, NofileLimit(task)));
  const Result<void> told = out.Write(task.mm(), {fds.first, fds.second});
  if (told.ok()) return 0;
  // Nobody was told of them. Another thread may have closed one, and that is its
  // own business.
  for (const int32_t fd : {fds.first, fds.second}) {
    Result<RefPtr<FileDescription>> file = task.fds().Remove(fd);
    if (file.ok()) CloseFile(task, std::move(*file));
  }
  return told.error();
}

Result<void> CopyInExtensible(Task& task, UserAddr addr, uint64_t size, size_t minimum, std::span<std::byte> dst) {
  if (size < minimum) return Errno::kEINVAL;
  if (size > kPageSize) return Errno::kE2BIG;
  TRY(CopyInFull(task.mm(), addr, dst.first(std::min<size_t>(size, dst.size()))));
  if (size <= dst.size()) return Ok();
  std::vector<std::byte> rest(size - dst.size());
  TRY(CopyInFull(task.mm(), addr + dst.size(), rest));
  const bool zero = std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
  return zero ? Ok() : Errno::kE2BIG;
}

}  // namespace sentry
