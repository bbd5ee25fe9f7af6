// TCP over loopback: connections, their data, their end.
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include <vector>

#include "test/syscalls/inet_test_util.h"

TOUCHES("socket", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername", "shutdown")

namespace {

using st::Bad;
using st::IntOption;
using st::Listener;
using st::Loopback;
using st::PollOnce;
using st::SetInt;
using st::TcpPair;

void EchoOver(int family) {
  TcpPair p(family);
  EXPECT_RET(write(p.a, "hello", 5), 5);
  char b[16];
  EXPECT_RET(read(p.b, b, sizeof b), 5);
  EXPECT_RET(send(p.b, "back", 4, 0), 4);
  EXPECT_RET(recv(p.a, b, sizeof b, 0), 4);
  Loopback caller = Loopback::LocalOf(p.a), peer(family);
  socklen_t n = sizeof(sockaddr_storage);
  EXPECT_OK(getpeername(p.b, peer.addr(), &n));
  EXPECT_EQ(n, peer.size());
  EXPECT_EQ(peer.port(), caller.port());
}

TEST(InetStream, EchoV4) { EchoOver(AF_INET); }
TEST(InetStream, EchoV6) {
  if (!st::HasFamily(AF_INET6)) st::Skip("no IPv6 here");
  EchoOver(AF_INET6);
}

TEST(InetStream, SocketErrors) {
  EXPECT_ERR(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
  EXPECT_ERR(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
  EXPECT_ERR(socket(AF_INET, SOCK_STREAM, -1), EINVAL);
  EXPECT_ERR(socket(AF_INET, SOCK_STREAM, 1000), EINVAL);
  EXPECT_ERR(socket(AF_INET, SOCK_RDM, 0), ESOCKTNOSUPPORT);
  EXPECT_ERR(socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
  EXPECT_ERR(socket(AF_INET, 77, 0), EINVAL);
  EXPECT_ERR(socket(45, SOCK_STREAM, 0), EAFNOSUPPORT);
  EXPECT_ERR(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
  int fds[2];
  EXPECT_ERR(socketpair(AF_INET, SOCK_STREAM, 0, fds), EOPNOTSUPP);
}

TEST(InetStream, FlagsOfSocketAndAccept4) {
  Fd l(MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
  EXPECT_TRUE(MUST(fcntl(l, F_GETFL)) & O_NONBLOCK);
  EXPECT_TRUE(MUST(fcntl(l, F_GETFD)) & FD_CLOEXEC);
  Loopback a(AF_INET);
  MUST(bind(l, a.addr(), a.size()));
  MUST(listen(l, 1));
  EXPECT_ERR(accept(l, nullptr, nullptr), EAGAIN);
  EXPECT_ERR(accept4(l, nullptr, nullptr, 1), EINVAL);
  Loopback to = Loopback::LocalOf(l);
  Fd c(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  MUST(connect(c, to.addr(), to.size()));
  EXPECT_TRUE(PollOnce(l, POLLIN) & POLLIN);
  Fd s(MUST(accept4(l, nullptr, nullptr, SOCK_NONBLOCK)));
  EXPECT_TRUE(MUST(fcntl(s, F_GETFL)) & O_NONBLOCK);
  EXPECT_FALSE(MUST(fcntl(s, F_GETFD)) & FD_CLOEXEC);
  char b;
  EXPECT_ERR(read(s, &b, 1), EAGAIN);
}

TEST(InetStream, BindErrors) {
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  Loopback a(AF_INET);
  EXPECT_ERR(bind(s, a.addr(), 4), EINVAL);
  EXPECT_ERR(bind(s, Bad<sockaddr>(), a.size()), EFAULT);
  EXPECT_ERR(bind(s, a.addr(), 1000), EINVAL);
  Loopback six(AF_INET6);
  EXPECT_ERR(bind(s, six.addr(), six.size()), EAFNOSUPPORT);
  a.in()->sin_addr.s_addr = htonl(0xc0000201);  // 192.0.2.1: nobody's
  EXPECT_ERR(bind(s, a.addr(), a.size()), EADDRNOTAVAIL);
  Loopback fine(AF_INET);
  EXPECT_OK(bind(s, fine.addr(), fine.size()));
  EXPECT_ERR(bind(s, fine.addr(), fine.size()), EINVAL);
  MUST(listen(s, 1));
  Fd other(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  Loopback taken = Loopback::LocalOf(s);
  EXPECT_ERR(bind(other, taken.addr(), taken.size()), EADDRINUSE);
}

TEST(InetStream, LowPortsWantACapability) {
  st::NeedRoot();
  int status = st::RunInChild([] {
    st::DropToNobody();
    Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
    Loopback a(AF_INET, 81);
    EXPECT_ERR(bind(s, a.addr(), a.size()), EACCES);
  });
  EXPECT_EXITED(status, 0);
}

TEST(InetStream, StateErrors) {
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  char b[4];
  EXPECT_ERR(recv(s, b, 4, 0), ENOTCONN);
  EXPECT_ERR(send(s, b, 4, MSG_NOSIGNAL), EPIPE);
  EXPECT_ERR(shutdown(s, SHUT_RD), ENOTCONN);
  EXPECT_ERR(shutdown(s, 7), EINVAL);
  EXPECT_ERR(accept(s, nullptr, nullptr), EINVAL);
  Loopback a(AF_INET);
  socklen_t n = a.size();
  EXPECT_ERR(getpeername(s, a.addr(), &n), ENOTCONN);
  EXPECT_OK(getsockname(s, a.addr(), &n));
  EXPECT_EQ(a.port(), 0);
  n = 4;
  EXPECT_OK(getsockname(s, a.addr(), &n));
  EXPECT_EQ(n, sizeof(sockaddr_in));
  TcpPair p;
  Loopback to = Loopback::LocalOf(p.listener);
  EXPECT_ERR(connect(p.a, to.addr(), to.size()), EISCONN);
  EXPECT_ERR(listen(p.a, 1), EINVAL);
  EXPECT_ERR(accept(p.a, nullptr, nullptr), EINVAL);
}

TEST(InetStream, SendOnClosedRaisesSigpipe) {
  static volatile sig_atomic_t got;
  st::OnSignal(SIGPIPE, [](int) { got = got + 1; });
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  EXPECT_ERR(send(s, "x", 1, MSG_NOSIGNAL), EPIPE);
  EXPECT_EQ(got, 0);
  EXPECT_ERR(send(s, "x", 1, 0), EPIPE);
  EXPECT_ERR(write(s, "x", 1), EPIPE);
  EXPECT_EQ(got, 2);
}

uint16_t UnusedPort() {
  Fd l = Listener();
  return Loopback::LocalOf(l).port();
}

TEST(InetStream, RefusedAndThenFreeAgain) {
  Loopback nobody(AF_INET, UnusedPort());
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  EXPECT_ERR(connect(s, nobody.addr(), nobody.size()), ECONNREFUSED);
  Fd l = Listener();
  Loopback to = Loopback::LocalOf(l);
  EXPECT_OK(connect(s, to.addr(), to.size()));
  EXPECT_ERR(connect(s, to.addr(), to.size()), EISCONN);
}

TEST(InetStream, ConnectErrors) {
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  Loopback a(AF_INET, 1);
  EXPECT_ERR(connect(s, a.addr(), 1), EINVAL);
  EXPECT_ERR(connect(s, a.addr(), 8), EINVAL);
  EXPECT_ERR(connect(s, Bad<sockaddr>(), a.size()), EFAULT);
  Loopback six(AF_INET6, 1);
  EXPECT_ERR(connect(s, six.addr(), six.size()), EAFNOSUPPORT);
  sockaddr_storage unix_name = {};
  unix_name.ss_family = AF_UNIX;
  EXPECT_ERR(connect(s, reinterpret_cast<sockaddr*>(&unix_name), 20), EAFNOSUPPORT);
}

TEST(InetStream, NonBlockingConnect) {
  Fd l = Listener();
  Loopback to = Loopback::LocalOf(l);
  Fd s(MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)));
  EXPECT_ERR(connect(s, to.addr(), to.size()), EINPROGRESS);
  EXPECT_EQ(PollOnce(s, POLLOUT), POLLOUT);
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_ERROR), 0);
  EXPECT_OK(connect(s, to.addr(), to.size()));
  EXPECT_ERR(connect(s, to.addr(), to.size()), EISCONN);
}

TEST(InetStream, NonBlockingConnectRefused) {
  Loopback nobody(AF_INET, UnusedPort());
  Fd s(MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)));
  EXPECT_ERR(connect(s, nobody.addr(), nobody.size()), EINPROGRESS);
  EXPECT_TRUE(PollOnce(s, POLLOUT) & POLLERR);
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_ERROR), 0);
}

TEST(InetStream, AcceptWaitsAndIsInterrupted) {
  Fd l = Listener();
  st::OnSignal(SIGUSR1, [](int) {});
  pid_t me = getpid();
  pid_t child = st::Spawn([&] {
    st::WaitBlocked(me);
    MUST(kill(me, SIGUSR1));
  });
  EXPECT_ERR(accept(l, nullptr, nullptr), EINTR);
  EXPECT_EXITED(st::WaitStatus(child), 0);
  Loopback to = Loopback::LocalOf(l);
  child = st::Spawn([&] {
    st::WaitBlocked(me);
    Fd c(MUST(socket(AF_INET, SOCK_STREAM, 0)));
    MUST(connect(c, to.addr(), to.size()));
  });
  Loopback peer(AF_INET);
  socklen_t n = peer.size();
  Fd s(EXPECT_OK(accept(l, peer.addr(), &n)));
  EXPECT_EQ(n, sizeof(sockaddr_in));
  EXPECT_TRUE(peer.port() != 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(InetStream, RecvWaitsForData) {
  TcpPair p;
  pid_t me = getpid();
  pid_t child = st::Spawn([&] {
    st::WaitBlocked(me);
    MUST(write(p.a, "x", 1));
  });
  char b[4];
  EXPECT_RET(recv(p.b, b, 4, 0), 1);
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_ERR(recv(p.b, b, 4, MSG_DONTWAIT), EAGAIN);
}

TEST(InetStream, TimeLimits) {
  TcpPair p;
  timeval tv = {0, 30000};
  MUST(setsockopt(p.b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  int64_t start = st::NowNs();
  char b[4];
  EXPECT_ERR(recv(p.b, b, 4, 0), EAGAIN);
  EXPECT_TRUE(st::NowNs() - start >= 29000000);
  MUST(setsockopt(p.listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  EXPECT_ERR(accept(p.listener, nullptr, nullptr), EAGAIN);
  MUST(setsockopt(p.a, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
  std::string big(1 << 20, 'x');
  long n;
  int rounds = 0;
  while ((n = send(p.a, big.data(), big.size(), 0)) > 0 && rounds < 1000) ++rounds;
  EXPECT_EQ(n, -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(InetStream, PeekTruncWaitall) {
  TcpPair p;
  MUST(write(p.a, "abcdef", 6));
  char b[16] = {};
  EXPECT_RET(recv(p.b, b, 3, MSG_PEEK), 3);
  EXPECT_EQ(std::string(b, 3), "abc");
  EXPECT_RET(recv(p.b, Bad(), 2, MSG_TRUNC), 2);  // dropped, not copied
  EXPECT_RET(recv(p.b, b, 2, 0), 2);
  EXPECT_EQ(std::string(b, 2), "cd");
  pid_t me = getpid();
  pid_t child = st::Spawn([&] {
    st::WaitBlocked(me);
    MUST(write(p.a, "gh", 2));
  });
  EXPECT_RET(recv(p.b, b, 4, MSG_WAITALL), 4);
  EXPECT_EQ(std::string(b, 4), "efgh");
  EXPECT_EXITED(st::WaitStatus(child), 0);
  MUST(write(p.a, "ij", 2));
  p.a.reset();
  EXPECT_RET(recv(p.b, b, 16, MSG_WAITALL), 2);
  EXPECT_RET(recv(p.b, b, 16, MSG_WAITALL), 0);
}

TEST(InetStream, BadBufferLosesNothing) {
  TcpPair p;
  MUST(write(p.a, "abc", 3));
  EXPECT_TRUE(PollOnce(p.b, POLLIN) & POLLIN);
  EXPECT_ERR(recv(p.b, Bad(), 3, 0), EFAULT);
  EXPECT_TRUE(PollOnce(p.b, POLLIN, 0) & POLLIN);
  int left = 0;
  EXPECT_OK(ioctl(p.b, FIONREAD, &left));
  EXPECT_EQ(left, 3);
  char b[8];
  EXPECT_RET(recv(p.b, b, 8, 0), 3);
  EXPECT_ERR(send(p.a, Bad(), 3, 0), EFAULT);
}

TEST(InetStream, ShutdownAndHangUp) {
  TcpPair p;
  char b[4];
  EXPECT_OK(shutdown(p.a, SHUT_WR));
  EXPECT_RET(recv(p.b, b, 4, 0), 0);
  EXPECT_EQ(PollOnce(p.b, POLLIN | POLLRDHUP | POLLOUT), POLLIN | POLLRDHUP | POLLOUT);
  EXPECT_ERR(send(p.a, "x", 1, MSG_NOSIGNAL), EPIPE);
  EXPECT_RET(send(p.b, "x", 1, 0), 1);
  EXPECT_RET(recv(p.a, b, 4, 0), 1);
  EXPECT_OK(shutdown(p.b, SHUT_RDWR));
  EXPECT_TRUE(PollOnce(p.b, POLLIN) & POLLHUP);
}

TEST(InetStream, ResetIsTold) {
  TcpPair p;
  linger now = {1, 0};
  MUST(setsockopt(p.a, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  p.a.reset();
  EXPECT_TRUE(PollOnce(p.b, POLLIN) & POLLERR);
  char b;
  EXPECT_ERR(recv(p.b, &b, 1, 0), ECONNRESET);
  EXPECT_RET(recv(p.b, &b, 1, 0), 0);
}

TEST(InetStream, LargeTransfer) {
  TcpPair p;
  constexpr size_t kSize = 5 << 20;
  std::string sent(kSize, 0);
  for (size_t i = 0; i < kSize; ++i) sent[i] = static_cast<char>(i * 7 + i / 1000);
  pid_t child = st::Spawn([&] {
    p.b.reset();
    EXPECT_RET(send(p.a, sent.data(), kSize, 0), kSize);  // blocking: all of it
  });
  p.a.reset();
  std::string got;
  std::vector<char> b(300000);
  long n;
  while ((n = recv(p.b, b.data(), b.size(), 0)) > 0) got.append(b.data(), n);
  EXPECT_EQ(n, 0);
  EXPECT_TRUE(got == sent);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(InetStream, WriteBlocksUntilRead) {
  TcpPair p;
  std::string chunk(1 << 16, 'x');
  MUST(fcntl(p.a, F_SETFL, O_NONBLOCK));
  size_t filled = 0;
  long n;
  while ((n = write(p.a, chunk.data(), chunk.size())) > 0) filled += n;
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(PollOnce(p.a, POLLOUT, 0), 0);
  int queued = 0;
  EXPECT_OK(ioctl(p.a, TIOCOUTQ, &queued));
  EXPECT_TRUE(queued > 0);
  MUST(fcntl(p.a, F_SETFL, 0));
  pid_t me = getpid();
  pid_t child = st::Spawn([&] {
    p.a.reset();
    st::WaitBlocked(me);
    size_t total = 0;
    std::vector<char> b(1 << 20);
    while (total < filled + 4) {
      long r = MUST(read(p.b, b.data(), b.size()));
      if (r == 0) break;
      total += r;
    }
    EXPECT_EQ(total, filled + 4);
  });
  EXPECT_RET(write(p.a, "tail", 4), 4);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(InetStream, Backlog) {
  Fd l = Listener(AF_INET, 0);
  Loopback to = Loopback::LocalOf(l);
  Fd one(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  EXPECT_OK(connect(one, to.addr(), to.size()));  // a backlog of 0 holds one
  EXPECT_OK(listen(l, -1));
  EXPECT_EQ(IntOption(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
  EXPECT_EQ(IntOption(one, SOL_SOCKET, SO_ACCEPTCONN), 0);
  Fd s(MUST(accept(l, nullptr, nullptr)));
}

TEST(InetStream, ListenerClosedWhileOthersWait) {
  Fd l = Listener();
  EXPECT_OK(shutdown(l, SHUT_RD));
  EXPECT_ERR(accept(l, nullptr, nullptr), EINVAL);
}

TEST(InetStream, EpollEdges) {
  TcpPair p;
  Fd ep(MUST(epoll_create1(0)));
  epoll_event e = {};
  e.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p.b, &e));
  epoll_event got = {};
  EXPECT_RET(epoll_wait(ep, &got, 1, 1000), 1);
  EXPECT_EQ(got.events, static_cast<uint32_t>(EPOLLOUT));
  EXPECT_RET(epoll_wait(ep, &got, 1, 20), 0);
  MUST(write(p.a, "ab", 2));
  EXPECT_RET(epoll_wait(ep, &got, 1, 5000), 1);
  EXPECT_EQ(got.events, static_cast<uint32_t>(EPOLLIN | EPOLLOUT));
  char b;
  MUST(read(p.b, &b, 1));  // one byte stays: no edge of its own
  EXPECT_RET(epoll_wait(ep, &got, 1, 20), 0);
  MUST(write(p.a, "c", 1));
  EXPECT_RET(epoll_wait(ep, &got, 1, 5000), 1);
  p.a.reset();
  EXPECT_RET(epoll_wait(ep, &got, 1, 5000), 1);
  EXPECT_TRUE(got.events & EPOLLRDHUP);
}

TEST(InetStream, EpollLevelOfListener) {
  Fd l = Listener();
  Fd ep(MUST(epoll_create1(0)));
  epoll_event e = {};
  e.events = EPOLLIN;
  MUST(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e));
  epoll_event got = {};
  EXPECT_RET(epoll_wait(ep, &got, 1, 0), 0);
  Loopback to = Loopback::LocalOf(l);
  Fd c(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  MUST(connect(c, to.addr(), to.size()));
  EXPECT_RET(epoll_wait(ep, &got, 1, 5000), 1);
  EXPECT_RET(epoll_wait(ep, &got, 1, 5000), 1);
  Fd s(MUST(accept(l, nullptr, nullptr)));
  EXPECT_RET(epoll_wait(ep, &got, 1, 20), 0);
}

TEST(InetStream, UrgentByte) {
  TcpPair p;
  EXPECT_RET(send(p.a, "xU", 2, MSG_OOB), 2);
  EXPECT_TRUE(PollOnce(p.b, POLLPRI) & POLLPRI);
  char b[4];
  EXPECT_RET(recv(p.b, b, 4, MSG_OOB), 1);
  EXPECT_EQ(b[0], 'U');
  EXPECT_RET(recv(p.b, b, 4, 0), 1);
  int mark = 0;
  EXPECT_OK(ioctl(p.b, SIOCATMARK, &mark));
  EXPECT_EQ(mark, 1);
  EXPECT_ERR(recv(p.b, b, 1, MSG_OOB), EINVAL);
}

TEST(InetStream, SharedAcrossForkAndClosedOnce) {
  TcpPair p;
  pid_t child = st::Spawn([&] { MUST(write(p.a, "child", 5)); });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  char b[8];
  EXPECT_RET(recv(p.b, b, 8, MSG_WAITALL | MSG_DONTWAIT), 5);
  EXPECT_ERR(recv(p.b, b, 8, MSG_DONTWAIT), EAGAIN);  // the parent still has its end
  p.a.reset();
  EXPECT_RET(recv(p.b, b, 8, 0), 0);
}

TEST(InetStream, SendmsgGathers) {
  TcpPair p;
  char x[] = "abc", y[] = "defg";
  iovec out[2] = {{x, 3}, {y, 4}};
  msghdr m = {};
  m.msg_iov = out;
  m.msg_iovlen = 2;
  EXPECT_RET(sendmsg(p.a, &m, 0), 7);
  char b1[2], b2[10];
  iovec in[2] = {{b1, 2}, {b2, 10}};
  sockaddr_storage from;
  msghdr r = {};
  r.msg_iov = in;
  r.msg_iovlen = 2;
  r.msg_name = &from;
  r.msg_namelen = sizeof from;
  EXPECT_RET(recvmsg(p.b, &r, MSG_WAITALL | MSG_DONTWAIT), 7);
  EXPECT_EQ(r.msg_namelen, 0u);  // a stream names nobody
  EXPECT_EQ(r.msg_controllen, 0u);
}

}  // namespace
