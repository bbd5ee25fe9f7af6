// Questions about interfaces: netlink, ioctl, /proc/net, and libc's own.
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <vector>

#include "test/syscalls/inet_test_util.h"

TOUCHES("socket", "bind", "sendto", "recvfrom", "getsockname", "ioctl")

namespace {

using st::Loopback;

Fd Netlink() { return Fd(MUST(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE))); }

struct Question {
  nlmsghdr header = {};
  union {
    rtgenmsg any;
    ifinfomsg link;
    ifaddrmsg addr;
    rtmsg route;
    ndmsg neighbour;
  } body = {};
};

long Ask(int fd, uint16_t type, uint16_t flags, uint32_t seq, size_t body = sizeof(rtgenmsg)) {
  Question q;
  q.header.nlmsg_len = NLMSG_LENGTH(body);
  q.header.nlmsg_type = type;
  q.header.nlmsg_flags = NLM_F_REQUEST | flags;
  q.header.nlmsg_seq = seq;
  q.body.link.ifi_index = body == sizeof(ifinfomsg) ? 1 : 0;
  return send(fd, &q, q.header.nlmsg_len, 0);
}

// Reads datagrams until NLMSG_DONE or an error; the types in their order.
std::vector<uint16_t> Types(int fd, uint32_t seq) {
  std::vector<uint16_t> types;
  std::vector<char> buffer(64 << 10);
  for (;;) {
    long n = MUST(recv(fd, buffer.data(), buffer.size(), 0));
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      EXPECT_EQ(h->nlmsg_seq, seq);
      types.push_back(h->nlmsg_type);
      if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) return types;
    }
  }
}

TEST(Netlink, SocketTypes) {
  EXPECT_OK(close(MUST(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE))));
  EXPECT_ERR(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE), ESOCKTNOSUPPORT);
  EXPECT_ERR(socket(AF_NETLINK, SOCK_RAW, 31), EPROTONOSUPPORT);
  EXPECT_ERR(socket(AF_NETLINK, SOCK_RAW, 99), EPROTONOSUPPORT);
  Fd s = Netlink();
  EXPECT_EQ(st::IntOption(s, SOL_SOCKET, SO_DOMAIN), AF_NETLINK);
  EXPECT_EQ(st::IntOption(s, SOL_SOCKET, SO_TYPE), SOCK_RAW);
  EXPECT_ERR(listen(s, 1), EOPNOTSUPP);
  EXPECT_ERR(accept(s, nullptr, nullptr), EOPNOTSUPP);
  EXPECT_ERR(shutdown(s, SHUT_RD), EOPNOTSUPP);
}

TEST(Netlink, PortsAreGivenAndKept) {
  Fd s = Netlink();
  sockaddr_nl name = {};
  name.nl_family = AF_NETLINK;
  EXPECT_OK(bind(s, reinterpret_cast<sockaddr*>(&name), sizeof name));
  socklen_t n = sizeof name;
  EXPECT_OK(getsockname(s, reinterpret_cast<sockaddr*>(&name), &n));
  EXPECT_EQ(n, sizeof name);
  EXPECT_EQ(name.nl_family, AF_NETLINK);
  EXPECT_EQ(name.nl_pid, static_cast<uint32_t>(getpid()));
  Fd second = Netlink();
  EXPECT_ERR(bind(second, reinterpret_cast<sockaddr*>(&name), sizeof name), EADDRINUSE);
  EXPECT_ERR(bind(second, reinterpret_cast<sockaddr*>(&name), 4), EINVAL);
  name.nl_family = AF_INET;
  EXPECT_ERR(bind(second, reinterpret_cast<sockaddr*>(&name), sizeof name), EINVAL);
  MUST(Ask(second, RTM_GETLINK, NLM_F_DUMP, 1));  // autobind
  n = sizeof name;
  EXPECT_OK(getsockname(second, reinterpret_cast<sockaddr*>(&name), &n));
  EXPECT_TRUE(name.nl_pid != 0 && name.nl_pid != static_cast<uint32_t>(getpid()));
}

TEST(Netlink, Dumps) {
  Fd s = Netlink();
  const struct {
    uint16_t ask, answer;
  } kinds[] = {{RTM_GETLINK, RTM_NEWLINK}, {RTM_GETADDR, RTM_NEWADDR}, {RTM_GETROUTE, RTM_NEWROUTE}};
  for (const auto& kind : kinds) {
    MUST(Ask(s, kind.ask, NLM_F_DUMP, kind.ask));
    const std::vector<uint16_t> types = Types(s, kind.ask);
    ASSERT_TRUE(types.size() >= 2);
    EXPECT_EQ(types.front(), kind.answer);
    EXPECT_EQ(types.back(), NLMSG_DONE);
  }
  MUST(Ask(s, RTM_GETNEIGH, NLM_F_DUMP, 7));
  EXPECT_EQ(Types(s, 7).back(), NLMSG_DONE);
}

TEST(Netlink, OneLinkByIndex) {
  Fd s = Netlink();
  MUST(Ask(s, RTM_GETLINK, 0, 5, sizeof(ifinfomsg)));
  std::vector<char> buffer(64 << 10);
  sockaddr_nl from = {};
  socklen_t n = sizeof from;
  MUST(recvfrom(s, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &n));
  const auto* h = reinterpret_cast<nlmsghdr*>(buffer.data());
  EXPECT_EQ(h->nlmsg_type, RTM_NEWLINK);
  EXPECT_EQ(from.nl_pid, 0u);  // the kernel
  char b;
  EXPECT_ERR(recv(s, &b, 1, MSG_DONTWAIT), EAGAIN);
}

TEST(Netlink, AcknowledgesAndTruncates) {
  Fd s = Netlink();
  MUST(Ask(s, RTM_GETLINK, NLM_F_ACK, 5, sizeof(ifinfomsg)));
  EXPECT_EQ(Types(s, 5).back(), NLMSG_ERROR);
  MUST(Ask(s, RTM_GETLINK, 0, 6, sizeof(ifinfomsg)));
  char b[8];
  long whole = recv(s, b, sizeof b, MSG_PEEK | MSG_TRUNC);
  EXPECT_TRUE(whole > 8);
  iovec v = {b, sizeof b};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  EXPECT_RET(recvmsg(s, &m, 0), 8);
  EXPECT_TRUE(m.msg_flags & MSG_TRUNC);
}

TEST(Netlink, ChangesWantACapability) {
  st::NeedRoot();
  int status = st::RunInChild([] {
    st::DropToNobody();
    Fd s = Netlink();
    MUST(Ask(s, RTM_DELLINK, NLM_F_ACK, 5, sizeof(ifinfomsg)));
    std::vector<char> buffer(4096);
    MUST(recv(s, buffer.data(), buffer.size(), 0));
    const auto* h = reinterpret_cast<nlmsghdr*>(buffer.data());
    EXPECT_EQ(h->nlmsg_type, NLMSG_ERROR);
    EXPECT_EQ(static_cast<nlmsgerr*>(NLMSG_DATA(h))->error, -EPERM);
  });
  EXPECT_EXITED(status, 0);
}

TEST(Interfaces, LibcFindsLoopback) {
  ifaddrs* list = nullptr;
  MUST(getifaddrs(&list));
  bool found = false;
  for (ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
    const auto* in = reinterpret_cast<sockaddr_in*>(i->ifa_addr);
    found = found || in->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
  }
  freeifaddrs(list);
  EXPECT_TRUE(found);
  EXPECT_EQ(if_nametoindex("lo"), 1u);
  char name[IF_NAMESIZE] = {};
  EXPECT_TRUE(if_indextoname(1, name) != nullptr);
  EXPECT_EQ(std::string(name), "lo");
}

TEST(Interfaces, Ioctls) {
  for (const int family : {AF_INET, AF_UNIX}) {  // any socket will do
    Fd s(MUST(socket(family, SOCK_DGRAM, 0)));
    ifreq r = {};
    strcpy(r.ifr_name, "lo");
    EXPECT_OK(ioctl(s, SIOCGIFFLAGS, &r));
    EXPECT_TRUE(r.ifr_flags & IFF_UP);
    EXPECT_TRUE(r.ifr_flags & IFF_LOOPBACK);
    if (family == AF_INET) {
      EXPECT_OK(ioctl(s, SIOCGIFADDR, &r));
      EXPECT_EQ(reinterpret_cast<sockaddr_in*>(&r.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    } else {
      EXPECT_ERR(ioctl(s, SIOCGIFADDR, &r), ENOTTY);
    }
    EXPECT_OK(ioctl(s, SIOCGIFINDEX, &r));
    EXPECT_EQ(r.ifr_ifindex, 1);
    EXPECT_OK(ioctl(s, SIOCGIFMTU, &r));
    EXPECT_TRUE(r.ifr_mtu > 0);
    strcpy(r.ifr_name, "nosuch");
    EXPECT_ERR(ioctl(s, SIOCGIFFLAGS, &r), ENODEV);
    EXPECT_ERR(ioctl(s, SIOCGIFFLAGS, st::Bad()), EFAULT);
  }
  EXPECT_ERR(ioctl(Fd(MUST(open("/dev/null", O_RDONLY))), SIOCGIFFLAGS, st::Bad()), ENOTTY);
}

TEST(Interfaces, List) {
  Fd s(MUST(socket(AF_INET, SOCK_DGRAM, 0)));
  ifconf c = {};
  EXPECT_OK(ioctl(s, SIOCGIFCONF, &c));
  ASSERT_TRUE(c.ifc_len >= static_cast<int>(sizeof(ifreq)));
  ifreq list[32];
  c.ifc_req = list;
  c.ifc_len = sizeof list;
  EXPECT_OK(ioctl(s, SIOCGIFCONF, &c));
  bool found = false;
  for (size_t i = 0; i < c.ifc_len / sizeof(ifreq); ++i) found = found || std::string(list[i].ifr_name) == "lo";
  EXPECT_TRUE(found);
  c.ifc_len = sizeof(ifreq) - 1;
  EXPECT_OK(ioctl(s, SIOCGIFCONF, &c));
  EXPECT_EQ(c.ifc_len, 0);
}

TEST(Interfaces, ProcNetShowsTheListener) {
  EXPECT_TRUE(st::ReadFile("/proc/net/dev").find("lo:") != std::string::npos);
  Fd l = st::Listener();
  char place[16];
  snprintf(place, sizeof place, ":%04X", Loopback::LocalOf(l).port());
  const std::string text = st::ReadFile("/proc/net/tcp");
  const size_t at = text.find(place);
  ASSERT_TRUE(at != std::string::npos);
  struct stat st;
  MUST(fstat(l, &st));
  const size_t end = text.find('\n', at);
  EXPECT_TRUE(text.substr(at, end - at).find(" " + std::to_string(st.st_ino) + " ") != std::string::npos);
  EXPECT_TRUE(st::Exists("/proc/self/net/udp"));
  EXPECT_FALSE(st::Exists("/proc/net/nosuch"));
  EXPECT_TRUE(atoi(st::ReadFile("/proc/sys/net/core/somaxconn").c_str()) > 0);
}

}  // namespace
