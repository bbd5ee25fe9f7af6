#include "sentry/net/unix/test_util.h"

namespace sentry {
namespace {

class ConnectTest : public UnixSocketTest {};

TEST_F(ConnectTest, ThroughAPath) {
  S listener = Listener("sock");
  S client = New(abi::kSockStream);
  ASSERT_TRUE(Connect(client, "sock").ok());
  EXPECT_TRUE(Ready(listener) & base::kEventIn);
  EXPECT_EQ(*Send(client, "early"), 5u);  // before accept
  SocketAddress peer;
  S server = *listener->Accept(ctx_, abi::kONonBlock, &peer);
  EXPECT_TRUE(server->nonblocking());
  EXPECT_EQ(peer, UnixName{}.ToBytes());
  EXPECT_EQ(Text(server), "early");
  EXPECT_EQ(*server->LocalAddress(), Address("sock"));
  EXPECT_EQ(*client->PeerAddress(), Address("sock"));
  EXPECT_EQ(client->LocalAddress()->size(), 2u);
  EXPECT_TRUE(Connect(client, "sock").Is(Errno::kEISCONN));
  EXPECT_TRUE(Connect(listener, "sock").Is(Errno::kEINVAL));
  EXPECT_TRUE(Accept(listener).Is(Errno::kEAGAIN));
  EXPECT_TRUE(Accept(client).Is(Errno::kEINVAL));
}

TEST_F(ConnectTest, PathErrors) {
  S s = New(abi::kSockStream);
  EXPECT_TRUE(Connect(s, "none").Is(Errno::kENOENT));
  EXPECT_TRUE(Connect(s, "/").Is(Errno::kECONNREFUSED));
  S bound = New(abi::kSockStream);
  ASSERT_TRUE(bound->Bind(ctx_, Address("b")).ok());
  EXPECT_TRUE(Connect(s, "b").Is(Errno::kECONNREFUSED));  // not listening
  S other = New(abi::kSockDgram);
  EXPECT_TRUE(Connect(other, "b").Is(Errno::kEPROTOTYPE));
  EXPECT_TRUE(other->Bind(ctx_, Address("b")).Is(Errno::kEADDRINUSE));
  EXPECT_TRUE(bound->Bind(ctx_, Address("c")).Is(Errno::kEINVAL));
  EXPECT_TRUE(bound->Bind(ctx_, Address("b")).Is(Errno::kEADDRINUSE));
  bound.reset();
  EXPECT_TRUE(Connect(s, "b").Is(Errno::kECONNREFUSED));  // the node outlives the socket
  const Attributes a = *GetAttributes(ctx_, *ResolvePath(ctx_, ctx_.cwd, "b"));
  EXPECT_EQ(a.mode, abi::kSIfSock | 0755);
}

TEST_F(ConnectTest, WritePermissionIsNeeded) {
  S listener = Listener("sock");
  VfsContext user = ctx_;
  user.creds = MakeRef<Credentials>();
  user.creds->uid = user.creds->euid = user.creds->fsuid = 1000;
  S client = New(abi::kSockStream);
  EXPECT_TRUE(client->Connect(user, Address("sock")).Is(Errno::kEACCES));
}

TEST_F(ConnectTest, AbstractNamesAndAutobind) {
  S listener = Listener("@name");
  EXPECT_TRUE(New(abi::kSockStream)->Bind(ctx_, Address("@name")).Is(Errno::kEADDRINUSE));
  EXPECT_TRUE(New(abi::kSockDgram)->Bind(ctx_, Address("@name")).ok());  // another type
  S client = New(abi::kSockStream);
  EXPECT_TRUE(client->Bind(ctx_, UnixName{}.ToBytes()).ok());
  EXPECT_EQ(client->LocalAddress()->size(), 2u + 1 + 5);
  EXPECT_TRUE(client->Bind(ctx_, UnixName{}.ToBytes()).ok());  // keeps its name
  ASSERT_TRUE(Connect(client, "@name").ok());
  SocketAddress peer;
  S server = *listener->Accept(ctx_, 0, &peer);
  EXPECT_EQ(peer, *client->LocalAddress());
  listener.reset();
  EXPECT_TRUE(Connect(New(abi::kSockStream), "@name").Is(Errno::kECONNREFUSED));
  server.reset();  // has the listener's name, and does not take it away
  S again = Listener("@name");
  EXPECT_TRUE(Connect(New(abi::kSockStream), "@name").ok());
}

TEST_F(ConnectTest, AddressForms) {
  S s = New(abi::kSockStream);
  SocketAddress a = Address("x");
  EXPECT_TRUE(s->Connect(ctx_, std::span(a).first(1)).Is(Errno::kEINVAL));
  EXPECT_TRUE(s->Connect(ctx_, std::span(a).first(2)).Is(Errno::kEINVAL));
  EXPECT_TRUE(s->Bind(ctx_, SocketAddress(111, std::byte{1})).Is(Errno::kEINVAL));
  a[0] = std::byte{2};
  EXPECT_TRUE(s->Bind(ctx_, a).Is(Errno::kEINVAL));
  EXPECT_TRUE(s->PeerAddress().Is(Errno::kENOTCONN));
  // No NUL at the end of a full path.
  SocketAddress full(110, std::byte{'p'});
  full[0] = std::byte{1}, full[1] = std::byte{0};
  ASSERT_TRUE(s->Bind(ctx_, full).ok());
  EXPECT_EQ(s->LocalAddress()->size(), 111u);
}

TEST_F(ConnectTest, BacklogIsABound) {
  S listener = Listener("@l", abi::kSockStream, 1);
  S a = New(abi::kSockStream), b = New(abi::kSockStream), c = New(abi::kSockStream);
  EXPECT_TRUE(Connect(a, "@l").ok());
  EXPECT_TRUE(Connect(b, "@l").ok());  // one more than asked for, as in Linux
  struct Flag : base::Waiter {
    Flag() : base::Waiter(base::kWritableEvents) {}
    void Notify(base::EventMask) override { ++hits; }
    int hits = 0;
  } waiter;
  c->wait_queue()->Add(waiter);
  EXPECT_TRUE(Connect(c, "@l").Is(Errno::kEAGAIN));
  EXPECT_EQ(waiter.hits, 0);
  EXPECT_TRUE(Accept(listener).ok());
  EXPECT_EQ(waiter.hits, 1);
  EXPECT_TRUE(Connect(c, "@l").ok());
  c->wait_queue()->Remove(waiter);
}

TEST_F(ConnectTest, AClosedListenerResetsThoseInItsQueue) {
  S listener = Listener("@l");
  S client = New(abi::kSockStream);
  ASSERT_TRUE(Connect(client, "@l").ok());
  listener.reset();
  EXPECT_TRUE(Ready(client) & base::kEventHup);
  EXPECT_EQ(Text(client), kReset);
  EXPECT_EQ(Text(client), "");
  EXPECT_TRUE(Send(client, "x").Is(Errno::kEPIPE));
}

TEST_F(ConnectTest, ListenErrors) {
  EXPECT_TRUE(New(abi::kSockDgram)->Listen(ctx_, 1).Is(Errno::kEOPNOTSUPP));
  EXPECT_TRUE(New(abi::kSockStream)->Listen(ctx_, 1).Is(Errno::kEINVAL));  // no name
  EXPECT_TRUE(Pair(abi::kSockStream).first->Listen(ctx_, 1).Is(Errno::kEINVAL));
  EXPECT_TRUE(NewUnixSocket(ctx_, names_, 9, 0, 0).Is(Errno::kESOCKTNOSUPPORT));
  EXPECT_TRUE(NewUnixSocket(ctx_, names_, abi::kSockStream, 5, 0).Is(Errno::kEPROTONOSUPPORT));
  EXPECT_EQ(New(abi::kSockRaw)->socket_type(), abi::kSockDgram);
}

TEST_F(ConnectTest, PeerCredentials) {
  S listener = Listener("@l");
  VfsContext user = ctx_;
  const RefPtr<Pid> process = NewProcess(42);
  user.process = process.get();
  user.creds = MakeRef<Credentials>();
  user.creds->euid = 1000;
  user.creds->groups = {4, 5};
  S client = New(abi::kSockStream);
  ASSERT_TRUE(client->Connect(user, Address("@l")).ok());
  S server = *Accept(listener);
  EXPECT_EQ(Option<abi::Ucred>(server, abi::kSoPeerCred).pid, 42);
  EXPECT_EQ(Option<abi::Ucred>(server, abi::kSoPeerCred).uid, 1000u);
  EXPECT_EQ(Option<abi::Ucred>(client, abi::kSoPeerCred).pid, 7);
  EXPECT_EQ(server->GetOption(ctx_, abi::kSolSocket, abi::kSoPeerGroups, 8)->size(), 8u);
  EXPECT_TRUE(server->GetOption(ctx_, abi::kSolSocket, abi::kSoPeerGroups, 4).Is(Errno::kERANGE));
  EXPECT_EQ(Option<abi::Ucred>(New(abi::kSockDgram), abi::kSoPeerCred).uid, UINT32_MAX);
}

TEST_F(ConnectTest, Options) {
  S s = Listener("@l");
  EXPECT_EQ(Option<int>(s, abi::kSoType), abi::kSockStream);
  EXPECT_EQ(Option<int>(s, abi::kSoDomain), abi::kAfUnix);
  EXPECT_EQ(Option<int>(s, abi::kSoAcceptConn), 1);
  EXPECT_EQ(Option<int>(s, abi::kSoSndBuf), 212992);
  EXPECT_TRUE(SetOption(s, abi::kSoSndBuf, 10).ok());
  EXPECT_EQ(Option<int>(s, abi::kSoSndBuf), 4608);
  EXPECT_TRUE(SetOption(s, abi::kSoRcvBuf, 10'000).ok());
  EXPECT_EQ(Option<int>(s, abi::kSoRcvBuf), 20'000);
  EXPECT_TRUE(SetOption(s, abi::kSoReuseAddr, 5).ok());
  EXPECT_EQ(Option<int>(s, abi::kSoReuseAddr), 1);
  EXPECT_TRUE(SetOption(s, abi::kSoType, 1).Is(Errno::kENOPROTOOPT));
  EXPECT_TRUE(s->SetOption(ctx_, abi::kSolSocket, abi::kSoReuseAddr, {}).Is(Errno::kEINVAL));
  EXPECT_TRUE(s->GetOption(ctx_, abi::kSolTcp, 1, 4).Is(Errno::kEOPNOTSUPP));
  const int64_t tv[2] = {2, 500'000}, bad[2] = {1, 1'000'000};
  EXPECT_TRUE(s->SetOption(ctx_, abi::kSolSocket, abi::kSoRcvTimeoOld, std::as_bytes(std::span(tv))).ok());
  EXPECT_EQ(s->receive_timeout_ns(), 2'500'000'000);
  EXPECT_TRUE(s->SetOption(ctx_, abi::kSolSocket, abi::kSoSndTimeoOld, std::as_bytes(std::span(bad))).Is(Errno::kEDOM));
  EXPECT_EQ(s->GetOption(ctx_, abi::kSolSocket, abi::kSoRcvTimeoOld, 8)->size(), 8u);
}

}  // namespace
}  // namespace sentry
