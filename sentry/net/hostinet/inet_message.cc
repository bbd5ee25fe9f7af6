// Bytes and datagrams in and out.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "sentry/abi/inet.h"
#include "sentry/abi/socket.h"
#include "sentry/net/hostinet/control.h"
#include "sentry/net/hostinet/inet_socket.h"

namespace sentry::hostinet {
namespace {

constexpr size_t kMaxDatagram = 65535;
constexpr uint32_t kMsgConfirm = 0x800, kMsgFastOpen = 0x20000000;
constexpr uint32_t kSendFlags = abi::kMsgOob | abi::kMsgDontRoute | abi::kMsgEor | abi::kMsgMore | kMsgConfirm;
constexpr uint32_t kReceiveFlags = abi::kMsgOob | abi::kMsgPeek | abi::kMsgTrunc | abi::kMsgErrQueue;
constexpr uint32_t kReportedFlags = abi::kMsgOob | abi::kMsgCtrunc | abi::kMsgTrunc | abi::kMsgEor | abi::kMsgErrQueue;

// Small ones on the stack, large ones not cleared.
class Buffer {
 public:
  explicit Buffer(size_t size) : size_(size) {
    if (size > sizeof small_) large_ = std::make_unique_for_overwrite<std::byte[]>(size);
  }
  std::span<std::byte> bytes() { return {large_ ? large_.get() : small_, size_}; }

 private:
  const size_t size_;
  std::byte small_[4096];
  std::unique_ptr<std::byte[]> large_;
};

// sendto(2) has no address, by the host filter: what has one goes by sendmsg.
ssize_t Send(int fd, std::span<const std::byte> bytes, std::span<const std::byte> to,
             std::span<const std::byte> control, int flags) {
  flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
  if (to.empty() && control.empty()) return send(fd, bytes.data(), bytes.size(), flags);
  iovec iov = {const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message = {};
  message.msg_name = to.empty() ? nullptr : const_cast<std::byte*>(to.data());
  message.msg_namelen = static_cast<socklen_t>(to.size());
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.empty() ? nullptr : const_cast<std::byte*>(control.data());
  message.msg_controllen = control.size();
  return sendmsg(fd, &message, flags);
}

}  // namespace

Result<size_t> InetSocket::SendMessage(const VfsContext&, IoSource& src, std::span<const std::byte> to,
                                       ControlData control, uint32_t flags) {
  // A connection is made by the netgofer or not at all.
  if ((flags & kMsgFastOpen) != 0) return Errno::kEOPNOTSUPP;
  if (!is_stream() && src.remaining() > kMaxDatagram) return Errno::kEMSGSIZE;
  const std::vector<std::byte> host_control = TRY(ToHostControl(control));
  Buffer buffer(std::min(src.remaining(), is_stream() ? kIoChunk : kMaxDatagram));
  const size_t wanted = buffer.bytes().size();
  const size_t got = wanted == 0 ? 0 : TRY(src.Read(buffer.bytes()));
  if (!is_stream() && got < wanted) {
    src.Rewind(got);
    return Errno::kEFAULT;
  }
  const ssize_t sent =
      Send(fd_.get(), buffer.bytes().first(got), to, host_control, static_cast<int>(flags & kSendFlags));
  if (sent < 0) {
    const Errno error = base::HostErrno();
    src.Rewind(got);
    if (error == Errno::kEAGAIN) ArmIfAwaited(SocketPoller::For::kRoom);
    return error;
  }
  src.Rewind(got - std::min(static_cast<size_t>(sent), got));
  return static_cast<size_t>(sent);
}

Result<size_t> InetSocket::ReceiveOnce(std::span<std::byte> buffer, uint32_t flags, ReceiveResult& result) {
  iovec iov = {buffer.data(), buffer.size()};
  sockaddr_storage from;
  alignas(cmsghdr) std::byte control[kMaxHostControl];
  msghdr message = {};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const int host_flags = static_cast<int>(flags & kReceiveFlags) | MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
  const ssize_t n = recvmsg(fd_.get(), &message, host_flags);
  if (n < 0) {
    const Errno error = base::HostErrno();
    if (error == Errno::kEAGAIN) ArmIfAwaited(SocketPoller::For::kArrivals);
    return error;
  }
  result.flags |= static_cast<uint32_t>(message.msg_flags) & kReportedFlags;
  const auto* const name = reinterpret_cast<const std::byte*>(&from);
  result.from.assign(name, name + std::min<size_t>(message.msg_namelen, sizeof from));
  if (message.msg_controllen > 0) {
    result.control.records =
        FromHostControl(std::span(control).first(std::min(message.msg_controllen, sizeof control)));
  }
  return static_cast<size_t>(n);
}

Result<ReceiveResult> InetSocket::ReceiveMessage(const VfsContext&, IoSink& dst, uint32_t flags) {
  const bool of_stream = is_stream() && (flags & (abi::kMsgOob | abi::kMsgErrQueue)) == 0;
  return of_stream ? ReceiveStream(dst, flags) : ReceiveDatagram(dst, flags);
}

Result<ReceiveResult> InetSocket::ReceiveDatagram(IoSink& dst, uint32_t flags) {
  ReceiveResult result;
  Buffer buffer(std::min(dst.remaining(), kMaxDatagram));
  const size_t n = TRY(ReceiveOnce(buffer.bytes(), flags, result));
  const auto bytes = buffer.bytes().first(std::min(n, buffer.bytes().size()));
  if (!bytes.empty() && TRY(dst.Write(bytes)) < bytes.size()) return Errno::kEFAULT;
  result.bytes = n;
  return result;
}

Result<ReceiveResult> InetSocket::ReceiveStream(IoSink& dst, uint32_t flags) {
  ReceiveResult result;
  if (aside_size() > 0) {
    result.bytes = TRY(TakeAside(dst, flags));
    if (result.bytes > 0) return result;
  }
  if (const int32_t error = late_error_.exchange(0, std::memory_order_relaxed); error != 0) {
    return static_cast<Errno>(error);
  }
  // TCP drops what MSG_TRUNC asks for, and copies none of it.
  const bool dropped = (flags & abi::kMsgTrunc) != 0;
  const bool once = dropped || (flags & abi::kMsgPeek) != 0;
  Buffer buffer(std::min(dst.remaining(), kIoChunk));
  do {
    const auto part = buffer.bytes().first(std::min(dst.remaining(), buffer.bytes().size()));
    const Result<size_t> n = ReceiveOnce(part, flags, result);
    if (!n.ok() && result.bytes == 0) return n.error();
    if (!n.ok() && !n.Is(Errno::kEAGAIN)) late_error_.store(static_cast<int32_t>(n.error()), std::memory_order_relaxed);
    if (!n.ok() || *n == 0) break;
    if (dropped) {
      result.bytes = *n;
      break;
    }
    const Result<size_t> copied = dst.Write(part.first(*n));
    const size_t taken = copied.ok() ? *copied : 0;
    if (taken < *n && (flags & abi::kMsgPeek) == 0) PutAside(part.subspan(taken, *n - taken));
    if (!copied.ok() && result.bytes == 0) return copied.error();
    result.bytes += taken;
    if (taken < *n || *n < part.size()) break;
  } while (!once && dst.remaining() > 0);
  return result;
}

void InetSocket::PutAside(std::span<const std::byte> bytes) {
  base::MutexLock lock(aside_mu_);
  aside_.insert(aside_.end(), bytes.begin(), bytes.end());
  aside_size_.store(aside_.size(), std::memory_order_release);
}

// Taken out first and put back where the guest's memory refuses it again: no
// lock is held over the copy.
Result<size_t> InetSocket::TakeAside(IoSink& dst, uint32_t flags) {
  std::vector<std::byte> taken;
  {
    base::MutexLock lock(aside_mu_);
    taken.swap(aside_);
    aside_size_.store(0, std::memory_order_release);
  }
  const size_t size = std::min(dst.remaining(), taken.size());
  if (size == 0) {
    PutAside(taken);
    return size_t{0};
  }
  const Result<size_t> copied = dst.Write(std::span(taken).first(size));
  const size_t done = !copied.ok() || (flags & abi::kMsgPeek) != 0 ? 0 : *copied;
  PutAside(std::span(taken).subspan(done));
  return copied;
}

}  // namespace sentry::hostinet
