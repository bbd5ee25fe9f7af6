#include "sentry/net/unix/test_util.h"

namespace sentry {
namespace {

class DatagramTest : public UnixSocketTest {
 protected:
  S Bound(std::string_view name, int type = abi::kSockDgram) {
    S s = New(type);
    s->Bind(ctx_, Address(name)).value();
    return s;
  }
};

TEST_F(DatagramTest, MessagesHaveBounds) {
  auto [a, b] = Pair(abi::kSockDgram);
  EXPECT_EQ(*Send(a, "first"), 5u);
  EXPECT_EQ(*Send(a, ""), 0u);
  EXPECT_EQ(*Send(a, "third"), 5u);
  EXPECT_EQ(Text(b, 9, abi::kMsgPeek), "first");
  Got got = *Receive(b, 2, abi::kMsgTrunc);
  EXPECT_EQ(got.bytes, "fi");
  EXPECT_EQ(got.result.bytes, 5u);
  EXPECT_TRUE(got.result.flags & abi::kMsgTrunc);
  EXPECT_EQ(Text(b), "");
  EXPECT_EQ(Text(b), "third");
  EXPECT_EQ(Text(b), kAgain);
}

TEST_F(DatagramTest, ByAddress) {
  S server = Bound("@server"), client = Bound("client");
  EXPECT_TRUE(Send(client, "x").Is(Errno::kENOTCONN));
  EXPECT_TRUE(Send(client, "x", "@none").Is(Errno::kECONNREFUSED));
  EXPECT_EQ(*Send(client, "hi", "@server"), 2u);
  Got got = *Receive(server, 10);
  EXPECT_EQ(got.result.from, Address("client"));
  EXPECT_EQ(*Send(server, "ho", "client"), 2u);
  EXPECT_EQ(Text(client), "ho");
  EXPECT_EQ(*Send(server, "me", "@server"), 2u);  // to oneself
  EXPECT_EQ(Text(server), "me");
}

TEST_F(DatagramTest, AConnectedSocketHearsOnlyItsPeer) {
  S a = Bound("@a"), b = Bound("@b"), c = Bound("@c");
  ASSERT_TRUE(Connect(a, "@b").ok());
  EXPECT_EQ(*Send(b, "ok", "@a"), 2u);
  EXPECT_TRUE(Send(c, "no", "@a").Is(Errno::kEPERM));
  EXPECT_TRUE(Connect(c, "@a").Is(Errno::kEPERM));
  EXPECT_EQ(*a->PeerAddress(), Address("@b"));
  // AF_UNSPEC disconnects; what came from the old peer is dropped.
  SocketAddress unspec(2, std::byte{0});
  ASSERT_TRUE(a->Connect(ctx_, unspec).ok());
  EXPECT_EQ(Text(a), kAgain);
  EXPECT_TRUE(a->PeerAddress().Is(Errno::kENOTCONN));
  EXPECT_EQ(*Send(c, "now", "@a"), 3u);
}

TEST_F(DatagramTest, DisconnectingFromUnreadDataTellsThePeer) {
  S a = Bound("@a"), b = Bound("@b");
  ASSERT_TRUE(Connect(a, "@b").ok());
  ASSERT_TRUE(Connect(b, "@a").ok());
  Send(b, "lost").value();
  ASSERT_TRUE(a->Connect(ctx_, SocketAddress(2, std::byte{0})).ok());
  EXPECT_EQ(Text(b), kReset);
}

TEST_F(DatagramTest, TheReceiversQueueIsABound) {
  S server = Bound("@s"), client = New(abi::kSockDgram);
  ASSERT_TRUE(Connect(client, "@s").ok());
  int sent = 0;
  while (Send(client, "x").ok()) ++sent;
  EXPECT_EQ(sent, 11);  // net.unix.max_dgram_qlen and one, as in Linux
  EXPECT_FALSE(Ready(client) & base::kEventOut);
  struct Flag : base::Waiter {
    Flag() : base::Waiter(base::kWritableEvents) {}
    void Notify(base::EventMask) override { ++hits; }
    int hits = 0;
  } waiter;
  client->wait_queue()->Add(waiter);
  EXPECT_EQ(Text(server), "x");
  EXPECT_GT(waiter.hits, 0);
  EXPECT_TRUE(Ready(client) & base::kEventOut);
  client->wait_queue()->Remove(waiter);
  EXPECT_EQ(*Send(client, "y"), 1u);
}

TEST_F(DatagramTest, SizeLimits) {
  auto [a, b] = Pair(abi::kSockDgram);
  EXPECT_TRUE(Send(a, std::string(212992, 'x')).Is(Errno::kEMSGSIZE));
  EXPECT_EQ(*Send(a, std::string(200'000, 'x')), 200'000u);
  EXPECT_EQ(Text(b, 300'000).size(), 200'000u);
}

TEST_F(DatagramTest, DeadPeers) {
  auto [a, b] = Pair(abi::kSockDgram);
  b.reset();
  EXPECT_TRUE(Send(a, "x").Is(Errno::kECONNREFUSED));
  EXPECT_TRUE(Send(a, "x").Is(Errno::kENOTCONN));
  S server = Bound("@s"), client = New(abi::kSockDgram);
  ASSERT_TRUE(Connect(client, "@s").ok());
  ASSERT_TRUE(server->Shutdown(abi::kShutRd).ok());
  EXPECT_TRUE(Send(client, "x").Is(Errno::kEPIPE));
}

TEST_F(DatagramTest, ShutdownEndsABlockingRead) {
  auto [a, b] = Pair(abi::kSockDgram);
  ASSERT_TRUE(b->Shutdown(abi::kShutRd).ok());
  EXPECT_EQ(Text(b), "");
  EXPECT_EQ(Text(b, 10, abi::kMsgDontWait), kAgain);
}

TEST_F(DatagramTest, SeqPacket) {
  S listener = Listener("@l", abi::kSockSeqPacket);
  S client = New(abi::kSockSeqPacket);
  EXPECT_TRUE(Send(client, "x").Is(Errno::kENOTCONN));
  EXPECT_TRUE(Receive(client, 1).Is(Errno::kENOTCONN));
  ASSERT_TRUE(Connect(client, "@l").ok());
  S server = *Accept(listener);
  Send(client, "one").value();
  Send(client, "two", "@ignored").value();
  EXPECT_EQ(Text(server, 2), "on");
  EXPECT_EQ(Text(server), "two");
  client.reset();
  EXPECT_EQ(Text(server), "");
  EXPECT_TRUE(Send(server, "x").Is(Errno::kEPIPE));
  EXPECT_TRUE(Ready(server) & base::kEventHup);
}

TEST_F(DatagramTest, PassCredBindsTheSender) {
  S server = Bound("@s"), client = New(abi::kSockDgram);
  ASSERT_TRUE(SetOption(client, abi::kSoPassCred, 1).ok());
  Send(client, "x", "@s").value();
  EXPECT_EQ(Receive(server, 9)->result.from.size(), 2u + 1 + 5);
}

}  // namespace
}  // namespace sentry
