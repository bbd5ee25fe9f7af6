// One connection: messages in shared memory, wake-ups by futex, descriptors
// and the news of the peer's death by Unix SOCK_SEQPACKET sockets.
//
// A connection has several channels; a channel carries one request at a time.
// Either side writes only its own half of a channel's memory and never reads
// it back; what the other side wrote is copied out once, then looked at.
#ifndef FSGOFER_PROTOCOL_TRANSPORT_H_
#define FSGOFER_PROTOCOL_TRANSPORT_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "fsgofer/protocol/wire.h"

namespace fsgofer {

// What one process holds of a connection: a socket for each channel, and the
// memory of them all. The memory's size is sealed: neither side can make the
// other's access fault.
struct ConnectionHalf {
  std::vector<base::UniqueFd> sockets;
  base::UniqueFd memory;
};
struct ConnectionFds {
  ConnectionHalf client;
  ConnectionHalf server;
};
inline constexpr size_t kMaxChannels = 64;

// Made by runsc-cpp before either process drops its rights.
base::Result<ConnectionFds> MakeConnection(size_t channels);

inline constexpr size_t kRequestBytes = sizeof(RequestHeader) + kMaxPayload;
inline constexpr size_t kReplyBytes = sizeof(ReplyHeader) + kMaxPayload;

// One direction of a channel: `turn` changes when a message is there.
struct MessageArea {
  std::atomic<uint32_t> turn;  // futex word, shared between processes
  std::atomic<uint32_t> size;
  uint32_t reserved[14];
};
static_assert(sizeof(MessageArea) == 64);

// A small request and its control words lie on one page, a small reply on
// another: an idle channel holds no memory, a busy one two pages.
struct ChannelMemory {
  MessageArea request;
  std::byte request_bytes[kRequestBytes];
  alignas(4096) MessageArea reply;
  std::byte reply_bytes[kReplyBytes];
};
static_assert(std::atomic<uint32_t>::is_always_lock_free);

class SharedMemory {
 public:
  // Errors: EINVAL if the memory is too small or may shrink.
  static base::Result<std::unique_ptr<SharedMemory>> Map(const base::UniqueFd& memory, size_t channels);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ChannelMemory& channel(size_t i) { return base_[i]; }

 private:
  SharedMemory(ChannelMemory* base, size_t bytes) : base_(base), bytes_(bytes) {}
  ChannelMemory* base_;
  size_t bytes_;
};

// Publishes the `size` bytes written into the area's buffer.
void Publish(MessageArea& area, uint32_t turn, size_t size);

// Waits until `turn` is not `seen` any more, or a signal, and gives back what
// it is. A client with a call in flight waits 200 ms at most, so as to see that
// the server has died; an idle server sleeps until it is told.
enum class Patience { kShort, kForever };
uint32_t AwaitTurn(MessageArea& area, uint32_t seen, Patience patience);

// Ends every AwaitTurn of `seen` on this side, now and later.
void Interrupt(MessageArea& area);

// Copies out what the peer published, its size read once and bounded by both
// buffers. No later look at the shared memory is needed, nor made.
size_t CopyOut(const MessageArea& area, std::span<const std::byte> shared, std::span<std::byte> into);

// Sends a descriptor, ahead of the message it belongs to.
base::Result<void> SendFd(int socket, int fd);
// Takes the descriptor that a message has announced; never waits. Errors:
// EAGAIN (there is none), EMSGSIZE (more than one: all are closed), EPIPE.
base::Result<base::UniqueFd> ReceiveFd(int socket);
// The peer has closed its socket, or is dead.
bool PeerGone(int socket);

}  // namespace fsgofer

#endif  // FSGOFER_PROTOCOL_TRANSPORT_H_
