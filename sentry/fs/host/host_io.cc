#include "sentry/fs/host/host_io.h"

#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sentry/abi/termios.h"
#include "sentry/abi/tty.h"

namespace sentry {
namespace {

// A call that a signal of ours cut short did nothing yet.
template <typename Call>
Result<size_t> Retry(Call call) {
  ssize_t n;
  do {
    n = call();
  } while (n < 0 && errno == EINTR);
  if (n < 0) return base::HostErrno();
  return static_cast<size_t>(n);
}

}  // namespace

Result<HostIo::Kind> HostIo::KindOf(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return base::HostErrno();
  if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) return Kind::kRegular;
  if (S_ISDIR(st.st_mode)) return Kind::kDirectory;
  if (S_ISFIFO(st.st_mode)) return Kind::kPipe;
  if (S_ISSOCK(st.st_mode)) return Kind::kSocket;
  abi::Termios termios;
  return ioctl(fd, abi::kTcGetS, &termios) == 0 ? Kind::kTerminal : Kind::kDevice;
}

Result<size_t> HostIo::Read(std::span<std::byte> dst) const {
  if (dst.empty()) return size_t{0};
  if (always_ready()) return Retry([&] { return read(fd(), dst.data(), dst.size()); });
  if (kind_ == Kind::kSocket) return Retry([&] { return recv(fd(), dst.data(), dst.size(), MSG_DONTWAIT); });
  if (kind_ == Kind::kPipe && no_wait_.load(std::memory_order_relaxed)) {
    iovec iov{dst.data(), dst.size()};
    const Result<size_t> n = Retry([&] { return preadv2(fd(), &iov, 1, -1, RWF_NOWAIT); });
    if (!n.Is(Errno::kEOPNOTSUPP)) return n;
    no_wait_.store(false, std::memory_order_relaxed);
  }
  // Somebody else who reads the same pipe may come between the two calls; we
  // would then sleep until its next byte. Hosts from 6.4 on take the way above.
  if (Poll(base::kEventIn) == 0) return Errno::kEAGAIN;
  return Retry([&] { return read(fd(), dst.data(), dst.size()); });
}

Result<size_t> HostIo::Write(std::span<const std::byte> src, bool append) const {
  if (always_ready()) {
    if (!append) return Retry([&] { return write(fd(), src.data(), src.size()); });
    iovec iov{const_cast<std::byte*>(src.data()), src.size()};
    return Retry([&] { return pwritev2(fd(), &iov, 1, -1, RWF_APPEND); });
  }
  if (kind_ == Kind::kSocket) {
    return Retry([&] { return send(fd(), src.data(), src.size(), MSG_DONTWAIT | MSG_NOSIGNAL); });
  }
  if (kind_ == Kind::kPipe && no_wait_.load(std::memory_order_relaxed)) {
    iovec iov{const_cast<std::byte*>(src.data()), src.size()};
    const Result<size_t> n = Retry([&] { return pwritev2(fd(), &iov, 1, -1, RWF_NOWAIT); });
    if (!n.Is(Errno::kEOPNOTSUPP)) return n;
    no_wait_.store(false, std::memory_order_relaxed);
  }
  // POLLOUT of a pipe promises PIPE_BUF bytes.
  if (Poll(base::kEventOut) == 0) return Errno::kEAGAIN;
  return Retry([&] { return write(fd(), src.data(), std::min<size_t>(src.size(), PIPE_BUF)); });
}

base::EventMask HostIo::Poll(base::EventMask mask) const {
  pollfd p{};
  p.fd = fd();
  p.events = static_cast<short>(
      mask & (POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLRDHUP));
  int n;
  do {
    n = poll(&p, 1, 0);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return 0;
  if (p.revents & POLLNVAL) return base::kEventErr;
  return static_cast<uint16_t>(p.revents);
}

}  // namespace sentry
