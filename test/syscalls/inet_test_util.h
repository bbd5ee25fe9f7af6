// Loopback addresses and sockets for the cases of AF_INET and AF_INET6.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/syscalls/harness/test.h"

namespace st {

// The loopback address of either family.
class Loopback {
 public:
  explicit Loopback(int family, uint16_t port = 0) {
    memset(&storage_, 0, sizeof storage_);
    storage_.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET6) {
      in6()->sin6_addr = in6addr_loopback;
    } else {
      in()->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    SetPort(port);
  }
  static Loopback LocalOf(int fd) {
    Loopback a(AF_INET);
    socklen_t n = sizeof a.storage_;
    MUST(getsockname(fd, a.addr(), &n));
    return a;
  }
  sockaddr* addr() { return reinterpret_cast<sockaddr*>(&storage_); }
  socklen_t size() const { return storage_.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }
  sockaddr_in* in() { return reinterpret_cast<sockaddr_in*>(&storage_); }
  sockaddr_in6* in6() { return reinterpret_cast<sockaddr_in6*>(&storage_); }
  uint16_t port() { return ntohs(in()->sin_port); }  // both families have it in one place
  void SetPort(uint16_t port) { in()->sin_port = htons(port); }
  sockaddr_storage& storage() { return storage_; }

 private:
  sockaddr_storage storage_;
};

inline bool HasFamily(int family) {
  Fd s(socket(family, SOCK_STREAM, 0));
  if (s < 0) return false;
  Loopback a(family);
  return bind(s, a.addr(), a.size()) == 0;
}

inline Fd Listener(int family = AF_INET, int backlog = 8) {
  Fd s(MUST(socket(family, SOCK_STREAM, 0)));
  Loopback a(family);
  MUST(bind(s, a.addr(), a.size()));
  MUST(listen(s, backlog));
  return s;
}

// Both ends of a TCP connection over loopback.
struct TcpPair {
  Fd listener, a, b;  // a has called b
  explicit TcpPair(int family = AF_INET) : listener(Listener(family)) {
    Loopback to = Loopback::LocalOf(listener);
    a.reset(MUST(socket(family, SOCK_STREAM, 0)));
    MUST(connect(a, to.addr(), to.size()));
    b.reset(MUST(accept(listener, nullptr, nullptr)));
  }
};

inline Fd BoundUdp(int family = AF_INET) {
  Fd s(MUST(socket(family, SOCK_DGRAM, 0)));
  Loopback a(family);
  MUST(bind(s, a.addr(), a.size()));
  return s;
}

inline int IntOption(int fd, int level, int name) {
  int value = -1;
  socklen_t n = sizeof value;
  MUST(getsockopt(fd, level, name, &value, &n));
  return value;
}

inline int SetInt(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value); }

inline short PollOnce(int fd, short events, int ms = 5000) {
  pollfd p = {fd, events, 0};
  MUST(poll(&p, 1, ms));
  return p.revents;
}

}  // namespace st
