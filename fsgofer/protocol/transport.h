// Packets and descriptors over a Unix SOCK_SEQPACKET socket.
#ifndef FSGOFER_PROTOCOL_TRANSPORT_H_
#define FSGOFER_PROTOCOL_TRANSPORT_H_

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace fsgofer {

// The two halves of a connection: socket i of one talks to socket i of the
// other. Made by runsc-cpp before either process drops its rights.
struct ConnectionFds {
  std::vector<base::UniqueFd> client;
  std::vector<base::UniqueFd> server;
};
inline constexpr size_t kMaxChannels = 64;
base::Result<ConnectionFds> MakeConnection(size_t channels);

// Sends one packet, with `fd` if that is not -1. Retries EINTR.
// Errors: EPIPE, ECONNRESET when the peer is gone; never raises SIGPIPE.
base::Result<void> SendPacket(int socket, std::span<const std::byte> bytes, int fd);

struct Packet {
  size_t size = 0;
  base::UniqueFd fd;
};

enum class AcceptFds { kNone, kOne };

// Receives one packet. EPIPE: the peer has closed. EMSGSIZE: the packet is
// longer than the buffer, or holds more descriptors than `accept` allows; all
// of them are closed then.
base::Result<Packet> ReceivePacket(int socket, std::span<std::byte> buffer, AcceptFds accept);

}  // namespace fsgofer

#endif  // FSGOFER_PROTOCOL_TRANSPORT_H_
