// One request and its reply on one channel. Private to the client.
#ifndef FSGOFER_PROTOCOL_EXCHANGE_H_
#define FSGOFER_PROTOCOL_EXCHANGE_H_

#include <memory>

#include "fsgofer/protocol/client.h"
#include "fsgofer/protocol/transport.h"
#include "fsgofer/protocol/wire_buffer.h"

namespace fsgofer {

struct Client::Channel {
  base::UniqueFd socket;
  ChannelMemory* memory = nullptr;
  uint32_t sequence = 0;
  int cpu = -1;                        // where its last user ran, and so where the server's thread went
  std::unique_ptr<std::byte[]> reply;  // our own copy
};

enum class AcceptFds { kNone, kOne };

// Holds a channel from construction to destruction.
class Client::Exchange {
 public:
  Exchange(Client& client, MessageType type);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  WireWriter& out() { return out_; }
  // Sends what out() holds and receives the answer. An error of the server is
  // returned as it is; EIO: the connection is dead.
  base::Result<void> Run(AcceptFds accept = AcceptFds::kNone);
  WireReader& in() { return in_; }
  // The donated descriptor; invalid if there was none.
  base::UniqueFd TakeFd() { return std::move(fd_); }
  // The reply makes no sense: no later one will be believed either.
  base::Errno Malformed();

 private:
  bool AwaitReply();
  base::Result<void> ReadReply(AcceptFds accept);

  Client& client_;
  MessageType type_;
  Channel* channel_;
  WireWriter out_;
  WireReader in_;
  base::UniqueFd fd_;
};

bool PlausibleAttr(const Attr& attr);

}  // namespace fsgofer

#endif  // FSGOFER_PROTOCOL_EXCHANGE_H_
