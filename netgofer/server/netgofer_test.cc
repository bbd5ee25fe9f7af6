// Client and server in one process, on the loopback of the namespace that the
// test finds itself in; and what a hostile client may try.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

#include "netgofer/protocol/client.h"
#include "netgofer/protocol/packet.h"
#include "netgofer/protocol/proc_files.h"
#include "netgofer/server/server.h"

namespace netgofer {
namespace {

using base::Errno;
using base::UniqueFd;

class NetgoferTest : public testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    std::vector<UniqueFd> mine;
    for (int i = 0; i < 3; ++i) {
      int pair[2];
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
      mine.emplace_back(pair[0]);
      options.channels.emplace_back(pair[1]);
    }
    raw_channel_ = mine[0].get();
    options.files = OpenNamespaceFiles();
    server_ = std::thread([options = std::move(options)]() mutable {
      Server server(std::move(options));
      ASSERT_TRUE(server.SetUp().ok());
      server.Serve();
    });
    base::Result<std::unique_ptr<Client>> client = Client::Create(std::move(mine));
    ASSERT_TRUE(client.ok());
    client_ = *std::move(client);
  }
  void TearDown() override {
    client_.reset();
    server_.join();
  }

  static std::span<const std::byte> Loopback(sockaddr_in& address, uint16_t port) {
    address = {};
    address.sin_family = AF_INET;
    address.sin_port = port;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return std::as_bytes(std::span(&address, 1));
  }

  std::unique_ptr<Client> client_;
  std::thread server_;
  int raw_channel_ = -1;
};

TEST_F(NetgoferTest, ListensConnectsAndAccepts) {
  UniqueFd listener = std::move(client_->NewSocket(AF_INET, SOCK_STREAM, 0)).value();
  sockaddr_in address;
  ASSERT_TRUE(client_->Bind(listener.get(), Loopback(address, 0)).ok());
  ASSERT_TRUE(client_->Listen(listener.get(), 5).ok());
  EXPECT_TRUE(client_->Accept(listener.get()).Is(Errno::kEAGAIN));
  socklen_t length = sizeof address;
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  UniqueFd caller = std::move(client_->NewSocket(AF_INET, SOCK_STREAM, 0)).value();
  const auto to = std::as_bytes(std::span(&address, 1));
  const base::Result<void> connected = client_->Connect(caller.get(), to, Client::Settle::kYes);
  EXPECT_TRUE(connected.ok() || connected.Is(Errno::kEINPROGRESS));
  pollfd p = {listener.get(), POLLIN, 0};
  ASSERT_EQ(poll(&p, 1, 5000), 1);
  base::Result<Client::Accepted> accepted = client_->Accept(listener.get());
  ASSERT_TRUE(accepted.ok());
  EXPECT_EQ(accepted->peer.size(), sizeof address);
  ASSERT_EQ(send(caller.get(), "x", 1, 0), 1);
  p.fd = accepted->fd.get();
  ASSERT_EQ(poll(&p, 1, 5000), 1);
  char byte;
  EXPECT_EQ(recv(accepted->fd.get(), &byte, 1, 0), 1);
}

TEST_F(NetgoferTest, GivesTheHostsErrors) {
  EXPECT_TRUE(client_->NewSocket(AF_UNIX, SOCK_STREAM, 0).Is(Errno::kEAFNOSUPPORT));
  EXPECT_TRUE(client_->NewSocket(AF_PACKET, SOCK_DGRAM, 0).Is(Errno::kEAFNOSUPPORT));
  EXPECT_TRUE(client_->NewSocket(AF_INET, SOCK_SEQPACKET, 0).Is(Errno::kESOCKTNOSUPPORT));
  EXPECT_TRUE(client_->NewSocket(AF_INET, SOCK_RAW, IPPROTO_ICMP).Is(Errno::kEPERM));
  EXPECT_TRUE(client_->NewSocket(AF_INET, SOCK_STREAM, IPPROTO_UDP).Is(Errno::kEPROTONOSUPPORT));
  UniqueFd socket = std::move(client_->NewSocket(AF_INET, SOCK_STREAM, 0)).value();
  EXPECT_TRUE(client_->Accept(socket.get()).Is(Errno::kEINVAL));
  sockaddr_in address;
  EXPECT_TRUE(client_->Bind(socket.get(), Loopback(address, 0).first(3)).Is(Errno::kEINVAL));
}

TEST_F(NetgoferTest, TouchesNoDescriptorButItsOwnSockets) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd a(pair[0]), b(pair[1]), unbound(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const char abstract[] = "\1\0\0abstract";
  const auto address = std::as_bytes(std::span(abstract, sizeof abstract - 1));
  EXPECT_TRUE(client_->Connect(unbound.get(), address, Client::Settle::kNo).Is(Errno::kEOPNOTSUPP));
  EXPECT_TRUE(client_->Bind(unbound.get(), address).Is(Errno::kEOPNOTSUPP));
  EXPECT_TRUE(client_->Listen(a.get(), 1).Is(Errno::kEOPNOTSUPP));
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const UniqueFd r(pipe_ends[0]), w(pipe_ends[1]);
  EXPECT_TRUE(client_->Accept(r.get()).Is(Errno::kENOTSOCK));
  EXPECT_TRUE(client_->Listen(-1, 1).Is(Errno::kEBADF));
}

TEST_F(NetgoferTest, AnswersQuestionsAboutInterfaces) {
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  const auto bytes = std::as_bytes(std::span(&request, 1));
  const base::Result<Bytes> index = client_->Interface(SIOCGIFINDEX, bytes);
  ASSERT_TRUE(index.ok());
  std::memcpy(&request, (*index).data(), sizeof request);
  EXPECT_EQ(request.ifr_ifindex, 1);
  EXPECT_TRUE(client_->Interface(SIOCSIFFLAGS, bytes).Is(Errno::kEINVAL));
  EXPECT_TRUE(client_->Interface(SIOCGIFINDEX, bytes.first(8)).Is(Errno::kEINVAL));
  EXPECT_TRUE(client_->Interfaces().ok());
}

TEST_F(NetgoferTest, DumpsLinksAndRefusesChanges) {
  struct {
    nlmsghdr header;
    rtgenmsg body;
    char pad[3];
  } question = {};
  question.header.nlmsg_len = NLMSG_LENGTH(sizeof question.body);
  question.header.nlmsg_type = RTM_GETLINK;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  const auto bytes = std::as_bytes(std::span(&question, 1));
  base::Result<std::vector<Bytes>> links = client_->Route(bytes, Client::Strict::kNo);
  links = client_->Route(bytes, Client::Strict::kNo);  // the first one's size must not teach the host
  ASSERT_TRUE(links.ok());
  ASSERT_GE(links->size(), 2u);                                            // the last one is NLMSG_DONE
  for (const Bytes& datagram : *links) EXPECT_LE(datagram.size(), 4096u);  // glibc reads into a page
  nlmsghdr first;
  std::memcpy(&first, links->front().data(), sizeof first);
  EXPECT_EQ(first.nlmsg_type, RTM_NEWLINK);
  question.header.nlmsg_type = RTM_DELLINK;
  EXPECT_TRUE(client_->Route(bytes, Client::Strict::kNo).Is(Errno::kEOPNOTSUPP));
  EXPECT_TRUE(client_->Route(bytes.first(4), Client::Strict::kNo).Is(Errno::kEINVAL));
}

TEST_F(NetgoferTest, ReadsProcFilesAgainAndAgain) {
  const size_t index = FindProcFile("net", "dev");
  ASSERT_LT(index, kProcFileCount);
  for (int i = 0; i < 2; ++i) {
    const base::Result<std::string> text = client_->ReadProcFile(index);
    ASSERT_TRUE(text.ok());
    EXPECT_NE(std::string(*text).find("lo:"), std::string::npos);
  }
  EXPECT_TRUE(client_->ReadProcFile(kProcFileCount).Is(Errno::kENOENT));
  EXPECT_TRUE(client_->ReadProcFile(SIZE_MAX).Is(Errno::kENOENT));
}

TEST_F(NetgoferTest, NonsenseEndsTheConnection) {
  ASSERT_EQ(send(raw_channel_, "x", 1, MSG_NOSIGNAL), 1);
  server_.join();
  server_ = std::thread([] {});
  EXPECT_TRUE(client_->NewSocket(AF_INET, SOCK_STREAM, 0).Is(Errno::kENETDOWN));
  EXPECT_TRUE(client_->ReadProcFile(0).Is(Errno::kENETDOWN));
}

}  // namespace
}  // namespace netgofer
