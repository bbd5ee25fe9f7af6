// Descriptors and credentials sent over unix sockets.
#include <sys/socket.h>

#include <vector>

#include "test/syscalls/harness/test.h"

TOUCHES("sendmsg", "recvmsg", "setsockopt")

namespace {

using st::Pipe;
using st::SockPair;

long SendFds(int sock, const std::vector<int>& fds, const char* data = "d", size_t n = 1) {
  std::string control(CMSG_SPACE(fds.size() * sizeof(int)), 0);
  struct iovec v = {const_cast<char*>(data), n};
  struct msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control.data();
  m.msg_controllen = control.size();
  struct cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
  return sendmsg(sock, &m, 0);
}

struct Received {
  long n = 0;
  int flags = 0;
  std::vector<int> fds;
  bool has_creds = false;
  struct ucred creds = {};
};

Received Receive(int sock, size_t room, int flags = 0) {
  Received r;
  char b[64];
  std::string control(room + 1, 0);
  struct iovec v = {b, sizeof b};
  struct msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control.data();
  m.msg_controllen = room;
  r.n = MUST(recvmsg(sock, &m, flags));
  r.flags = m.msg_flags;
  for (struct cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_type == SCM_RIGHTS) {
      r.fds.resize((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
      memcpy(r.fds.data(), CMSG_DATA(c), r.fds.size() * sizeof(int));
    } else if (c->cmsg_type == SCM_CREDENTIALS) {
      r.has_creds = true;
      memcpy(&r.creds, CMSG_DATA(c), sizeof r.creds);
    }
  }
  return r;
}

TEST(ScmRights, DescriptorWorksInReceiver) {
  SockPair s(SOCK_STREAM);
  Pipe p;
  pid_t child = st::Spawn([&] {
    Received r = Receive(s.b, 64);
    ASSERT_EQ(r.fds.size(), 1u);
    EXPECT_RET(write(r.fds[0], "hello", 5), 5);
  });
  ASSERT_RET(SendFds(s.a, {p.w}), 1);
  p.w.reset();
  EXPECT_EQ(st::ReadAll(p.r), "hello");
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(ScmRights, SharesTheDescription) {
  SockPair s(SOCK_DGRAM);
  Fd f(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  MUST(SendFds(s.a, {f, f}));
  Received r = Receive(s.b, 64);
  ASSERT_EQ(r.fds.size(), 2u);
  EXPECT_NE(r.fds[0], static_cast<int>(f));
  MUST(write(f, "12345", 5));
  EXPECT_RET(lseek(r.fds[1], 0, SEEK_CUR), 5);
  EXPECT_EQ(fcntl(r.fds[0], F_GETFD), 0);
}

TEST(ScmRights, CloexecOnReceive) {
  SockPair s(SOCK_STREAM);
  MUST(SendFds(s.a, {0}));
  Received r = Receive(s.b, 64, MSG_CMSG_CLOEXEC);
  ASSERT_EQ(r.fds.size(), 1u);
  EXPECT_EQ(fcntl(r.fds[0], F_GETFD), FD_CLOEXEC);
}

TEST(ScmRights, StaysAliveInFlight) {
  SockPair s(SOCK_STREAM);
  Pipe p;
  MUST(SendFds(s.a, {p.w}));
  p.w.reset();
  fcntl(p.r, F_SETFL, O_NONBLOCK);
  char c;
  EXPECT_ERR(read(p.r, &c, 1), EAGAIN);  // a writer lives in the queue
  s.b.reset();
  s.a.reset();
  EXPECT_RET(read(p.r, &c, 1), 0);
}

TEST(ScmRights, NoRoomIsTruncated) {
  SockPair s(SOCK_STREAM);
  MUST(SendFds(s.a, {0, 0, 0}));
  Received r = Receive(s.b, CMSG_SPACE(sizeof(int)));
  EXPECT_TRUE(r.flags & MSG_CTRUNC);
  EXPECT_LE(r.fds.size(), 2u);
  MUST(SendFds(s.a, {0}));
  r = Receive(s.b, 0);
  EXPECT_TRUE(r.flags & MSG_CTRUNC);
  EXPECT_EQ(r.n, 1);
}

TEST(ScmRights, PlainReadDropsDescriptors) {
  SockPair s(SOCK_STREAM);
  Pipe p;
  MUST(SendFds(s.a, {p.w}));
  p.w.reset();
  char c;
  EXPECT_RET(read(s.b, &c, 1), 1);
  EXPECT_RET(read(p.r, &c, 1), 0);
}

TEST(ScmRights, StreamReadStopsAtDescriptors) {
  SockPair s(SOCK_STREAM);
  MUST(SendFds(s.a, {0}, "aa", 2));
  MUST(SendFds(s.a, {0}, "bb", 2));
  Received r = Receive(s.b, 64);
  EXPECT_EQ(r.n, 2);  // does not run on into bytes with other descriptors
  r = Receive(s.b, 64);
  EXPECT_EQ(r.n, 2);
  EXPECT_EQ(r.fds.size(), 1u);
}

TEST(ScmRights, Errors) {
  SockPair s(SOCK_STREAM);
  EXPECT_ERR(SendFds(s.a, {st::BadFd()}), EBADF);
  std::vector<int> many(254, 0);
  EXPECT_ERR(SendFds(s.a, many), EINVAL);
  many.resize(253);
  EXPECT_RET(SendFds(s.a, many), 1);
}

TEST(ScmRights, SocketOverItself) {
  SockPair s(SOCK_STREAM);
  MUST(SendFds(s.a, {s.a, s.b}));
  Received r = Receive(s.b, 64);
  ASSERT_EQ(r.fds.size(), 2u);
  EXPECT_RET(write(r.fds[0], "x", 1), 1);
  char c;
  EXPECT_RET(read(r.fds[1], &c, 1), 1);
}

TEST(ScmCredentials, PassedWhenAsked) {
  SockPair s(SOCK_STREAM);
  int one = 1;
  MUST(setsockopt(s.b, SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
  pid_t child = st::Spawn([&] { MUST(write(s.a, "x", 1)); });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  Received r = Receive(s.b, 64);
  ASSERT_TRUE(r.has_creds);
  EXPECT_EQ(r.creds.pid, child);
  EXPECT_EQ(r.creds.uid, getuid());
}

}  // namespace
