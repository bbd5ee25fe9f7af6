// How a call waits for a file: the loops around FileDescription's and Socket's
// never-sleeping operations (kernel/block.h), with the rules of O_NONBLOCK,
// SO_RCVTIMEO and SO_SNDTIMEO, and the signals that a failed write raises.
#ifndef SENTRY_SYSCALLS_FILE_IO_H_
#define SENTRY_SYSCALLS_FILE_IO_H_

#include <optional>
#include <utility>

#include "sentry/kernel/block.h"
#include "sentry/usermem/io_buffer.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

enum class Wait : uint8_t {
  kByFile,  // unless O_NONBLOCK is set
  kNever,   // MSG_DONTWAIT, RWF_NOWAIT, SPLICE_F_NONBLOCK
};

// When a wait for `mask` ends by itself: only sockets have such times.
Deadline IoDeadline(FileDescription& file, base::EventMask mask);

// EINTR of a file, which never sleeps, is a signal that it has sent itself: a
// terminal's SIGTTIN or SIGTTOU. The call restarts once that was dealt with.
inline bool IsInterruption(const SyscallError& error) {
  return error.errno_if() != nullptr && *error.errno_if() == Errno::kEINTR;
}

// Calls `attempt` until it says something else than EAGAIN. As Linux's
// sock_intr_errno: a wait with a time-out is not restarted.
template <typename Attempt>
auto BlockForIo(Task& task, FileDescription& file, base::EventMask mask, Wait wait, Attempt attempt)
    -> Interruptible<typename decltype(attempt())::value_type> {
  base::WaitQueue* const queue = wait == Wait::kNever || file.nonblocking() ? nullptr : file.wait_queue();
  const Deadline deadline = queue == nullptr ? Deadline() : IoDeadline(file, mask);
  auto result = BlockUntil(task, queue, mask, deadline, std::move(attempt));
  if (deadline && result.interrupted()) return Errno::kEINTR;
  if (!result.ok() && IsInterruption(result.error())) return Restart::kSys;
  return result;
}

// read(2) and its kin: at the file's position, or at `offset`.
Interruptible<size_t> ReadFile(Task& task, const VfsContext& ctx, FileDescription& file, IoSink& dst,
                               std::optional<uint64_t> offset, Wait wait);
// write(2) and its kin: goes on until all is written, an error or a signal
// comes; a count, if anything was. Raises SIGPIPE and SIGXFSZ.
Interruptible<size_t> WriteFile(Task& task, const VfsContext& ctx, FileDescription& file, IoSource& src,
                                std::optional<uint64_t> offset, Wait wait);
// EFBIG for RLIMIT_FSIZE comes with SIGXFSZ.
Errno SizeError(Task& task, const VfsContext& ctx, Errno error);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_FILE_IO_H_
