// A socket, as the system calls see it (man 2 socket and its family). Address
// families implement it.
//
// As all file code it never sleeps: EAGAIN, and the caller waits (VfsContext).
#ifndef SENTRY_NET_SOCKET_SOCKET_H_
#define SENTRY_NET_SOCKET_SOCKET_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sentry/vfs/file_description.h"

namespace sentry {

// A struct sockaddr as bytes, family included. At most 128.
using SocketAddress = std::vector<std::byte>;

// Ancillary data in kernel form. The system call layer turns descriptors into
// numbers and back.
struct PeerCredentials {
  RefPtr<Pid> pid;  // null: unknown
  uint32_t uid = 0;
  uint32_t gid = 0;
};
// Of a level that has its own rules: as in struct cmsghdr.
struct ControlRecord {
  int32_t level;
  int32_t type;
  std::vector<std::byte> data;
};
struct ControlData {
  std::vector<RefPtr<FileDescription>> files;  // SCM_RIGHTS, at most 253
  std::optional<PeerCredentials> credentials;  // SCM_CREDENTIALS
  std::vector<ControlRecord> records;          // all of other families than AF_UNIX
};

struct ReceiveResult {
  size_t bytes = 0;    // with MSG_TRUNC asked for: the datagram's full length
  uint32_t flags = 0;  // MSG_TRUNC, MSG_EOR, MSG_CTRUNC
  SocketAddress from;  // empty if unnamed or connected
  ControlData control;
};

class Socket : public FileDescription {
 public:
  using FileDescription::FileDescription;

  virtual int domain() const = 0;       // AF_UNIX, ...
  virtual int socket_type() const = 0;  // SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
  virtual int protocol() const { return 0; }

  virtual Result<void> Bind(const VfsContext& ctx, std::span<const std::byte> address) = 0;
  virtual Result<void> Listen(const VfsContext& ctx, int backlog) = 0;
  // EAGAIN: nothing to accept. `flags` are the new description's (O_NONBLOCK).
  virtual Result<RefPtr<Socket>> Accept(const VfsContext& ctx, uint32_t flags, SocketAddress* peer) = 0;
  // EAGAIN (unix: listener's queue is full) or EINPROGRESS: wait for kEventOut
  // and, after EINPROGRESS, ask SO_ERROR.
  virtual Result<void> Connect(const VfsContext& ctx, std::span<const std::byte> address) = 0;
  virtual Result<void> Shutdown(int how) = 0;
  virtual Result<SocketAddress> LocalAddress() = 0;
  virtual Result<SocketAddress> PeerAddress() = 0;

  // `to` empty: connected peer. EPIPE (the caller raises SIGPIPE unless
  // MSG_NOSIGNAL). Control data goes with the first byte.
  virtual Result<size_t> SendMessage(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to,
                                     ControlData control, uint32_t flags) = 0;
  virtual Result<ReceiveResult> ReceiveMessage(const VfsContext& ctx, IoSink& dst, uint32_t flags) = 0;

  // Raw option bytes (man 7 socket, unix). ENOPROTOOPT, EINVAL.
  virtual Result<std::vector<std::byte>> GetOption(const VfsContext& ctx, int level, int name, size_t max) = 0;
  virtual Result<void> SetOption(const VfsContext& ctx, int level, int name, std::span<const std::byte> value) = 0;
  // SO_RCVTIMEO / SO_SNDTIMEO in ns; 0: none.
  virtual int64_t receive_timeout_ns() const { return 0; }
  virtual int64_t send_timeout_ns() const { return 0; }

  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) override;
  Result<size_t> Write(const VfsContext& ctx, IoSource& src) override;
  const void* kind() const override { return Kind(); }
  static const void* Kind();
};

// The place of a new socket in "sockfs". `ino` 0: one of our own numbers.
Path NewSocketPath(const VfsContext& ctx, uint64_t ino = 0);

}  // namespace sentry

#endif  // SENTRY_NET_SOCKET_SOCKET_H_
