// Options of internet sockets.
#include <sys/time.h>

#include "test/syscalls/inet_test_util.h"

TOUCHES("getsockopt", "setsockopt")

namespace {

using st::Bad;
using st::IntOption;
using st::SetInt;

TEST(InetOptions, Identity) {
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_DOMAIN), AF_INET);
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_ERROR), 0);
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_ACCEPTCONN), 0);
  EXPECT_ERR(SetInt(s, SOL_SOCKET, SO_TYPE, 1), ENOPROTOOPT);
  EXPECT_ERR(SetInt(s, SOL_SOCKET, SO_ERROR, 1), ENOPROTOOPT);
  Fd u(MUST(socket(AF_INET6, SOCK_DGRAM, 0)));
  EXPECT_EQ(IntOption(u, SOL_SOCKET, SO_DOMAIN), AF_INET6);
  EXPECT_EQ(IntOption(u, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
}

void RoundTrip(int fd, int level, int name, int value) {
  EXPECT_OK(SetInt(fd, level, name, value));
  EXPECT_EQ(IntOption(fd, level, name), value);
}

TEST(InetOptions, RoundTrips) {
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  RoundTrip(s, SOL_SOCKET, SO_REUSEADDR, 1);
  RoundTrip(s, SOL_SOCKET, SO_REUSEPORT, 1);
  RoundTrip(s, SOL_SOCKET, SO_KEEPALIVE, 1);
  RoundTrip(s, SOL_SOCKET, SO_OOBINLINE, 1);
  RoundTrip(s, SOL_SOCKET, SO_PRIORITY, 3);
  RoundTrip(s, SOL_SOCKET, SO_RCVLOWAT, 5);
  RoundTrip(s, SOL_IP, IP_TTL, 33);
  RoundTrip(s, SOL_IP, IP_TOS, 0x10);
  RoundTrip(s, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  RoundTrip(s, SOL_TCP, TCP_NODELAY, 1);
  RoundTrip(s, SOL_TCP, TCP_CORK, 1);
  RoundTrip(s, SOL_TCP, TCP_KEEPIDLE, 77);
  RoundTrip(s, SOL_TCP, TCP_KEEPINTVL, 7);
  RoundTrip(s, SOL_TCP, TCP_KEEPCNT, 4);
  RoundTrip(s, SOL_TCP, TCP_SYNCNT, 3);
  RoundTrip(s, SOL_TCP, TCP_USER_TIMEOUT, 5000);
  Fd u(MUST(socket(AF_INET, SOCK_DGRAM, 0)));
  RoundTrip(u, SOL_SOCKET, SO_BROADCAST, 1);
  RoundTrip(u, SOL_IP, IP_PKTINFO, 1);
  RoundTrip(u, SOL_IP, IP_MULTICAST_TTL, 9);
  RoundTrip(u, SOL_IP, IP_MULTICAST_LOOP, 0);
  Fd six(MUST(socket(AF_INET6, SOCK_STREAM, 0)));
  RoundTrip(six, SOL_IPV6, IPV6_V6ONLY, 1);
  RoundTrip(six, SOL_IPV6, IPV6_UNICAST_HOPS, 12);
  RoundTrip(six, SOL_IPV6, IPV6_TCLASS, 8);
}

TEST(InetOptions, BuffersAreDoubledAndBounded) {
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  EXPECT_OK(SetInt(s, SOL_SOCKET, SO_SNDBUF, 20000));
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_SNDBUF), 40000);
  EXPECT_OK(SetInt(s, SOL_SOCKET, SO_RCVBUF, 1));
  EXPECT_TRUE(IntOption(s, SOL_SOCKET, SO_RCVBUF) >= 2048);
  EXPECT_OK(SetInt(s, SOL_SOCKET, SO_RCVBUF, 1 << 30));
  EXPECT_TRUE(IntOption(s, SOL_SOCKET, SO_RCVBUF) < 1 << 30);
}

TEST(InetOptions, Lengths) {
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  int value = 1;
  EXPECT_ERR(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &value, 2), EINVAL);
  EXPECT_ERR(setsockopt(s, SOL_TCP, TCP_NODELAY, &value, 3), EINVAL);
  EXPECT_ERR(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &value, static_cast<socklen_t>(-1)), EINVAL);
  EXPECT_ERR(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, Bad(), 4), EFAULT);
  EXPECT_OK(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &value, 4));
  socklen_t n = 2;
  value = -1;
  EXPECT_OK(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &value, &n));
  EXPECT_EQ(n, 2u);
  n = static_cast<socklen_t>(-1);
  EXPECT_ERR(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &value, &n), EINVAL);
  n = 4;
  EXPECT_ERR(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, Bad(), &n), EFAULT);
  EXPECT_ERR(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &value, Bad<socklen_t>()), EFAULT);
  char big[1000];
  n = sizeof big;
  EXPECT_OK(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, big, &n));
  EXPECT_EQ(n, 4u);
}

TEST(InetOptions, UnknownOnes) {
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  int value = 0;
  socklen_t n = sizeof value;
  EXPECT_ERR(getsockopt(s, SOL_SOCKET, 9999, &value, &n), ENOPROTOOPT);
  EXPECT_ERR(SetInt(s, SOL_SOCKET, 9999, 1), ENOPROTOOPT);
  EXPECT_ERR(getsockopt(s, SOL_TCP, 9999, &value, &n), ENOPROTOOPT);
  EXPECT_ERR(SetInt(s, SOL_TCP, 9999, 1), ENOPROTOOPT);
  EXPECT_ERR(SetInt(s, SOL_IP, 9999, 1), ENOPROTOOPT);
  EXPECT_ERR(getsockopt(s, 9999, 1, &value, &n), EOPNOTSUPP);
  EXPECT_ERR(SetInt(s, 9999, 1, 1), ENOPROTOOPT);
}

TEST(InetOptions, LingerAndTimes) {
  Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  linger l = {5, 7};
  EXPECT_OK(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l));
  l = {};
  socklen_t n = sizeof l;
  EXPECT_OK(getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &n));
  EXPECT_EQ(l.l_onoff, 1);
  EXPECT_EQ(l.l_linger, 7);
  EXPECT_ERR(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, 4), EINVAL);
  timeval tv = {3, 500000};
  EXPECT_OK(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  tv = {};
  n = sizeof tv;
  EXPECT_OK(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &n));
  EXPECT_EQ(tv.tv_sec, 3);
  EXPECT_EQ(tv.tv_usec, 500000);
  tv = {0, 1000000};
  EXPECT_ERR(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv), EDOM);
}

TEST(InetOptions, TcpInfo) {
  st::TcpPair p;
  tcp_info info = {};
  socklen_t n = sizeof info;
  EXPECT_OK(getsockopt(p.a, SOL_TCP, TCP_INFO, &info, &n));
  EXPECT_EQ(info.tcpi_state, TCP_ESTABLISHED);
  EXPECT_TRUE(n >= 104);
  n = 1;
  EXPECT_OK(getsockopt(p.a, SOL_TCP, TCP_INFO, &info, &n));
  EXPECT_EQ(n, 1u);
  char name[16] = {};
  n = sizeof name;
  EXPECT_OK(getsockopt(p.a, SOL_TCP, TCP_CONGESTION, name, &n));
  EXPECT_TRUE(name[0] != 0);
}

TEST(InetOptions, AcceptedInheritFromListener) {
  Fd l(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  MUST(SetInt(l, SOL_TCP, TCP_NODELAY, 1));
  MUST(SetInt(l, SOL_SOCKET, SO_KEEPALIVE, 1));
  timeval tv = {9, 0};
  MUST(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  st::Loopback a(AF_INET);
  MUST(bind(l, a.addr(), a.size()));
  MUST(listen(l, 1));
  st::Loopback to = st::Loopback::LocalOf(l);
  Fd c(MUST(socket(AF_INET, SOCK_STREAM, 0)));
  MUST(connect(c, to.addr(), to.size()));
  Fd s(MUST(accept(l, nullptr, nullptr)));
  EXPECT_EQ(IntOption(s, SOL_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(IntOption(s, SOL_SOCKET, SO_KEEPALIVE), 1);
  tv = {};
  socklen_t n = sizeof tv;
  MUST(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &n));
  EXPECT_EQ(tv.tv_sec, 9);
}

TEST(InetOptions, PrivilegedOnes) {
  st::NeedRoot();
  int status = st::RunInChild([] {
    st::DropToNobody();
    Fd s(MUST(socket(AF_INET, SOCK_STREAM, 0)));
    EXPECT_ERR(SetInt(s, SOL_SOCKET, SO_MARK, 1), EPERM);
    EXPECT_ERR(SetInt(s, SOL_SOCKET, SO_SNDBUFFORCE, 100000), EPERM);
    EXPECT_ERR(SetInt(s, SOL_SOCKET, SO_PRIORITY, 7), EPERM);
    EXPECT_ERR(SetInt(s, SOL_SOCKET, SO_DEBUG, 1), EACCES);
    EXPECT_ERR(SetInt(s, SOL_IP, IP_TRANSPARENT, 1), EPERM);
  });
  EXPECT_EXITED(status, 0);
}

}  // namespace
