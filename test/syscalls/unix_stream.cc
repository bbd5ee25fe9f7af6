// Unix stream sockets: names, connections, data.
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test/syscalls/harness/test.h"

TOUCHES("socket", "bind", "listen", "accept", "accept4", "connect", "shutdown", "getsockname", "getpeername",
        "getsockopt", "setsockopt", "sendto", "recvfrom")

namespace {

using st::Bad;
using st::SockPair;
using st::Tmp;

struct Name {
  struct sockaddr_un un = {};
  socklen_t len = 0;
  explicit Name(const std::string& path) {
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, path.data(), path.size());
    len = offsetof(sockaddr_un, sun_path) + path.size() + (path[0] ? 1 : 0);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&un); }
};

// A short name for sun_path, whatever the length of the case's directory.
Name Here(const char* n) {
  MUST(chdir(Tmp().c_str()));
  return Name(n);
}

Fd Listener(const Name& n) {
  Fd s(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  MUST(bind(s, n.get(), n.len));
  MUST(listen(s, 5));
  return s;
}

TEST(UnixStream, SocketArguments) {
  Fd s(MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  EXPECT_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(fcntl(s, F_GETFL) & O_NONBLOCK);
  EXPECT_ERR(socket(AF_UNIX, 99, 0), EINVAL);
  EXPECT_ERR(socket(AF_UNIX, SOCK_STREAM, 77), EPROTONOSUPPORT);
  EXPECT_ERR(socket(12345, SOCK_STREAM, 0), EAFNOSUPPORT);
  struct stat st;
  MUST(fstat(s, &st));
  EXPECT_TRUE(S_ISSOCK(st.st_mode));
}

TEST(UnixStream, ConnectAndTalk) {
  Name n = Here("s");
  Fd l = Listener(n);
  EXPECT_TRUE(S_ISSOCK(st::StatOf("s").st_mode));
  Fd c(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  ASSERT_RET(connect(c, n.get(), n.len), 0);
  sockaddr_un peer;
  socklen_t len = sizeof peer;
  Fd a(MUST(accept(l, reinterpret_cast<sockaddr*>(&peer), &len)));
  EXPECT_EQ(len, 2u);  // the client has no name
  EXPECT_RET(write(c, "ping", 4), 4);
  char b[8];
  EXPECT_RET(read(a, b, 8), 4);
  EXPECT_RET(send(a, "pong!", 5, 0), 5);
  EXPECT_RET(recv(c, b, 8, 0), 5);
  EXPECT_EQ(fcntl(a, F_GETFD), 0);
}

TEST(UnixStream, Names) {
  Name n = Here("sock");
  Fd l = Listener(n);
  Fd c(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  MUST(connect(c, n.get(), n.len));
  sockaddr_un got = {};
  socklen_t len = sizeof got;
  MUST(getpeername(c, reinterpret_cast<sockaddr*>(&got), &len));
  EXPECT_EQ(std::string(got.sun_path), "sock");
  EXPECT_EQ(len, n.len);
  len = 4;
  MUST(getsockname(l, reinterpret_cast<sockaddr*>(&got), &len));
  EXPECT_EQ(len, n.len);  // tells the whole length though it copied less
  len = sizeof got;
  EXPECT_ERR(getpeername(l, reinterpret_cast<sockaddr*>(&got), &len), ENOTCONN);
  len = static_cast<socklen_t>(-1);
  EXPECT_ERR(getsockname(l, reinterpret_cast<sockaddr*>(&got), &len), EINVAL);
}

TEST(UnixStream, Accept4Flags) {
  Name n = Here("s");
  Fd l = Listener(n);
  Fd c(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  MUST(connect(c, n.get(), n.len));
  EXPECT_ERR(accept4(l, nullptr, nullptr, 1), EINVAL);
  Fd a(MUST(accept4(l, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
  EXPECT_EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(fcntl(a, F_GETFL) & O_NONBLOCK);
}

TEST(UnixStream, ConnectErrors) {
  Name n = Here("s");
  Fd c(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  EXPECT_ERR(connect(c, n.get(), n.len), ENOENT);
  st::WriteFile("f", "");
  EXPECT_ERR(connect(c, Name("f").get(), Name("f").len), ECONNREFUSED);
  {
    Fd b(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
    MUST(bind(b, n.get(), n.len));
    EXPECT_ERR(connect(c, n.get(), n.len), ECONNREFUSED);  // bound, not listening
  }
  EXPECT_ERR(connect(c, n.get(), n.len), ECONNREFUSED);  // nobody there any more
  EXPECT_ERR(connect(c, n.get(), 1), EINVAL);
  EXPECT_ERR(connect(0, n.get(), n.len), ENOTSOCK);
  EXPECT_ERR(connect(st::BadFd(), n.get(), n.len), EBADF);
  EXPECT_ERR(connect(c, Bad<sockaddr>(), 20), EFAULT);
}

TEST(UnixStream, BindErrors) {
  Name n = Here("s");
  Fd a = Listener(n);
  Fd b(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  EXPECT_ERR(bind(b, n.get(), n.len), EADDRINUSE);
  EXPECT_ERR(bind(b, Name("none/s").get(), Name("none/s").len), ENOENT);
  EXPECT_ERR(bind(a, Name("t").get(), Name("t").len), EINVAL);
  EXPECT_ERR(listen(b, 1), EINVAL);
  EXPECT_ERR(accept(b, nullptr, nullptr), EINVAL);
  SockPair p(SOCK_DGRAM);
  EXPECT_ERR(listen(p.a, 1), EOPNOTSUPP);
  EXPECT_ERR(accept(p.a, nullptr, nullptr), EOPNOTSUPP);
}

TEST(UnixStream, AbstractNames) {
  std::string name = std::string(1, '\0') + "st-abstract-" + std::to_string(getpid());
  Name n(name);
  Fd l = Listener(n);
  Fd c(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  EXPECT_OK(connect(c, n.get(), n.len));
  l.reset();
  Fd d(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  EXPECT_ERR(connect(d, n.get(), n.len), ECONNREFUSED);
}

TEST(UnixStream, AutobindGivesAbstractName) {
  Fd s(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  sockaddr_un un = {};
  un.sun_family = AF_UNIX;
  EXPECT_OK(bind(s, reinterpret_cast<sockaddr*>(&un), 2));
  socklen_t len = sizeof un;
  MUST(getsockname(s, reinterpret_cast<sockaddr*>(&un), &len));
  EXPECT_EQ(len, 8u);  // family, a zero byte, five digits
  EXPECT_EQ(un.sun_path[0], '\0');
}

TEST(UnixStream, BlockedAcceptAndRead) {
  Name n = Here("s");
  Fd l = Listener(n);
  pid_t child = st::Spawn([&] {
    Fd a(MUST(accept(l, nullptr, nullptr)));
    EXPECT_EQ(st::ReadAll(a), "to the end");
  });
  st::WaitBlocked(child);
  Fd c(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  MUST(connect(c, n.get(), n.len));
  st::WaitBlocked(child);
  MUST(write(c, "to the end", 10));
  c.reset();
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(UnixStream, NonblockingAcceptAndBacklog) {
  Name n = Here("s");
  Fd l(MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)));
  MUST(bind(l, n.get(), n.len));
  MUST(listen(l, 0));
  EXPECT_ERR(accept(l, nullptr, nullptr), EAGAIN);
  Fd a(MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)));
  Fd b(MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)));
  EXPECT_OK(connect(a, n.get(), n.len));
  EXPECT_ERR(connect(b, n.get(), n.len), EAGAIN);
  struct pollfd f = {l, POLLIN, 0};
  EXPECT_RET(poll(&f, 1, 0), 1);
}

TEST(UnixStream, ShutdownHalves) {
  SockPair p(SOCK_STREAM);
  MUST(write(p.a, "x", 1));
  EXPECT_OK(shutdown(p.a, SHUT_WR));
  char b[4];
  EXPECT_RET(read(p.b, b, 4), 1);
  EXPECT_RET(read(p.b, b, 4), 0);
  EXPECT_ERR(send(p.a, "x", 1, MSG_NOSIGNAL), EPIPE);
  EXPECT_RET(write(p.b, "y", 1), 1);
  EXPECT_RET(read(p.a, b, 4), 1);
  EXPECT_ERR(shutdown(p.a, 9), EINVAL);
  EXPECT_ERR(shutdown(0, SHUT_RD), ENOTSOCK);
}

TEST(UnixStream, PeerGone) {
  SockPair p(SOCK_STREAM);
  p.b.reset();
  struct pollfd f = {p.a, POLLIN | POLLOUT | POLLRDHUP, 0};
  EXPECT_RET(poll(&f, 1, 0), 1);
  EXPECT_EQ(f.revents, POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
  char c;
  EXPECT_RET(read(p.a, &c, 1), 0);
  EXPECT_ERR(send(p.a, "x", 1, MSG_NOSIGNAL), EPIPE);
  EXPECT_SIGNALED(st::RunInChild([&] { MUST(write(p.a, "x", 1)); }), SIGPIPE);
}

TEST(UnixStream, UnreadDataResets) {
  SockPair p(SOCK_STREAM);
  MUST(write(p.a, "unread", 6));
  p.b.reset();
  char c;
  EXPECT_ERR(read(p.a, &c, 1), ECONNRESET);
  EXPECT_RET(read(p.a, &c, 1), 0);
}

TEST(UnixStream, PeekAndWaitall) {
  SockPair p(SOCK_STREAM);
  MUST(write(p.a, "abc", 3));
  char b[8];
  EXPECT_RET(recv(p.b, b, 2, MSG_PEEK), 2);
  EXPECT_RET(recv(p.b, b, 8, MSG_DONTWAIT), 3);
  EXPECT_EQ(b[0], 'a');
  EXPECT_ERR(recv(p.b, b, 8, MSG_DONTWAIT), EAGAIN);
  pid_t child = st::Spawn([&] { EXPECT_RET(recv(p.b, b, 6, MSG_WAITALL), 6); });
  MUST(write(p.a, "123", 3));
  st::WaitBlocked(child);
  MUST(write(p.a, "456", 3));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(UnixStream, Options) {
  SockPair p(SOCK_STREAM);
  int v = 0;
  socklen_t len = sizeof v;
  EXPECT_OK(getsockopt(p.a, SOL_SOCKET, SO_TYPE, &v, &len));
  EXPECT_EQ(v, SOCK_STREAM);
  EXPECT_OK(getsockopt(p.a, SOL_SOCKET, SO_DOMAIN, &v, &len));
  EXPECT_EQ(v, AF_UNIX);
  EXPECT_OK(getsockopt(p.a, SOL_SOCKET, SO_ACCEPTCONN, &v, &len));
  EXPECT_EQ(v, 0);
  EXPECT_OK(getsockopt(p.a, SOL_SOCKET, SO_ERROR, &v, &len));
  EXPECT_EQ(v, 0);
  v = 1;
  EXPECT_OK(setsockopt(p.a, SOL_SOCKET, SO_PASSCRED, &v, sizeof v));
  v = 0;
  EXPECT_OK(getsockopt(p.a, SOL_SOCKET, SO_PASSCRED, &v, &len));
  EXPECT_EQ(v, 1);
  EXPECT_ERR(setsockopt(p.a, SOL_SOCKET, SO_PASSCRED, &v, 2), EINVAL);
  EXPECT_ERR(getsockopt(0, SOL_SOCKET, SO_TYPE, &v, &len), ENOTSOCK);
}

TEST(UnixStream, PeerCredentials) {
  SockPair p(SOCK_STREAM);
  struct ucred u = {};
  socklen_t len = sizeof u;
  EXPECT_OK(getsockopt(p.a, SOL_SOCKET, SO_PEERCRED, &u, &len));
  EXPECT_EQ(u.pid, getpid());
  EXPECT_EQ(u.uid, getuid());
  EXPECT_EQ(len, static_cast<socklen_t>(sizeof u));
}

TEST(UnixStream, ReceiveTimeout) {
  SockPair p(SOCK_STREAM);
  struct timeval t = {0, 20000};
  EXPECT_OK(setsockopt(p.a, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  int64_t start = st::NowNs();
  char c;
  EXPECT_ERR(read(p.a, &c, 1), EAGAIN);
  EXPECT_GE(st::NowNs() - start, 15000000);
}

TEST(UnixStream, NotConnectedIo) {
  Fd s(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  char c;
  EXPECT_ERR(read(s, &c, 1), EINVAL);
  EXPECT_ERR(send(s, "x", 1, MSG_NOSIGNAL), ENOTCONN);
  EXPECT_ERR(lseek(s, 0, SEEK_SET), ESPIPE);
  SockPair p(SOCK_STREAM);
  Name n("x");
  EXPECT_ERR(sendto(p.a, "x", 1, 0, n.get(), n.len), EISCONN);
}

TEST(UnixStream, OpenOfSocketFileIsENXIO) {
  Name n = Here("s");
  Fd l = Listener(n);
  EXPECT_ERR(open("s", O_RDWR), ENXIO);
}

TEST(UnixStream, BigTransferAndFionread) {
  SockPair p(SOCK_STREAM);
  std::string data(500000, 'q');
  pid_t child = st::Spawn([&] {
    p.b.reset();
    size_t done = 0;
    while (done < data.size()) done += MUST(write(p.a, data.data() + done, data.size() - done));
  });
  p.a.reset();
  EXPECT_TRUE(st::ReadAll(p.b) == data);
  EXPECT_EXITED(st::WaitStatus(child), 0);
  SockPair q(SOCK_STREAM);
  MUST(write(q.a, "12345", 5));
  int n = 0;
  EXPECT_OK(ioctl(q.b, FIONREAD, &n));
  EXPECT_EQ(n, 5);
}

}  // namespace
