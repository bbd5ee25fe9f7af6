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

constexpr size_t kBufferSize = sizeof(RequestHeader) + kMaxPayload;
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

Result<std::unique_ptr<Client>> Client::Create(std::vector<base::UniqueFd> sockets) {
  if (sockets.empty() || sockets.size() > kMaxChannels) return Errno::kEINVAL;
  return std::unique_ptr<Client>(new Client(std::move(sockets)));
}

Client::Client(std::vector<base::UniqueFd> sockets) {
  for (base::UniqueFd& socket : sockets) {
    auto channel = std::make_unique<Channel>();
    channel->socket = std::move(socket);
    // Not cleared: most messages touch one page of it.
    channel->buffer = std::make_unique_for_overwrite<std::byte[]>(kBufferSize);
    free_.push_back(channel.get());
    channels_.push_back(std::move(channel));
  }
}

Client::~Client() = default;

int Client::watch_fd() const { return channels_.front()->socket.get(); }

void Client::Shutdown() {
  dead_.store(true, std::memory_order_release);
  // Wakes a call that waits for its answer, which close() would not.
  for (const auto& channel : channels_) shutdown(channel->socket.get(), SHUT_RDWR);
}

void Client::Die() {
  if (dead_.exchange(true, std::memory_order_acq_rel)) return;
  if (on_death_) on_death_();
}

// Prefers the channel last used on this CPU: waking its thread there costs a
// fifth of waking one on another CPU. Else the most recently used, so that
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

Client::Exchange::Exchange(Client& client, MessageType type)
    : client_(client), type_(type), channel_(client.TakeChannel()),
      out_({channel_->buffer.get(), kBufferSize}), in_(std::span<const std::byte>{}) {
  out_.Put(RequestHeader{});
}

Client::Exchange::~Exchange() { client_.GiveChannel(channel_); }

Errno Client::Exchange::Malformed() {
  client_.Die();
  return Errno::kEIO;
}

Result<void> Client::Exchange::Run(AcceptFds accept) {
  if (client_.dead()) return Errno::kEIO;
  // Names are bounded before they are put, so only their sum can overflow.
  if (!out_.ok()) return Errno::kE2BIG;
  const RequestHeader header = {.magic = kMagic,
                                .sequence = ++channel_->sequence,
                                .type = static_cast<uint16_t>(type_),
                                .reserved = 0,
                                .cpu = static_cast<uint32_t>(channel_->cpu)};
  out_.Patch(0, header);
  const int socket = channel_->socket.get();
  if (!SendPacket(socket, {channel_->buffer.get(), out_.size()}, -1).ok()) return Malformed();
  Result<Packet> packet = ReceivePacket(socket, {channel_->buffer.get(), kBufferSize}, accept);
  if (!packet.ok()) return Malformed();
  fd_ = std::move(packet->fd);
  return ReadHeader(*packet);
}

Result<void> Client::Exchange::ReadHeader(const Packet& packet) {
  in_ = WireReader({channel_->buffer.get(), packet.size});
  ReplyHeader header;
  if (!in_.Get(&header) || header.magic != kMagic || header.sequence != channel_->sequence) return Malformed();
  if (header.fd_count != (fd_.valid() ? 1u : 0u)) return Malformed();
  if (header.error < 0 || header.error > kMaxErrno) return Malformed();
  if (header.error != 0) {
    if (fd_.valid() || !in_.done()) return Malformed();
    return static_cast<Errno>(header.error);
  }
  if (fd_.valid() && !IsRegularFile(fd_.get())) return Malformed();
  return base::Ok();
}

}  // namespace fsgofer
