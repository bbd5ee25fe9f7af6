// Messages sent and received: Linux's net/socket.c.
#include <algorithm>
#include <cstddef>

#include "sentry/syscalls/file_io.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/socket_args.h"
#include "sentry/syscalls/time_args.h"

namespace sentry {
namespace {

constexpr uint32_t kMsgCmsgCompat = 0x80000000;  // the 32-bit entries' alone

// With these a stream's result is whole as it comes (TCP drops what MSG_TRUNC
// asks for, so that the buffer never fills).
constexpr uint32_t kNoWaitAll = abi::kMsgPeek | abi::kMsgTrunc | abi::kMsgOob | abi::kMsgErrQueue;
constexpr uint32_t kNeverWaits = abi::kMsgDontWait | abi::kMsgErrQueue;

Wait WaitOf(uint32_t flags) { return (flags & kNeverWaits) != 0 ? Wait::kNever : Wait::kByFile; }

// One message, or all bytes of a stream; SIGPIPE as Linux's unix_stream_sendmsg.
Interruptible<size_t> Send(Task& task, Socket& socket, IoSource& source, const SocketAddress& to,
                           const ControlData& control, uint32_t flags) {
  const VfsContext ctx = task.vfs_context();
  const bool stream = socket.socket_type() == abi::kSockStream;
  size_t done = 0;
  while (true) {
    auto n = BlockForIo(task, socket, base::kWritableEvents, WaitOf(flags), [&] {
      // Ancillary data goes with the first byte.
      return socket.SendMessage(ctx, source, to, done == 0 ? control : ControlData(), flags);
    });
    if (!n.ok()) {
      if (done > 0) return done;
      const SyscallError error = n.error();
      const bool broken = error.errno_if() != nullptr && *error.errno_if() == Errno::kEPIPE;
      if (broken && stream && (flags & abi::kMsgNoSignal) == 0) task.SendKernelSignal(abi::kSigPipe);
      return error;
    }
    done += n.value();
    if (n.value() == 0 || source.remaining() == 0 || !stream) return done;
  }
}

// One message, or what a stream has; with MSG_WAITALL until the buffer is full.
Interruptible<ReceiveResult> Receive(Task& task, Socket& socket, IoSink& sink, uint32_t flags) {
  const VfsContext ctx = task.vfs_context();
  const auto once = [&] {
    return BlockForIo(task, socket, base::kReadableEvents, WaitOf(flags),
                      [&] { return socket.ReceiveMessage(ctx, sink, flags); });
  };
  auto result = once();
  const bool wait_all =
      (flags & abi::kMsgWaitAll) != 0 && (flags & kNoWaitAll) == 0 && socket.socket_type() == abi::kSockStream;
  if (!result.ok() || !wait_all) return result;
  ReceiveResult& all = result.value();
  size_t last = all.bytes;
  // Descriptors end a message even in a stream.
  while (last > 0 && sink.remaining() > 0 && all.control.files.empty()) {
    auto more = once();
    if (!more.ok()) break;
    last = more.value().bytes;
    all.bytes += last;
    all.flags |= more.value().flags;
    all.control.files = std::move(more.value().control.files);
  }
  return result;
}

// What one of sendmsg's messages is made of (Linux's copy_msghdr_from_user).
struct MessageArg {
  abi::Msghdr header;
  std::vector<UserIovec> iov;
};

Result<MessageArg> ReadHeader(Task& task, UserAddr addr) {
  MessageArg arg{.header = TRY(UserIn<abi::Msghdr>(addr).Read(task.mm())), .iov = {}};
  abi::Msghdr& h = arg.header;
  if (h.name == 0) h.namelen = 0;
  if (h.namelen < 0) return Errno::kEINVAL;
  h.namelen = std::min<int32_t>(h.namelen, abi::kSockaddrMax);
  if (h.iovlen > abi::kUioMaxIov) return Errno::kEMSGSIZE;
  arg.iov = TRY(ImportIovec(task, UserAddr(h.iov), h.iovlen));
  return arg;
}

Interruptible<size_t> SendOne(Task& task, Socket& socket, UserAddr addr, uint32_t flags) {
  MessageArg arg = TRY(ReadHeader(task, addr));
  const SocketAddress to = TRY(ReadAddress(task, UserAddr(arg.header.name), arg.header.namelen));
  ControlData control;
  if (arg.header.control != 0) {
    control = TRY(ReadControl(task, socket, UserAddr(arg.header.control), arg.header.controllen));
  }
  UserIoSource source(task.mm(), std::move(arg.iov));
  return Send(task, socket, source, to, control, flags);
}

// Copies out what came besides the bytes (Linux's ____sys_recvmsg).
Result<void> WriteHeader(Task& task, UserAddr addr, const abi::Msghdr& in, ReceiveResult& got, uint32_t flags) {
  const CloseOnExec cloexec = (flags & abi::kMsgCmsgCloExec) != 0 ? CloseOnExec::kYes : CloseOnExec::kNo;
  const ControlWritten control =
      WriteControl(task, std::move(got.control), UserAddr(in.control), in.controllen, cloexec);
  MemoryManager& mm = task.mm();
  if (in.name != 0) {
    const size_t n = std::min(static_cast<size_t>(in.namelen), got.from.size());
    TRY(CopyOutFull(mm, UserAddr(in.name), std::span(got.from).first(n)));
    const UserAddr at = addr + offsetof(abi::Msghdr, namelen);
    TRY(UserOut<int32_t>(at).Write(mm, static_cast<int32_t>(got.from.size())));
  }
  const uint32_t out = got.flags | control.flags | (flags & abi::kMsgCmsgCloExec);
  TRY(UserOut<uint32_t>(addr + offsetof(abi::Msghdr, flags)).Write(mm, out));
  return UserOut<uint64_t>(addr + offsetof(abi::Msghdr, controllen)).Write(mm, control.length);
}

Interruptible<size_t> ReceiveOne(Task& task, Socket& socket, UserAddr addr, uint32_t flags) {
  MessageArg arg = TRY(ReadHeader(task, addr));
  UserIoSink sink(task.mm(), std::move(arg.iov));
  auto received = Receive(task, socket, sink, flags);
  if (!received.ok()) return received.error();
  ReceiveResult&& got = std::move(received).value();
  TRY(WriteHeader(task, addr, arg.header, got, flags));
  return got.bytes;
}

UserAddr MessageAt(UserAddr messages, uint32_t i) { return messages + uint64_t{i} * sizeof(abi::Mmsghdr); }

// The length of the i-th message of sendmmsg or recvmmsg, into its header.
Result<void> WriteLength(Task& task, UserAddr messages, uint32_t i, size_t length) {
  const UserAddr at = MessageAt(messages, i) + offsetof(abi::Mmsghdr, len);
  return UserOut<uint32_t>(at).Write(task.mm(), static_cast<uint32_t>(length));
}

// A count if there is any message; else why there is none.
SyscallResult CountOr(uint32_t done, const SyscallError& error) { return done > 0 ? SyscallResult(done) : error; }

}  // namespace

SyscallResult SysSendto(Task& task, Fd fd, UserAddr buf, Size length, uint32_t flags, UserAddr address,
                        uint32_t address_length) {
  UserIoSource source(task.mm(), TRY(ImportBuffer(buf, length.value)));
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  SocketAddress to;
  if (!address.is_null()) to = TRY(ReadAddress(task, address, static_cast<int32_t>(address_length)));
  return Send(task, *socket, source, to, {}, flags);
}

SyscallResult SysRecvfrom(Task& task, Fd fd, UserAddr buf, Size length, uint32_t flags, UserAddr address,
                          UserInOut<uint32_t> address_length) {
  UserIoSink sink(task.mm(), TRY(ImportBuffer(buf, length.value)));
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  const ReceiveResult got = TRY(Receive(task, *socket, sink, flags));
  TRY(WriteAddress(task, got.from, address, address_length));
  return got.bytes;
}

SyscallResult SysSendmsg(Task& task, Fd fd, UserAddr message, uint32_t flags) {
  if ((flags & kMsgCmsgCompat) != 0) return Errno::kEINVAL;
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  return SendOne(task, *socket, message, flags);
}

SyscallResult SysRecvmsg(Task& task, Fd fd, UserAddr message, uint32_t flags) {
  if ((flags & kMsgCmsgCompat) != 0) return Errno::kEINVAL;
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  return ReceiveOne(task, *socket, message, flags);
}

SyscallResult SysSendmmsg(Task& task, Fd fd, UserAddr messages, uint32_t count, uint32_t flags) {
  if ((flags & kMsgCmsgCompat) != 0) return Errno::kEINVAL;
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  count = std::min<uint32_t>(count, abi::kUioMaxIov);
  for (uint32_t i = 0; i < count; ++i) {
    auto sent = SendOne(task, *socket, MessageAt(messages, i), flags);
    if (!sent.ok()) return CountOr(i, sent.error());
    if (const Result<void> told = WriteLength(task, messages, i, sent.value()); !told.ok()) {
      return CountOr(i, told.error());
    }
  }
  return count;
}

namespace {

// Linux's do_recvmmsg: the time is looked at between messages only.
SyscallResult ReceiveMany(Task& task, Socket& socket, UserAddr messages, uint32_t count, uint32_t flags,
                          Deadline deadline) {
  for (uint32_t i = 0; i < count; ++i) {
    auto got = ReceiveOne(task, socket, MessageAt(messages, i), flags & ~abi::kMsgWaitForOne);
    if (!got.ok()) return CountOr(i, got.error());
    if (const Result<void> told = WriteLength(task, messages, i, got.value()); !told.ok()) {
      return CountOr(i, told.error());
    }
    if ((flags & abi::kMsgWaitForOne) != 0) flags |= abi::kMsgDontWait;
    if (deadline && MonotonicNow() >= *deadline) return i + 1;
  }
  return count;
}

}  // namespace

SyscallResult SysRecvmmsg(Task& task, Fd fd, UserAddr messages, uint32_t count, uint32_t flags,
                          UserInOut<abi::Timespec> timeout) {
  if ((flags & kMsgCmsgCompat) != 0) return Errno::kEINVAL;
  const Deadline deadline = TRY(ReadRelativeTimeout(task, timeout.addr()));
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  const SyscallResult result =
      ReceiveMany(task, *socket, messages, std::min<uint32_t>(count, abi::kUioMaxIov), flags, deadline);
  if (deadline && result.value_if() != nullptr) {
    const int64_t left = std::max<int64_t>(*deadline - MonotonicNow(), 0);
    TRY(timeout.Write(task.mm(), NsToTimespec(left)));
  }
  return result;
}

}  // namespace sentry
