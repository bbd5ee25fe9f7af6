// Unix datagram and seqpacket sockets; sendmsg, recvmsg and their many-message forms.
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test/syscalls/harness/test.h"

TOUCHES("sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "socketpair")

namespace {

using st::Bad;
using st::SockPair;

sockaddr_un Name(const char* path) {
  sockaddr_un un = {};
  un.sun_family = AF_UNIX;
  strcpy(un.sun_path, path);
  return un;
}

const sockaddr* Addr(const sockaddr_un& un) { return reinterpret_cast<const sockaddr*>(&un); }

Fd Bound(const char* path) {
  Fd s(MUST(socket(AF_UNIX, SOCK_DGRAM, 0)));
  sockaddr_un un = Name(path);
  MUST(bind(s, Addr(un), sizeof un));
  return s;
}

TEST(UnixDgram, KeepsMessageBoundaries) {
  SockPair p(SOCK_DGRAM);
  MUST(send(p.a, "one", 3, 0));
  MUST(send(p.a, "", 0, 0));
  MUST(send(p.a, "three", 5, 0));
  char b[16];
  EXPECT_RET(recv(p.b, b, 16, 0), 3);
  EXPECT_RET(recv(p.b, b, 16, 0), 0);
  EXPECT_RET(recv(p.b, b, 2, 0), 2);  // the rest is lost
  EXPECT_ERR(recv(p.b, b, 16, MSG_DONTWAIT), EAGAIN);
}

TEST(UnixDgram, SendtoNamedSocket) {
  MUST(chdir(st::Tmp().c_str()));
  Fd a = Bound("a"), b = Bound("b");
  sockaddr_un to = Name("b"), from = {};
  EXPECT_RET(sendto(a, "hi", 2, 0, Addr(to), sizeof to), 2);
  char buf[8];
  socklen_t len = sizeof from;
  EXPECT_RET(recvfrom(b, buf, 8, 0, reinterpret_cast<sockaddr*>(&from), &len), 2);
  EXPECT_EQ(std::string(from.sun_path), "a");
  EXPECT_ERR(sendto(a, "x", 1, 0, Addr(Name("none")), sizeof to), ENOENT);
  EXPECT_ERR(send(a, "x", 1, 0), ENOTCONN);
  b.reset();
  EXPECT_ERR(sendto(a, "x", 1, 0, Addr(to), sizeof to), ECONNREFUSED);
}

TEST(UnixDgram, ConnectSetsAndClearsPeer) {
  MUST(chdir(st::Tmp().c_str()));
  Fd a = Bound("a"), b = Bound("b"), c = Bound("c");
  sockaddr_un to = Name("b");
  EXPECT_OK(connect(a, Addr(to), sizeof to));
  EXPECT_RET(send(a, "x", 1, 0), 1);
  EXPECT_OK(connect(b, Addr(Name("c")), sizeof to));
  EXPECT_ERR(sendto(a, "x", 1, 0, Addr(to), sizeof to), EPERM);  // b talks to c only
  sockaddr none = {};
  none.sa_family = AF_UNSPEC;
  EXPECT_OK(connect(a, &none, sizeof none));
  EXPECT_ERR(send(a, "x", 1, 0), ENOTCONN);
}

TEST(UnixDgram, WrongTypeIsEPROTOTYPE) {
  MUST(chdir(st::Tmp().c_str()));
  Fd a = Bound("a");
  Fd s(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  EXPECT_ERR(connect(s, Addr(Name("a")), sizeof(sockaddr_un)), EPROTOTYPE);
}

TEST(UnixDgram, MessageTooLong) {
  SockPair p(SOCK_DGRAM);
  int size = 8192;
  MUST(setsockopt(p.a, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
  std::string big(1 << 20, 'x');
  EXPECT_ERR(send(p.a, big.data(), big.size(), 0), EMSGSIZE);
}

TEST(UnixDgram, TruncationFlags) {
  SockPair p(SOCK_DGRAM);
  MUST(send(p.a, "abcdef", 6, 0));
  MUST(send(p.a, "abcdef", 6, 0));
  char b[3];
  struct iovec v = {b, 3};
  struct msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  EXPECT_RET(recvmsg(p.b, &m, 0), 3);
  EXPECT_TRUE(m.msg_flags & MSG_TRUNC);
  EXPECT_RET(recv(p.b, b, 3, MSG_TRUNC), 6);  // tells the true length
}

TEST(UnixSeqpacket, BoundariesAndEndOfFile) {
  SockPair p(SOCK_SEQPACKET);
  MUST(send(p.a, "one", 3, 0));
  MUST(send(p.a, "two", 3, 0));
  char b[16];
  EXPECT_RET(recv(p.b, b, 16, 0), 3);
  EXPECT_RET(recv(p.b, b, 16, 0), 3);
  p.a.reset();
  EXPECT_RET(recv(p.b, b, 16, 0), 0);
}

TEST(SocketMsg, GatherAndScatter) {
  SockPair p(SOCK_STREAM);
  char x[] = "abc", y[] = "defg";
  struct iovec out[2] = {{x, 3}, {y, 4}};
  struct msghdr m = {};
  m.msg_iov = out;
  m.msg_iovlen = 2;
  EXPECT_RET(sendmsg(p.a, &m, 0), 7);
  char b1[2], b2[10];
  struct iovec in[2] = {{b1, 2}, {b2, 10}};
  m.msg_iov = in;
  EXPECT_RET(recvmsg(p.b, &m, 0), 7);
  EXPECT_EQ(std::string(b2, 5), "cdefg");
}

TEST(SocketMsg, Errors) {
  SockPair p(SOCK_STREAM);
  struct msghdr m = {};
  m.msg_iovlen = 5000;
  EXPECT_ERR(sendmsg(p.a, &m, 0), EMSGSIZE);
  EXPECT_ERR(recvmsg(p.a, &m, 0), EMSGSIZE);
  EXPECT_ERR(sendmsg(p.a, Bad<msghdr>(), 0), EFAULT);
  EXPECT_ERR(recvmsg(p.a, Bad<msghdr>(), 0), EFAULT);
  m = {};
  EXPECT_ERR(sendmsg(0, &m, 0), ENOTSOCK);
  EXPECT_ERR(sendmsg(st::BadFd(), &m, 0), EBADF);
}

TEST(SocketMsg, ManyAtOnce) {
  SockPair p(SOCK_DGRAM);
  char x[] = "abc", y[] = "de";
  struct iovec v[2] = {{x, 3}, {y, 2}};
  struct mmsghdr m[2] = {};
  for (int i = 0; i < 2; i++) {
    m[i].msg_hdr.msg_iov = &v[i];
    m[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_RET(sendmmsg(p.a, m, 2, 0), 2);
  EXPECT_EQ(m[1].msg_len, 2u);
  char b[2][8];
  v[0] = {b[0], 8};
  v[1] = {b[1], 8};
  struct timespec t = {1, 0};
  EXPECT_RET(recvmmsg(p.b, m, 2, 0, &t), 2);
  EXPECT_EQ(m[0].msg_len, 3u);
  EXPECT_EQ(std::string(b[1], 2), "de");
  EXPECT_ERR(recvmmsg(p.b, m, 2, MSG_DONTWAIT, nullptr), EAGAIN);
  EXPECT_ERR(recvmmsg(st::BadFd(), m, 2, 0, nullptr), EBADF);
  EXPECT_ERR(sendmmsg(st::BadFd(), m, 2, 0), EBADF);
}

TEST(SocketMsg, WaitForOne) {
  SockPair p(SOCK_DGRAM);
  MUST(send(p.a, "x", 1, 0));
  char b[2][8];
  struct iovec v[2] = {{b[0], 8}, {b[1], 8}};
  struct mmsghdr m[2] = {};
  for (int i = 0; i < 2; i++) {
    m[i].msg_hdr.msg_iov = &v[i];
    m[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_RET(recvmmsg(p.b, m, 2, MSG_WAITFORONE, nullptr), 1);
}

TEST(Socketpair, Arguments) {
  int p[2];
  EXPECT_ERR(socketpair(AF_UNIX, 99, 0, p), EINVAL);
  EXPECT_ERR(socketpair(AF_UNIX, SOCK_STREAM, 9, p), EPROTONOSUPPORT);
  EXPECT_ERR(socketpair(AF_UNIX, SOCK_STREAM, 0, Bad<int>()), EFAULT);
  ASSERT_RET(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p), 0);
  EXPECT_EQ(fcntl(p[1], F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(fcntl(p[1], F_GETFL) & O_NONBLOCK);
}

TEST(Socketpair, BothWays) {
  SockPair p(SOCK_STREAM);
  char c;
  EXPECT_RET(write(p.a, "1", 1), 1);
  EXPECT_RET(write(p.b, "2", 1), 1);
  EXPECT_RET(read(p.a, &c, 1), 1);
  EXPECT_EQ(c, '2');
  EXPECT_RET(read(p.b, &c, 1), 1);
  EXPECT_EQ(c, '1');
}

}  // namespace
