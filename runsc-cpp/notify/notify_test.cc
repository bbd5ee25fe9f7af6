#include "runsc-cpp/notify/notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace runsc {
namespace {

using base::UniqueFd;
using Datagrams = std::vector<std::string>;

sockaddr_un Name(const std::string& path) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  return name;
}

class NotifyTest : public ::testing::Test {
 protected:
  NotifyTest() {
    char name[] = "/tmp/notify_test.XXXXXX";
    directory_ = mkdtemp(name);
    host_path_ = directory_ + "/host.sock";
    host_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = Name(host_path_);
    EXPECT_EQ(bind(host_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~NotifyTest() override { (void)!system(("rm -rf " + directory_).c_str()); }

  // As systemd would: reads `count` datagrams and closes what comes with them.
  Datagrams Receive(int count) {
    Datagrams all;
    for (int i = 0; i < count; ++i) {
      char text[256], control[CMSG_SPACE(sizeof(int))];
      iovec part = {text, sizeof text};
      msghdr message = {};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t n = recvmsg(host_.get(), &message, MSG_CMSG_CLOEXEC);
      if (n < 0) return all;
      all.emplace_back(text, n);
      if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        close(fd);
      }
    }
    return all;
  }

  void SayInside(const std::string& text) {
    const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = Name(directory_ + "/notify/notify.sock");
    EXPECT_EQ(
        sendto(fd.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&address), sizeof address),
        static_cast<ssize_t>(text.size()));
  }

  std::string directory_, host_path_;
  UniqueFd host_;
};

TEST(ReadyLine, IsFoundAmongOthers) {
  EXPECT_EQ(ReadyLine("READY=1"), "READY=1");
  EXPECT_EQ(ReadyLine("STATUS=up\nREADY=1\nMAINPID=4"), "READY=1");
  EXPECT_EQ(ReadyLine("STATUS=READY=1\n"), "");
}

TEST_F(NotifyTest, ForwardsReadyWithThePidAndWaits) {
  ASSERT_TRUE(NotifySocket::MakeDirectory(directory_).ok());
  const auto inside = NotifySocket::Bind(directory_);
  ASSERT_TRUE(inside.ok()) << inside.status();
  const UniqueFd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  SayInside("STATUS=starting");
  SayInside("STATUS=up\nREADY=1\nMAINPID=1");
  Datagrams heard;
  std::thread systemd([&] { heard = Receive(3); });
  const absl::Status s = inside->Forward(host_path_, 4711, self.get());
  systemd.join();
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_EQ(heard, (Datagrams{"READY=1\n", "MAINPID=4711\n", "BARRIER=1"}));
}

TEST_F(NotifyTest, EndsWithTheContainer) {
  ASSERT_TRUE(NotifySocket::MakeDirectory(directory_).ok());
  const auto inside = NotifySocket::Bind(directory_);
  ASSERT_TRUE(inside.ok());
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  const UniqueFd child(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  EXPECT_TRUE(inside->Forward(host_path_, pid, child.get()).ok());
  waitpid(pid, nullptr, 0);
}

TEST_F(NotifyTest, AHostThatKnowsNoBarrierIsNotWaitedForLong) {
  EXPECT_TRUE(NotifyHost(host_path_, "READY=1", 1, std::chrono::milliseconds(1)).ok());
}

TEST_F(NotifyTest, ErrorsNameTheSocket) {
  EXPECT_TRUE(absl::StartsWith(NotifyHost("/nonexistent", "READY=1", 1).message(),
                               "connect to NOTIFY_SOCKET /nonexistent: No such file"));
  EXPECT_FALSE(NotifyHost("relative", "READY=1", 1).ok());
  EXPECT_FALSE(NotifyHost("/" + std::string(200, 'x'), "READY=1", 1).ok());
}

class ListenTest : public ::testing::Test {
 protected:
  ListenTest() {
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  }
};

TEST_F(ListenTest, NoneWithoutTheVariables) {
  EXPECT_EQ(ReadListenFds(getpid())->count, 0);
  setenv("LISTEN_FDS", "1", 1);
  EXPECT_EQ(ReadListenFds(getpid())->count, 0);
  setenv("LISTEN_PID", absl::StrCat(getpid() + 1).c_str(), 1);
  EXPECT_EQ(ReadListenFds(getpid())->count, 0);
}

TEST_F(ListenTest, PassesThemOnAsProcessOnesDescriptors) {
  const UniqueFd some(open("/", O_RDONLY));
  if (fcntl(3, F_GETFD) < 0) {
    ASSERT_EQ(dup2(some.get(), 3), 3);
  }
  setenv("LISTEN_PID", absl::StrCat(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_FDNAMES", "web", 1);
  const auto fds = ReadListenFds(getpid());
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_EQ(fds->count, 1);
  EXPECT_EQ(fds->environment, (std::vector<std::string>{"LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=web"}));
  EXPECT_EQ(fcntl(3, F_GETFD), FD_CLOEXEC);
}

TEST_F(ListenTest, APromiseThatIsNotKeptIsAnError) {
  setenv("LISTEN_PID", absl::StrCat(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", "900", 1);
  EXPECT_FALSE(ReadListenFds(getpid()).ok());
  setenv("LISTEN_FDS", "2000000000", 1);
  EXPECT_FALSE(ReadListenFds(getpid()).ok());
}

}  // namespace
}  // namespace runsc
