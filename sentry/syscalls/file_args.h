// What the file calls share: paths and buffers as the guest hands them in, and
// descriptors as it gets them.
#ifndef SENTRY_SYSCALLS_FILE_ARGS_H_
#define SENTRY_SYSCALLS_FILE_ARGS_H_

#include <string>
#include <vector>

#include "sentry/kernel/task.h"
#include "sentry/syscalls/arg_types.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/usermem/io_buffer.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/operations.h"

namespace sentry {

inline constexpr DirFd kCwd{abi::kAtFdCwd};

// A path argument with the place where it starts.
struct PathArg {
  Path start;
  std::string text;
};
enum class EmptyPath : uint8_t { kNo, kAllowed };
// EFAULT, ENAMETOOLONG, ENOENT (empty), EBADF, in Linux's order.
Result<PathArg> ReadPathArg(Task& task, DirFd dir, UserPath path, EmptyPath empty = EmptyPath::kNo);
// Where the path leads.
Result<Path> ResolveArg(const VfsContext& ctx, const PathArg& arg, WalkFlags flags = {});
// Both at once, for calls with AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH in `at`.
Result<Path> ResolveAt(Task& task, const VfsContext& ctx, DirFd dir, UserPath path, uint32_t at);

// One buffer, or a vector of them: EFAULT for addresses no guest can have,
// EINVAL for lengths, the sum clamped to MAX_RW_COUNT (Linux's import_iovec).
Result<std::vector<UserIovec>> ImportBuffer(UserAddr buf, uint64_t count);
Result<std::vector<UserIovec>> ImportIovec(Task& task, UserAddr iov, uint64_t count);

inline CloseOnExec ToCloseOnExec(uint32_t flags) {
  return (flags & abi::kOCloExec) != 0 ? CloseOnExec::kYes : CloseOnExec::kNo;
}
inline uint64_t NofileLimit(Task& task) { return task.group().soft_limit(RlimitKind::kNofile); }
// The lowest free number; EMFILE.
Result<int32_t> InstallFd(Task& task, RefPtr<FileDescription> file, CloseOnExec cloexec);

// Two at once (pipe, socketpair), their numbers at `out`: both or none.
Result<int32_t> InstallFdPair(Task& task, RefPtr<FileDescription> a, RefPtr<FileDescription> b, CloseOnExec cloexec,
                              UserOut<FdPair> out);

// A struct that grew over time: E2BIG where the caller's is longer and not zero
// there, EINVAL where it is shorter than the first version.
Result<void> CopyInExtensible(Task& task, UserAddr addr, uint64_t size, size_t minimum, std::span<std::byte> dst);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_FILE_ARGS_H_
