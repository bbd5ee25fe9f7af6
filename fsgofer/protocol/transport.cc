#include "fsgofer/protocol/transport.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace fsgofer {
namespace {

using base::Errno;
using base::Result;
using base::UniqueFd;

constexpr unsigned kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr timespec kWait = {.tv_sec = 0, .tv_nsec = 200'000'000};

long Futex(std::atomic<uint32_t>& word, int op, uint32_t value, const timespec* timeout) {
  return syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), op, value, timeout, nullptr, 0);
}

Result<UniqueFd> MakeMemory(size_t channels) {
  UniqueFd memory(memfd_create("gofer", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) return base::HostErrno();
  if (ftruncate(memory.get(), static_cast<off_t>(channels * sizeof(ChannelMemory))) != 0) return base::HostErrno();
  if (fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) return base::HostErrno();
  return memory;
}

// Takes ownership of every descriptor that came with the packet. More than one
// is a violation: the buffer's alignment leaves room for two.
bool TakeFds(msghdr& msg, UniqueFd* out) {
  size_t count = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++, count++) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      UniqueFd owned(fd);
      if (count == 0) *out = std::move(owned);
    }
  }
  return count <= 1 && (msg.msg_flags & MSG_CTRUNC) == 0;
}

}  // namespace

Result<ConnectionFds> MakeConnection(size_t channels) {
  if (channels == 0 || channels > kMaxChannels) return Errno::kEINVAL;
  ConnectionFds fds;
  for (size_t i = 0; i < channels; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return base::HostErrno();
    fds.client.sockets.emplace_back(pair[0]);
    fds.server.sockets.emplace_back(pair[1]);
  }
  fds.client.memory = TRY(MakeMemory(channels));
  fds.server.memory.reset(fcntl(fds.client.memory.get(), F_DUPFD_CLOEXEC, 3));
  if (!fds.server.memory.valid()) return base::HostErrno();
  return fds;
}

Result<std::unique_ptr<SharedMemory>> SharedMemory::Map(const UniqueFd& memory, size_t channels) {
  const size_t bytes = channels * sizeof(ChannelMemory);
  struct stat st;
  if (fstat(memory.get(), &st) != 0) return base::HostErrno();
  const int seals = fcntl(memory.get(), F_GET_SEALS);
  if (channels == 0 || channels > kMaxChannels || static_cast<size_t>(st.st_size) < bytes || seals < 0 ||
      (seals & F_SEAL_SHRINK) == 0) {
    return Errno::kEINVAL;
  }
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (p == MAP_FAILED) return base::HostErrno();
  return std::unique_ptr<SharedMemory>(new SharedMemory(static_cast<ChannelMemory*>(p), bytes));
}

SharedMemory::~SharedMemory() { munmap(base_, bytes_); }

// Release and acquire on `turn` order the message's bytes; `size` goes with
// them. That the peer keeps to it is not relied on: a torn message is at worst
// a malformed one.
void Publish(MessageArea& area, uint32_t turn, size_t size) {
  area.size.store(static_cast<uint32_t>(size), std::memory_order_relaxed);
  area.turn.store(turn, std::memory_order_release);
  Futex(area.turn, FUTEX_WAKE, 1, nullptr);
}

uint32_t AwaitTurn(MessageArea& area, uint32_t seen, Patience patience) {
  uint32_t turn = area.turn.load(std::memory_order_acquire);
  if (turn != seen) return turn;
  Futex(area.turn, FUTEX_WAIT, seen, patience == Patience::kShort ? &kWait : nullptr);
  return area.turn.load(std::memory_order_acquire);
}

// Changing the word makes a wait that is about to begin return at once.
void Interrupt(MessageArea& area) {
  area.turn.fetch_xor(1u << 31, std::memory_order_release);
  Futex(area.turn, FUTEX_WAKE, INT32_MAX, nullptr);
}

size_t CopyOut(const MessageArea& area, std::span<const std::byte> shared, std::span<std::byte> into) {
  const size_t size = std::min<size_t>({area.size.load(std::memory_order_relaxed), shared.size(), into.size()});
  std::memcpy(into.data(), shared.data(), size);
  // The compiler may not read the shared bytes again in place of the copy.
  asm volatile("" ::: "memory");
  return size;
}

Result<void> SendFd(int socket, int fd) {
  char byte = 0;
  iovec iov = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr msg = {};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  cmsghdr* c = CMSG_FIRSTHDR(&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(c), &fd, sizeof(fd));
  for (;;) {
    if (sendmsg(socket, &msg, MSG_NOSIGNAL) >= 0) return base::Ok();
    if (errno != EINTR) return base::HostErrno();
  }
}

Result<UniqueFd> ReceiveFd(int socket) {
  char byte;
  iovec iov = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  for (;;) {
    msghdr msg = {};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control;
    msg.msg_controllen = sizeof(control);
    const ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::HostErrno();
    UniqueFd fd;
    if (!TakeFds(msg, &fd) || (msg.msg_flags & MSG_TRUNC) != 0) return Errno::kEMSGSIZE;
    if (n == 0) return Errno::kEPIPE;
    if (!fd.valid()) return Errno::kEAGAIN;
    return fd;
  }
}

bool PeerGone(int socket) {
  pollfd p = {.fd = socket, .events = 0, .revents = 0};
  return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

}  // namespace fsgofer
