// Random requests from a sentry in a guest's hand, and random answers from a
// netgofer in somebody else's. Others: --test_env=SEED=7 --test_env=ROUNDS=100000
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "netgofer/protocol/client.h"
#include "netgofer/protocol/packet.h"
#include "netgofer/server/server.h"

namespace netgofer {
namespace {

using base::Errno;
using base::UniqueFd;

uint32_t FromEnvironment(const char* name, uint32_t otherwise) {
  const char* const text = getenv(name);
  return text == nullptr ? otherwise : static_cast<uint32_t>(strtoul(text, nullptr, 10));
}

class Chance {
 public:
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }
  std::vector<std::byte> Bytes(size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random_());
    return bytes;
  }
  int32_t Number() {
    constexpr int32_t kOdd[] = {0, 1, 2, 3, 10, 16, -1, INT32_MIN, INT32_MAX, 0x8912, 0x8913};
    return OneIn(4) ? static_cast<int32_t>(random_()) : kOdd[Below(std::size(kOdd))];
  }

 private:
  std::mt19937 random_{FromEnvironment("SEED", 1)};
};

struct Channels {
  std::vector<UniqueFd> ours, theirs;
};
Channels MakeChannels() {
  Channels made;
  for (int i = 0; i < 2; ++i) {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    made.ours.emplace_back(pair[0]);
    made.theirs.emplace_back(pair[1]);
  }
  return made;
}

size_t OpenDescriptors() {
  size_t count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

// Mostly an address of the loopback, so that nobody else hears of it.
std::vector<std::byte> Data(Chance& chance, Op op) {
  if (op == Op::kConnect || op == Op::kBind) {
    sockaddr_in address = {};
    address.sin_family = chance.OneIn(8) ? static_cast<sa_family_t>(AF_UNSPEC) : static_cast<sa_family_t>(AF_INET);
    address.sin_port = static_cast<in_port_t>(chance.Number());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK | chance.Below(256));
    const auto bytes = std::as_bytes(std::span(&address, 1));
    return {bytes.begin(), bytes.begin() + (chance.OneIn(4) ? chance.Below(16) : 16)};
  }
  constexpr size_t kSizes[] = {0, 1, 15, 16, 20, 28, kIfreqSize, 128, kMaxRequestData};
  return chance.Bytes(kSizes[chance.Below(std::size(kSizes))]);
}

// True: the netgofer goes on.
bool Ask(Chance& chance, int channel, std::vector<UniqueFd>& sockets) {
  const Op op = static_cast<Op>(chance.Below(12));
  const std::vector<std::byte> data = Data(chance, op);
  Request request{op,
                  static_cast<uint32_t>(chance.Number()),
                  chance.Number(),
                  chance.Number(),
                  chance.Number(),
                  static_cast<uint32_t>(data.size())};
  if (chance.OneIn(64)) request.size = static_cast<uint32_t>(chance.Number());
  if (op == Op::kSocket && chance.OneIn(2)) request.a = AF_INET, request.b = SOCK_STREAM, request.c = 0;
  int fd = chance.OneIn(4) || sockets.empty() ? -1 : sockets[chance.Below(static_cast<uint32_t>(sockets.size()))].get();
  if (chance.OneIn(16)) fd = channel;
  if (!SendPacket(channel, std::as_bytes(std::span(&request, 1)), data, fd).ok()) return false;
  std::vector<std::byte> buffer(sizeof(Reply) + kMaxReplyData);
  for (;;) {
    base::Result<Packet> packet = ReceivePacket(channel, buffer);
    if (!packet.ok() || packet->size == 0) return false;
    Reply reply = {};
    EXPECT_GE(packet->size, sizeof reply);
    std::memcpy(&reply, buffer.data(), sizeof reply);
    EXPECT_EQ(reply.size, packet->size - sizeof reply);
    EXPECT_GE(reply.error, 0);
    if (packet->fd.valid()) {
      EXPECT_TRUE(op == Op::kSocket || op == Op::kAccept);
      if (sockets.size() > 16) sockets.erase(sockets.begin());
      sockets.push_back(std::move(packet->fd));
    }
    if ((reply.flags & kMore) == 0) return true;
  }
}

TEST(HostileSentry, EveryRequestIsAnsweredOrTheLast) {
  Chance chance;
  const uint32_t rounds = FromEnvironment("ROUNDS", 5000);
  const size_t before = OpenDescriptors();
  for (uint32_t round = 0; round < rounds;) {
    Channels channels = MakeChannels();
    std::thread server([mine = std::move(channels.theirs)]() mutable {
      ServerOptions options;
      options.channels = std::move(mine);
      options.files = OpenNamespaceFiles();
      Server server(std::move(options));
      ASSERT_TRUE(server.SetUp().ok());
      server.Serve();
    });
    std::vector<UniqueFd> sockets;
    while (++round < rounds && Ask(chance, channels.ours[0].get(), sockets)) {
    }
    channels.ours.clear();
    server.join();
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

void AnswerAtRandom(Chance& chance, int channel) {
  std::vector<std::byte> buffer(sizeof(Request) + kMaxRequestData);
  for (;;) {
    const base::Result<Packet> request = ReceivePacket(channel, buffer);
    if (!request.ok() || request->size == 0) return;
    constexpr size_t kSizes[] = {0, 1, 16, kIfreqSize, 3 * kIfreqSize, 129, kMaxReplyData};
    const std::vector<std::byte> data = chance.Bytes(kSizes[chance.Below(std::size(kSizes))]);
    Reply reply{chance.OneIn(2) ? 0 : chance.Number(), chance.OneIn(2) ? 0u : kMore,
                static_cast<uint32_t>(data.size())};
    if (chance.OneIn(16)) reply.size = static_cast<uint32_t>(chance.Number());
    const auto header = std::as_bytes(std::span(&reply, 1)).first(chance.OneIn(16) ? chance.Below(12) : 12);
    if (!SendPacket(channel, header, data, chance.OneIn(2) ? STDIN_FILENO : -1).ok()) return;
    // "More" that never comes: the connection ends instead.
    if (reply.error == 0 && (reply.flags & kMore) != 0) return;
  }
}

TEST(HostileNetgofer, EveryAnswerIsTakenOrEndsTheNetwork) {
  Chance chance;
  const uint32_t rounds = FromEnvironment("ROUNDS", 5000) / 5;
  const size_t before = OpenDescriptors();
  for (uint32_t round = 0; round < rounds; ++round) {
    Channels channels = MakeChannels();
    std::thread netgofer([&chance, mine = std::move(channels.theirs)] {
      std::vector<std::byte> request(sizeof(Request));
      if (!ReceivePacket(mine[0].get(), request).ok()) return;
      const struct Hello hello = {~uint64_t{0}, 1024, 0};
      const Reply reply{0, 0, sizeof hello};
      if (!SendPacket(mine[0].get(), std::as_bytes(std::span(&reply, 1)), std::as_bytes(std::span(&hello, 1)), -1).ok())
        return;
      AnswerAtRandom(chance, mine[0].get());
    });
    base::Result<std::unique_ptr<Client>> client = Client::Create(std::move(channels.ours));
    ASSERT_TRUE(client.ok());
    const std::vector<std::byte> ifreq(kIfreqSize);
    bool gone = false;
    for (int i = 0; i < 20 && !gone; ++i) {
      const base::Result<UniqueFd> socket = (*client)->NewSocket(AF_INET, SOCK_STREAM, 0);
      gone = socket.Is(Errno::kENETDOWN);
      const base::Result<Client::Accepted> accepted = (*client)->Accept(0);
      EXPECT_TRUE(!accepted.ok() || (*accepted).peer.size() <= kMaxAddress);
      const base::Result<Bytes> interface = (*client)->Interface(0, ifreq);
      EXPECT_TRUE(!interface.ok() || (*interface).size() == kIfreqSize);
      (void)(*client)->Interfaces();
      (void)(*client)->Route(ifreq, Client::Strict::kNo);
      (void)(*client)->ReadProcFile(0);
    }
    client->reset();
    netgofer.join();
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace netgofer
