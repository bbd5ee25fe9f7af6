// The channel pool and the exchange; the calls themselves are in
// client_read.cc and client_write.cc.
#include "fsgofer/protocol/client.h"

#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fsgofer/protocol/exchange.h"

namespace fsgofer {
namespace {

using base::Errno;
using base::MutexLock;
using base::Result;

constexpr int kMaxErrno = 133;

bool PlausibleTime(const WireTime& t) { return t.nanoseconds < 1'000'000'000; }

// A donated descriptor is read, written and mapped as a regular file: anything
// else would let the gofer block the sentry or hand it a device.
bool IsRegularFile(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

}  // namespace

bool PlausibleAttr(const Attr& attr) {
  switch (attr.mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      break;
    default:
      return false;
  }
  return attr.size <= INT64_MAX && PlausibleTime(attr.atime) && PlausibleTime(attr.mtime) &&
         PlausibleTime(attr.ctime) && PlausibleTime(attr.btime);
}

Result<std::unique_ptr<Client>> Client::Create(ConnectionHalf half) {
  std::unique_ptr<SharedMemory> memory = TRY(SharedMemory::Map(half.memory, half.sockets.size()));
  return std::unique_ptr<Client>(new Client(std::move(half), std::move(memory)));
}

Client::Client(ConnectionHalf half, std::unique_ptr<SharedMemory> memory) : memory_(std::move(memory)) {
  for (size_t i = 0; i < half.sockets.size(); i++) {
    auto channel = std::make_unique<Channel>();
    channel->socket = std::move(half.sockets[i]);
    channel->memory = &memory_->channel(i);
    // Not cleared: most messages touch one page of it.
    channel->reply = std::make_unique_for_overwrite<std::byte[]>(kReplyBytes);
    free_.push_back(channel.get());
    channels_.push_back(std::move(channel));
  }
}

Client::~Client() = default;

int Client::watch_fd() const { return channels_.front()->socket.get(); }

void Client::Shutdown() {
  dead_.store(true, std::memory_order_release);
  for (const auto& channel : channels_) {
    shutdown(channel->socket.get(), SHUT_RDWR);
    Interrupt(channel->memory->reply);
  }
}

void Client::Die() {
  if (dead_.exchange(true, std::memory_order_acq_rel)) return;
  if (on_death_) on_death_();
}

// Prefers the channel last used on this CPU: its thread has followed (the
// header's cpu), and waking it costs a fifth of waking one on another CPU. Else the most recently used, so that
// idle channels stay idle and their stacks untouched.
Client::Channel* Client::TakeChannel() {
  const int cpu = sched_getcpu();
  MutexLock lock(mu_);
  while (free_.empty()) free_cv_.Wait(mu_);
  size_t pick = free_.size() - 1;
  for (size_t i = free_.size(); i-- > 0;) {
    if (free_[i]->cpu == cpu) {
      pick = i;
      break;
    }
    if (free_[i]->cpu == -1 && free_[pick]->cpu != -1) pick = i;
  }
  Channel* channel = free_[pick];
  free_.erase(free_.begin() + static_cast<ptrdiff_t>(pick));
  channel->cpu = cpu;
  return channel;
}

void Client::GiveChannel(Channel* channel) {
  {
    MutexLock lock(mu_);
    free_.push_back(channel);
  }
  free_cv_.Signal();
}

// The request is written straight into shared memory, which is never read back.
Client::Exchange::Exchange(Client& client, MessageType type)
    : client_(client),
      type_(type),
      channel_(client.TakeChannel()),
      out_({channel_->memory->request_bytes, kRequestBytes}),
      in_(std::span<const std::byte>{}) {
  out_.Put(RequestHeader{});
}

Client::Exchange::~Exchange() { client_.GiveChannel(channel_); }

Errno Client::Exchange::Malformed() {
  client_.Die();
  return Errno::kEIO;
}

bool Client::Exchange::AwaitReply() {
  MessageArea& reply = channel_->memory->reply;
  uint32_t turn = reply.turn.load(std::memory_order_acquire);
  while (turn != channel_->sequence) {
    const uint32_t now = AwaitTurn(reply, turn, Patience::kShort);
    // Time is up, or a signal: look whether anyone is still there. The reply
    // may have come just before the end.
    if (now == turn && (client_.dead() || PeerGone(channel_->socket.get()))) {
      return reply.turn.load(std::memory_order_acquire) == channel_->sequence;
    }
    if (client_.dead()) return false;
    turn = now;
  }
  return true;
}

Result<void> Client::Exchange::Run(AcceptFds accept) {
  if (client_.dead()) return Errno::kEIO;
  // Names are bounded before they are put, so only their sum can overflow.
  if (!out_.ok()) return Errno::kE2BIG;
  // The top bit is Interrupt's.
  channel_->sequence = (channel_->sequence + 1) & ~(1u << 31);
  const RequestHeader header = {.magic = kMagic,
                                .sequence = channel_->sequence,
                                .type = static_cast<uint16_t>(type_),
                                .reserved = 0,
                                .cpu = static_cast<uint32_t>(channel_->cpu)};
  out_.Patch(0, header);
  Publish(channel_->memory->request, channel_->sequence, out_.size());
  if (!AwaitReply()) return Malformed();
  return ReadReply(accept);
}

Result<void> Client::Exchange::ReadReply(AcceptFds accept) {
  const ChannelMemory& memory = *channel_->memory;
  const size_t size = CopyOut(memory.reply, memory.reply_bytes, {channel_->reply.get(), kReplyBytes});
  in_ = WireReader({channel_->reply.get(), size});
  ReplyHeader header;
  if (!in_.Get(&header) || header.magic != kMagic || header.sequence != channel_->sequence) return Malformed();
  if (header.error < 0 || header.error > kMaxErrno) return Malformed();
  if (header.fd_count > (accept == AcceptFds::kOne ? 1u : 0u)) return Malformed();
  if (header.error != 0) {
    if (header.fd_count != 0 || !in_.done()) return Malformed();
    return static_cast<Errno>(header.error);
  }
  if (header.fd_count == 1) {
    Result<base::UniqueFd> fd = ReceiveFd(channel_->socket.get());
    if (!fd.ok() || !IsRegularFile(fd->get())) return Malformed();
    fd_ = std::move(*fd);
  }
  return base::Ok();
}

}  // namespace fsgofer
