#include "sentry/net/netlink/netlink_socket.h"

#include <gtest/gtest.h>

#include <cstring>

#include "sentry/abi/netlink.h"
#include "sentry/abi/socket.h"

namespace sentry {
namespace {

constexpr uint16_t kGetLink = 18, kNewLink = 16;

// Answers each question with itself, or with `size` bytes.
class EchoStack final : public NetStack {
 public:
  Result<RefPtr<Socket>> NewSocket(const VfsContext&, int, int, int, uint32_t) override { return Errno::kEPERM; }
  Result<std::vector<std::byte>> Interface(uint32_t, std::span<const std::byte>) override { return Errno::kENODEV; }
  Result<std::vector<std::byte>> Interfaces() override { return Errno::kENODEV; }
  Result<Datagrams> Route(std::span<const std::byte> question, RouteCheck) override {
    if (size > 0) return Datagrams(1, std::vector<std::byte>(size));
    return Datagrams{{question.begin(), question.end()}};
  }
  bool HasProcFile(std::string_view, std::string_view) const override { return false; }
  Result<std::string> ProcFile(std::string_view, std::string_view) override { return Errno::kENOENT; }
  size_t size = 0;

 private:
  ~EchoStack() override = default;
};

class NetlinkTest : public testing::Test {
 protected:
  NetlinkTest() {
    ctx_.creds = MakeRef<Credentials>();
    ctx_.tgid = 7;
  }
  RefPtr<Socket> Open() {
    return std::move(NewNetlinkSocket(ctx_, net_, abi::kSockRaw, abi::kNetlinkRoute, 0)).value();
  }
  Result<size_t> Ask(Socket& socket, abi::Nlmsghdr header) {
    KernelIoSource source(std::as_bytes(std::span(&header, 1)));
    return socket.SendMessage(ctx_, source, {}, {}, 0);
  }
  Result<ReceiveResult> Receive(Socket& socket, std::span<std::byte> into) {
    KernelIoSink sink(into);
    return socket.ReceiveMessage(ctx_, sink, 0);
  }
  static uint32_t PortOf(Socket& socket) {
    const SocketAddress address = std::move(socket.LocalAddress()).value();
    abi::SockaddrNl nl;
    memcpy(&nl, address.data(), sizeof nl);
    return nl.port;
  }

  VfsContext ctx_;
  RefPtr<EchoStack> stack_ = MakeRef<EchoStack>();
  RefPtr<NetState> net_ = MakeRef<NetState>(stack_);
  std::byte buffer_[256];
};

TEST_F(NetlinkTest, AnswersCarryTheAskersNumbers) {
  const RefPtr<Socket> socket = Open();
  ASSERT_TRUE(Ask(*socket, {16, kGetLink, abi::kNlmFRequest, 99, 1234}).ok());
  const Result<ReceiveResult> got = Receive(*socket, buffer_);
  ASSERT_TRUE(got.ok());
  abi::Nlmsghdr header;
  memcpy(&header, buffer_, sizeof header);
  EXPECT_EQ(header.seq, 99u);
  EXPECT_EQ(header.port, 7u);
  EXPECT_EQ(PortOf(*socket), 7u);
  EXPECT_TRUE(Receive(*socket, buffer_).Is(Errno::kEAGAIN));
}

TEST_F(NetlinkTest, PortsAreUnique) {
  const RefPtr<Socket> first = Open();
  RefPtr<Socket> second = Open();
  const abi::SockaddrNl any{abi::kAfNetlink, 0, 0, 0}, taken{abi::kAfNetlink, 0, 7, 0};
  const auto bytes = [](const abi::SockaddrNl& nl) { return std::as_bytes(std::span(&nl, 1)); };
  ASSERT_TRUE(first->Bind(ctx_, bytes(any)).ok());
  EXPECT_TRUE(second->Bind(ctx_, bytes(taken)).Is(Errno::kEADDRINUSE));
  ASSERT_TRUE(second->Bind(ctx_, bytes(any)).ok());
  EXPECT_EQ(PortOf(*second), static_cast<uint32_t>(-4096));
  EXPECT_TRUE(second->Bind(ctx_, bytes(taken)).Is(Errno::kEINVAL));
  const RefPtr<Socket> third = Open();
  second.reset();
  ASSERT_TRUE(third->Bind(ctx_, bytes(any)).ok());
  EXPECT_EQ(PortOf(*third), static_cast<uint32_t>(-4096));
}

TEST_F(NetlinkTest, ChangesAreRefused) {
  const RefPtr<Socket> socket = Open();
  ASSERT_TRUE(Ask(*socket, {16, kNewLink, abi::kNlmFRequest, 5, 0}).ok());
  ASSERT_TRUE(Receive(*socket, buffer_).ok());
  abi::Nlmsgerr error;
  memcpy(&error, buffer_ + sizeof(abi::Nlmsghdr), sizeof error);
  EXPECT_EQ(error.error, -static_cast<int32_t>(Errno::kEPERM));
  EXPECT_EQ(error.request.seq, 5u);
}

TEST_F(NetlinkTest, TruncatesAndSkipsNonsense) {
  const RefPtr<Socket> socket = Open();
  ASSERT_TRUE(Ask(*socket, {400, kGetLink, abi::kNlmFRequest, 1, 0}).ok());  // longer than it is
  ASSERT_TRUE(Ask(*socket, {4, kGetLink, abi::kNlmFRequest, 1, 0}).ok());
  ASSERT_TRUE(Ask(*socket, {16, kGetLink, 0, 1, 0}).ok());  // no request
  EXPECT_TRUE(Receive(*socket, buffer_).Is(Errno::kEAGAIN));
  ASSERT_TRUE(Ask(*socket, {16, kGetLink, abi::kNlmFRequest, 1, 0}).ok());
  const Result<ReceiveResult> got = Receive(*socket, std::span(buffer_).first(3));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ((*got).bytes, 3u);
  EXPECT_EQ((*got).flags, abi::kMsgTrunc);
}

TEST_F(NetlinkTest, MemoryIsBounded) {
  const RefPtr<Socket> socket = Open();
  stack_->size = 1 << 20;
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Ask(*socket, {16, kGetLink, abi::kNlmFRequest, 1, 0}).ok());
  EXPECT_TRUE(Receive(*socket, buffer_).Is(Errno::kENOBUFS));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Receive(*socket, buffer_).ok());
  EXPECT_TRUE(Receive(*socket, buffer_).Is(Errno::kEAGAIN));
}

}  // namespace
}  // namespace sentry
