// UDP over loopback, ICMP datagrams, messages and their ancillary data.
#include <netinet/ip_icmp.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include <vector>

#include "test/syscalls/inet_test_util.h"

TOUCHES("sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "connect", "getpeername")

namespace {

using st::Bad;
using st::BoundUdp;
using st::IntOption;
using st::Loopback;
using st::PollOnce;
using st::SetInt;

void EchoOver(int family) {
  Fd a = BoundUdp(family), b = BoundUdp(family);
  Loopback to = Loopback::LocalOf(b), from(family);
  EXPECT_RET(sendto(a, "hello", 5, 0, to.addr(), to.size()), 5);
  char buf[16];
  socklen_t n = sizeof(sockaddr_storage);
  EXPECT_RET(recvfrom(b, buf, sizeof buf, 0, from.addr(), &n), 5);
  EXPECT_EQ(n, from.size());
  EXPECT_EQ(from.port(), Loopback::LocalOf(a).port());
  EXPECT_RET(sendto(b, "back", 4, 0, from.addr(), n), 4);
  EXPECT_RET(recv(a, buf, sizeof buf, 0), 4);
}

TEST(InetDgram, EchoV4) { EchoOver(AF_INET); }
TEST(InetDgram, EchoV6) {
  if (!st::HasFamily(AF_INET6)) st::Skip("no IPv6 here");
  EchoOver(AF_INET6);
}

TEST(InetDgram, BoundariesAndTruncation) {
  Fd a = BoundUdp(), b = BoundUdp();
  Loopback to = Loopback::LocalOf(b);
  MUST(connect(a, to.addr(), to.size()));
  MUST(send(a, "one", 3, 0));
  MUST(send(a, "", 0, 0));
  MUST(send(a, "three", 5, 0));
  MUST(send(a, "four!", 5, 0));
  char buf[16];
  EXPECT_RET(recv(b, buf, 16, 0), 3);
  EXPECT_RET(recv(b, buf, 16, 0), 0);
  EXPECT_RET(recv(b, buf, 2, MSG_PEEK | MSG_TRUNC), 5);
  EXPECT_RET(recv(b, buf, 2, 0), 2);
  iovec v = {buf, 3};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  EXPECT_RET(recvmsg(b, &m, 0), 3);
  EXPECT_TRUE(m.msg_flags & MSG_TRUNC);
  EXPECT_ERR(recv(b, buf, 16, MSG_DONTWAIT), EAGAIN);
}

TEST(InetDgram, ConnectSetsAndClearsPeer) {
  Fd a = BoundUdp(), b = BoundUdp(), c = BoundUdp();
  Loopback to = Loopback::LocalOf(b), peer(AF_INET);
  socklen_t n = peer.size();
  EXPECT_ERR(getpeername(a, peer.addr(), &n), ENOTCONN);
  EXPECT_ERR(send(a, "x", 1, 0), EDESTADDRREQ);
  EXPECT_OK(connect(a, to.addr(), to.size()));
  EXPECT_OK(getpeername(a, peer.addr(), &n));
  EXPECT_EQ(peer.port(), to.port());
  Loopback mine = Loopback::LocalOf(a);
  MUST(sendto(c, "stranger", 8, 0, mine.addr(), mine.size()));
  char buf[16];
  EXPECT_ERR(recv(a, buf, 16, MSG_DONTWAIT), EAGAIN);  // only its peer's
  sockaddr none = {};
  none.sa_family = AF_UNSPEC;
  EXPECT_OK(connect(a, &none, sizeof none));
  EXPECT_ERR(send(a, "x", 1, 0), EDESTADDRREQ);
}

TEST(InetDgram, RefusedByIcmp) {
  Loopback gone = Loopback::LocalOf(BoundUdp());
  Fd a(MUST(socket(AF_INET, SOCK_DGRAM, 0)));
  MUST(connect(a, gone.addr(), gone.size()));
  MUST(send(a, "x", 1, 0));
  EXPECT_TRUE(PollOnce(a, POLLIN) & POLLERR);
  EXPECT_EQ(IntOption(a, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  MUST(send(a, "x", 1, 0));
  EXPECT_TRUE(PollOnce(a, POLLIN) & POLLERR);
  char b;
  EXPECT_ERR(recv(a, &b, 1, 0), ECONNREFUSED);
}

TEST(InetDgram, ErrorQueue) {
  Loopback gone = Loopback::LocalOf(BoundUdp());
  Fd a(MUST(socket(AF_INET, SOCK_DGRAM, 0)));
  MUST(SetInt(a, SOL_IP, IP_RECVERR, 1));
  MUST(connect(a, gone.addr(), gone.size()));
  char b[64], control[256];
  EXPECT_ERR(recv(a, b, 1, MSG_ERRQUEUE), EAGAIN);  // never waits
  MUST(send(a, "query", 5, 0));
  EXPECT_TRUE(PollOnce(a, POLLIN) & POLLERR);
  iovec v = {b, sizeof b};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  EXPECT_RET(recvmsg(a, &m, MSG_ERRQUEUE), 5);
  EXPECT_TRUE(m.msg_flags & MSG_ERRQUEUE);
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  ASSERT_TRUE(c != nullptr);
  EXPECT_EQ(c->cmsg_level, SOL_IP);
  EXPECT_EQ(c->cmsg_type, IP_RECVERR);
}

TEST(InetDgram, TooLong) {
  Fd a = BoundUdp();
  Loopback to = Loopback::LocalOf(a);
  std::string big(70000, 'x');
  EXPECT_ERR(sendto(a, big.data(), big.size(), 0, to.addr(), to.size()), EMSGSIZE);
  EXPECT_ERR(sendto(a, big.data(), 65508, 0, to.addr(), to.size()), EMSGSIZE);
  EXPECT_RET(sendto(a, big.data(), 65507, 0, to.addr(), to.size()), 65507);
  std::vector<char> b(80000);
  EXPECT_RET(recv(a, b.data(), b.size(), 0), 65507);
}

TEST(InetDgram, AddressErrors) {
  Fd a = BoundUdp();
  Loopback to = Loopback::LocalOf(a);
  EXPECT_ERR(sendto(a, "x", 1, 0, to.addr(), 4), EINVAL);
  EXPECT_ERR(sendto(a, "x", 1, 0, Bad<sockaddr>(), to.size()), EFAULT);
  EXPECT_ERR(sendto(a, Bad(), 1, 0, to.addr(), to.size()), EFAULT);
  Loopback zero = to;
  zero.SetPort(0);
  EXPECT_ERR(sendto(a, "x", 1, 0, zero.addr(), zero.size()), EINVAL);
  Loopback six(AF_INET6, 9);
  EXPECT_ERR(sendto(a, "x", 1, 0, six.addr(), six.size()), EAFNOSUPPORT);
  Loopback broadcast(AF_INET, 9);
  broadcast.in()->sin_addr.s_addr = htonl(INADDR_BROADCAST);
  EXPECT_TRUE(sendto(a, "x", 1, 0, broadcast.addr(), broadcast.size()) < 0);
  EXPECT_TRUE(errno == EACCES || errno == ENETUNREACH);
}

TEST(InetDgram, RecvWaitsAndTimesOut) {
  Fd a = BoundUdp();
  Loopback to = Loopback::LocalOf(a);
  timeval tv = {0, 20000};
  MUST(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  char b[4];
  EXPECT_ERR(recv(a, b, 4, 0), EAGAIN);
  tv = {};
  MUST(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  pid_t me = getpid();
  pid_t child = st::Spawn([&] {
    st::WaitBlocked(me);
    MUST(sendto(a, "x", 1, 0, to.addr(), to.size()));
  });
  EXPECT_RET(recv(a, b, 4, 0), 1);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(InetDgram, FionreadTellsTheNextDatagram) {
  Fd a = BoundUdp();
  Loopback to = Loopback::LocalOf(a);
  MUST(sendto(a, "four", 4, 0, to.addr(), to.size()));
  MUST(sendto(a, "seven77", 7, 0, to.addr(), to.size()));
  int n = 0;
  EXPECT_OK(ioctl(a, FIONREAD, &n));
  EXPECT_EQ(n, 4);
}

TEST(InetDgram, ManyMessages) {
  Fd a = BoundUdp(), b = BoundUdp();
  Loopback to = Loopback::LocalOf(b);
  char texts[3][8] = {"a", "bb", "ccc"};
  iovec v[3];
  mmsghdr m[3] = {};
  for (int i = 0; i < 3; ++i) {
    v[i] = {texts[i], static_cast<size_t>(i + 1)};
    m[i].msg_hdr.msg_iov = &v[i];
    m[i].msg_hdr.msg_iovlen = 1;
    m[i].msg_hdr.msg_name = to.addr();
    m[i].msg_hdr.msg_namelen = to.size();
  }
  EXPECT_RET(sendmmsg(a, m, 3, 0), 3);
  EXPECT_EQ(m[2].msg_len, 3u);
  char bufs[4][8];
  iovec w[4];
  mmsghdr r[4] = {};
  sockaddr_in from[4];
  for (int i = 0; i < 4; ++i) {
    w[i] = {bufs[i], 8};
    r[i].msg_hdr.msg_iov = &w[i];
    r[i].msg_hdr.msg_iovlen = 1;
    r[i].msg_hdr.msg_name = &from[i];
    r[i].msg_hdr.msg_namelen = sizeof from[i];
  }
  EXPECT_RET(recvmmsg(b, r, 4, MSG_WAITFORONE, nullptr), 3);
  EXPECT_EQ(r[1].msg_len, 2u);
  EXPECT_EQ(ntohs(from[1].sin_port), Loopback::LocalOf(a).port());
}

// One receive with room for ancillary data: the first record of a level.
const cmsghdr* FirstOf(msghdr& m, int level) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level == level) return c;
  }
  return nullptr;
}

TEST(InetDgram, PacketInfoTtlAndTimestamp) {
  Fd a = BoundUdp(), b = BoundUdp();
  Loopback to = Loopback::LocalOf(b);
  MUST(SetInt(b, SOL_IP, IP_PKTINFO, 1));
  MUST(sendto(a, "x", 1, 0, to.addr(), to.size()));
  char byte, control[256];
  iovec v = {&byte, 1};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  EXPECT_RET(recvmsg(b, &m, 0), 1);
  const cmsghdr* c = FirstOf(m, SOL_IP);
  ASSERT_TRUE(c != nullptr);
  EXPECT_EQ(c->cmsg_type, IP_PKTINFO);
  EXPECT_EQ(c->cmsg_len, CMSG_LEN(sizeof(in_pktinfo)));
  in_pktinfo info;
  memcpy(&info, CMSG_DATA(c), sizeof info);
  EXPECT_EQ(info.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
  MUST(SetInt(b, SOL_IP, IP_PKTINFO, 0));
  MUST(SetInt(b, SOL_SOCKET, SO_TIMESTAMP, 1));
  MUST(sendto(a, "x", 1, 0, to.addr(), to.size()));
  m.msg_controllen = sizeof control;
  EXPECT_RET(recvmsg(b, &m, 0), 1);
  c = FirstOf(m, SOL_SOCKET);
  ASSERT_TRUE(c != nullptr);
  EXPECT_EQ(c->cmsg_type, SO_TIMESTAMP);
  MUST(sendto(a, "x", 1, 0, to.addr(), to.size()));
  m.msg_controllen = 4;  // no room
  EXPECT_RET(recvmsg(b, &m, 0), 1);
  EXPECT_TRUE(m.msg_flags & MSG_CTRUNC);
}

TEST(InetDgram, SendsTtlByMessage) {
  Fd a = BoundUdp(), b = BoundUdp();
  Loopback to = Loopback::LocalOf(b);
  MUST(SetInt(b, SOL_IP, IP_RECVTTL, 1));
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 'x';
  iovec v = {&byte, 1};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_name = to.addr();
  m.msg_namelen = to.size();
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_IP;
  c->cmsg_type = IP_TTL;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  int ttl = 7;
  memcpy(CMSG_DATA(c), &ttl, sizeof ttl);
  EXPECT_RET(sendmsg(a, &m, 0), 1);
  m.msg_controllen = sizeof control;
  EXPECT_RET(recvmsg(b, &m, 0), 1);
  const cmsghdr* got = FirstOf(m, SOL_IP);
  ASSERT_TRUE(got != nullptr);
  memcpy(&ttl, CMSG_DATA(got), sizeof ttl);
  EXPECT_EQ(ttl, 7);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = 0x7777;  // nobody's
  c->cmsg_len = CMSG_LEN(sizeof(int));
  m.msg_name = to.addr();
  m.msg_namelen = to.size();
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  EXPECT_ERR(sendmsg(a, &m, 0), EINVAL);
}

TEST(InetDgram, ShutdownUnconnected) {
  Fd a = BoundUdp();
  EXPECT_ERR(shutdown(a, SHUT_RD), ENOTCONN);
  EXPECT_ERR(listen(a, 1), EOPNOTSUPP);
  EXPECT_ERR(accept(a, nullptr, nullptr), EOPNOTSUPP);
}

TEST(InetDgram, ReusePortAndV6Only) {
  Fd a(MUST(socket(AF_INET, SOCK_DGRAM, 0))), b(MUST(socket(AF_INET, SOCK_DGRAM, 0)));
  MUST(SetInt(a, SOL_SOCKET, SO_REUSEPORT, 1));
  Loopback name(AF_INET);
  MUST(bind(a, name.addr(), name.size()));
  name = Loopback::LocalOf(a);
  EXPECT_ERR(bind(b, name.addr(), name.size()), EADDRINUSE);
  MUST(SetInt(b, SOL_SOCKET, SO_REUSEPORT, 1));
  EXPECT_OK(bind(b, name.addr(), name.size()));
  if (!st::HasFamily(AF_INET6)) return;
  Fd six(MUST(socket(AF_INET6, SOCK_DGRAM, 0)));
  EXPECT_OK(SetInt(six, SOL_IPV6, IPV6_V6ONLY, 1));
  EXPECT_EQ(IntOption(six, SOL_IPV6, IPV6_V6ONLY), 1);
}

TEST(InetDgram, Ping) {
  Fd s(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
  if (s < 0 && errno == EACCES) st::Skip("net.ipv4.ping_group_range leaves us out");
  ASSERT_TRUE(s >= 0);
  Loopback to(AF_INET);
  icmphdr echo = {};
  echo.type = ICMP_ECHO;
  echo.un.echo.sequence = htons(3);
  EXPECT_RET(sendto(s, &echo, sizeof echo, 0, to.addr(), to.size()), sizeof echo);
  EXPECT_TRUE(PollOnce(s, POLLIN) & POLLIN);
  icmphdr reply;
  EXPECT_RET(recv(s, &reply, sizeof reply, 0), sizeof reply);
  EXPECT_EQ(reply.type, ICMP_ECHOREPLY);
  EXPECT_EQ(ntohs(reply.un.echo.sequence), 3);
}

TEST(InetDgram, RawWantsACapability) {
  st::NeedRoot();
  int status = st::RunInChild([] {
    st::DropToNobody();
    EXPECT_ERR(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
  });
  EXPECT_EXITED(status, 0);
}

}  // namespace
