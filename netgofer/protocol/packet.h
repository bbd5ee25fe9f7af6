// One packet with at most one descriptor, sent or received whole.
#ifndef NETGOFER_PROTOCOL_PACKET_H_
#define NETGOFER_PROTOCOL_PACKET_H_

#include <cstddef>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"

namespace netgofer {

// `fd` -1: none. EPIPE and the like: the peer is gone.
base::Result<void> SendPacket(int socket, std::span<const std::byte> header, std::span<const std::byte> data, int fd);

struct Packet {
  size_t size = 0;  // 0: the peer is gone
  base::UniqueFd fd;
};
// Waits for one. EMSGSIZE: longer than the buffer, or with more than one
// descriptor; all of them are closed. A descriptor that our table has no room
// for is lost, which is no error here.
base::Result<Packet> ReceivePacket(int socket, std::span<std::byte> buffer);

}  // namespace netgofer

#endif  // NETGOFER_PROTOCOL_PACKET_H_
