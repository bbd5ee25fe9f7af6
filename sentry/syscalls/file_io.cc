#include "sentry/syscalls/file_io.h"

#include "sentry/abi/socket.h"
#include "sentry/fs/eventfd/eventfd.h"
#include "sentry/fs/pipe/pipe_file.h"
#include "sentry/net/socket/socket.h"
#include "sentry/vfs/notify.h"

namespace sentry {
namespace {

Socket* AsSocket(FileDescription& file) {
  return file.kind() == Socket::Kind() ? static_cast<Socket*>(&file) : nullptr;
}

// Whether a short count means "go on": not where one write is one message.
bool WritesBytes(FileDescription& file) {
  if (Socket* socket = AsSocket(file)) return socket->socket_type() == abi::kSockStream;
  return file.kind() != EventFd::Kind();
}

// Linux's pipe_write tells of a reader that left midway; sockets do only when
// nothing was sent, and datagrams never.
bool RaisesSigPipe(FileDescription& file, size_t done) {
  if (file.kind() == PipeEnd::Kind()) return true;
  return done == 0 && WritesBytes(file);
}

}  // namespace

Deadline IoDeadline(FileDescription& file, base::EventMask mask) {
  Socket* const socket = AsSocket(file);
  if (socket == nullptr) return std::nullopt;
  const int64_t timeout = (mask & base::kEventIn) != 0 ? socket->receive_timeout_ns() : socket->send_timeout_ns();
  return timeout == 0 ? Deadline() : DeadlineAfter(timeout);
}

Interruptible<size_t> ReadFile(Task& task, const VfsContext& ctx, FileDescription& file, IoSink& dst,
                               std::optional<uint64_t> offset, Wait wait) {
  auto n = BlockForIo(task, file, base::kReadableEvents, wait,
                      [&] { return offset ? file.ReadAt(ctx, dst, *offset) : file.Read(ctx, dst); });
  if (n.ok() && n.value() > 0) notify::Accessed(file);
  return n;
}

Errno SizeError(Task& task, const VfsContext& ctx, Errno error) {
  if (error == Errno::kEFBIG && ctx.file_size_limit != UINT64_MAX) task.SendKernelSignal(abi::kSigXfsz);
  return error;
}

namespace {

Interruptible<size_t> WriteAll(Task& task, const VfsContext& ctx, FileDescription& file, IoSource& src,
                               std::optional<uint64_t> offset, Wait wait) {
  size_t done = 0;
  while (true) {
    auto n = BlockForIo(task, file, base::kWritableEvents, wait,
                        [&] { return offset ? file.WriteAt(ctx, src, *offset + done) : file.Write(ctx, src); });
    if (!n.ok()) {
      const SyscallError error = n.error();
      const Errno* const e = error.errno_if();
      if (e != nullptr && *e == Errno::kEPIPE && RaisesSigPipe(file, done)) task.SendKernelSignal(abi::kSigPipe);
      if (done > 0) return done;
      if (e != nullptr) return SizeError(task, ctx, *e);
      return error;
    }
    done += n.value();
    if (n.value() == 0 || src.remaining() == 0 || !WritesBytes(file)) return done;
  }
}

}  // namespace

Interruptible<size_t> WriteFile(Task& task, const VfsContext& ctx, FileDescription& file, IoSource& src,
                                std::optional<uint64_t> offset, Wait wait) {
  auto n = WriteAll(task, ctx, file, src, offset, wait);
  if (n.ok() && n.value() > 0) notify::Modified(file);
  return n;
}

}  // namespace sentry
