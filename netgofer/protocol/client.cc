#include "netgofer/protocol/client.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "netgofer/protocol/packet.h"

namespace netgofer {
namespace {

using base::Errno;
using base::Result;
using base::UniqueFd;

constexpr size_t kMaxAnswer = 4 << 20;  // of one question, in all
constexpr int kMaxErrno = 133;          // no restart code of the host's may come through

std::span<const std::byte> BytesOf(const Request& request) { return std::as_bytes(std::span(&request, 1)); }

}  // namespace

Result<std::unique_ptr<Client>> Client::Create(std::vector<UniqueFd> sockets) {
  if (sockets.size() < 2 || sockets.size() > kMaxChannels) return Errno::kEINVAL;
  std::unique_ptr<Client> client(new Client(std::move(sockets)));
  const Answer answer = TRY(client->Call(Op::kHello, {}));
  if (answer.packets.size() != 1 || answer.packets[0].size() != sizeof(Hello)) return Errno::kEPROTO;
  std::memcpy(&client->hello_, answer.packets[0].data(), sizeof(Hello));
  return client;
}

Client::Client(std::vector<UniqueFd> sockets) : sockets_(std::move(sockets)) {
  watch_ = std::move(sockets_.back());
  sockets_.pop_back();
  for (const UniqueFd& socket : sockets_) idle_.push_back(socket.get());
}

void Client::Shutdown() {
  dead_.store(true, std::memory_order_relaxed);
  for (const UniqueFd& socket : sockets_) shutdown(socket.get(), SHUT_RDWR);
}

Errno Client::Dead(const char* why) {
  if (!dead_.exchange(true, std::memory_order_relaxed)) {
    LOG(kError, "the netgofer is gone (%s): no network from now on", why);
  }
  return Errno::kENETDOWN;
}

int Client::TakeChannel() {
  base::MutexLock lock(mu_);
  while (idle_.empty()) given_back_.Wait(mu_);
  const int socket = idle_.back();
  idle_.pop_back();
  return socket;
}

void Client::GiveBack(int socket) {
  base::MutexLock lock(mu_);
  idle_.push_back(socket);
  given_back_.Signal();
}

Result<Client::Answer> Client::Call(Op op, std::span<const std::byte> data, int fd, int32_t a, int32_t b, int32_t c,
                                    uint32_t flags) {
  if (data.size() > kMaxRequestData) return Errno::kEMSGSIZE;
  if (dead_.load(std::memory_order_relaxed)) return Errno::kENETDOWN;
  const Request request{op, flags, a, b, c, static_cast<uint32_t>(data.size())};
  const int socket = TakeChannel();
  Result<Answer> answer = Exchange(socket, request, data, fd);
  GiveBack(socket);
  return answer;
}

// An answer is read to its end even if it is too long to keep: the channel's
// next one must not begin with the rest.
Result<Client::Answer> Client::Exchange(int socket, const Request& request, std::span<const std::byte> data, int fd) {
  if (!SendPacket(socket, BytesOf(request), data, fd).ok()) return Dead("it takes no request");
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(sizeof(Reply) + kMaxReplyData);
  Answer answer;
  size_t total = 0;
  for (;;) {
    Result<Packet> packet = ReceivePacket(socket, {buffer.get(), sizeof(Reply) + kMaxReplyData});
    if (!packet.ok() || packet->size < sizeof(Reply)) return Dead("it gives no answer");
    Reply reply;
    std::memcpy(&reply, buffer.get(), sizeof reply);
    if (reply.size != packet->size - sizeof reply || reply.error < 0 || reply.error > kMaxErrno) {
      return Dead("its answer is malformed");
    }
    if (reply.error != 0) return static_cast<Errno>(reply.error);
    if (packet->fd.valid()) answer.fd = std::move(packet->fd);
    total += reply.size;
    if (total <= kMaxAnswer) {
      const std::byte* const begin = buffer.get() + sizeof reply;
      answer.packets.emplace_back(begin, begin + reply.size);
    }
    if ((reply.flags & kMore) == 0) break;
  }
  if (total > kMaxAnswer) return Errno::kENOBUFS;
  return answer;
}

Result<UniqueFd> Client::NewSocket(int domain, int type, int protocol) {
  Answer answer = TRY(Call(Op::kSocket, {}, -1, domain, type, protocol));
  if (!answer.fd.valid()) return Errno::kENFILE;  // the sentry's own table is full: the host dropped it
  return std::move(answer.fd);
}

Result<void> Client::Bind(int fd, std::span<const std::byte> address) {
  TRY(Call(Op::kBind, address, fd));
  return base::Ok();
}

Result<void> Client::Connect(int fd, std::span<const std::byte> address, Settle settle) {
  TRY(Call(Op::kConnect, address, fd, 0, 0, 0, settle == Settle::kYes ? kSettle : 0));
  return base::Ok();
}

Result<void> Client::Listen(int fd, int backlog) {
  TRY(Call(Op::kListen, {}, fd, backlog));
  return base::Ok();
}

Result<Client::Accepted> Client::Accept(int fd) {
  Answer answer = TRY(Call(Op::kAccept, {}, fd));
  if (answer.packets.size() != 1 || answer.packets[0].size() > kMaxAddress) return Errno::kEPROTO;
  if (!answer.fd.valid()) return Errno::kENFILE;
  return Accepted{std::move(answer.fd), std::move(answer.packets[0])};
}

Result<Bytes> Client::Interface(uint32_t request, std::span<const std::byte> ifreq) {
  Answer answer = TRY(Call(Op::kInterface, ifreq, -1, static_cast<int32_t>(request)));
  if (answer.packets.size() != 1 || answer.packets[0].size() != kIfreqSize) return Errno::kEPROTO;
  return std::move(answer.packets[0]);
}

Result<Bytes> Client::Interfaces() {
  Answer answer = TRY(Call(Op::kInterfaces, {}));
  if (answer.packets.size() != 1 || answer.packets[0].size() % kIfreqSize != 0) return Errno::kEPROTO;
  return std::move(answer.packets[0]);
}

Result<std::vector<Bytes>> Client::Route(std::span<const std::byte> question, Strict strict) {
  return TRY(Call(Op::kRoute, question, -1, 0, 0, 0, strict == Strict::kYes ? kStrict : 0)).packets;
}

Result<std::string> Client::ReadProcFile(size_t index) {
  const Answer answer = TRY(Call(Op::kProcFile, {}, -1, static_cast<int32_t>(index)));
  std::string text;
  for (const Bytes& packet : answer.packets) text.append(reinterpret_cast<const char*>(packet.data()), packet.size());
  return text;
}

}  // namespace netgofer
