// Guests that the host charges apart from others (Platform::NewAddressSpaces).
#include <sys/socket.h>

#include <algorithm>

#include "platform/conformance.h"

BLOB(syscall, "1: syscall\n jmp 1b")

namespace platform {
namespace {

class ApartTest : public PlatformTest {
 protected:
  void SetUp() override {
    PlatformTest::SetUp();
    if (template_pid_ < 0) GTEST_SKIP() << "it has no stubs";
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    place_.reset(pair[0]);
    const int on = 1;
    ASSERT_EQ(setsockopt(place_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    spaces_ = platform_->NewAddressSpaces(base::UniqueFd(pair[1])).value();
  }
  void TearDown() override {
    spaces_.reset();
    PlatformTest::TearDown();
  }

  // Who waits in the place.
  pid_t Sender() {
    char byte;
    iovec iov = {&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    msghdr msg = {};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control;
    msg.msg_controllen = sizeof(control);
    EXPECT_EQ(recvmsg(place_.get(), &msg, 0), 1);
    ucred sender = {};
    if (const cmsghdr* cmsg = CMSG_FIRSTHDR(&msg)) memcpy(&sender, CMSG_DATA(cmsg), sizeof(sender));
    return sender.pid;
  }
  void ExpectRuns() {
    const std::unique_ptr<AddressSpace> space = spaces_->NewAddressSpace().value();
    Load(*space, CODE(syscall));
    regs_.rip = kCode;
    ExpectSyscall(context_->Switch(*space, regs_));
    context_->Release();
  }

  base::UniqueFd place_;
  std::shared_ptr<AddressSpaces> spaces_;
};

TEST_P(ApartTest, ComeFromAChildThatWasPlaced) {
  const pid_t other = Sender();
  EXPECT_NE(other, template_pid_);
  const std::vector<pid_t> children = Children();
  EXPECT_NE(std::find(children.begin(), children.end(), other), children.end());
  std::atomic<bool> made = false;
  std::thread maker([&] {
    ExpectRuns();
    made = true;
  });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_FALSE(made);
  EXPECT_EQ(send(place_.get(), "", 1, 0), 1);
  maker.join();
  // Nobody holds the place any more.
  char byte;
  EXPECT_EQ(recv(place_.get(), &byte, 1, 0), 0);
  spaces_.reset();
  EXPECT_NE(kill(other, 0), 0);
}

TEST_P(ApartTest, ComeWithoutAnAnswerOnceThePlaceIsGone) {
  Sender();
  place_.reset();
  ExpectRuns();
}

TEST_P(ApartTest, OutliveTheirOrigin) {
  const pid_t other = Sender();
  place_.reset();
  ExpectRuns();
  // Both spare ones are there: one that is just being made would be nobody's.
  std::this_thread::sleep_for(milliseconds(30));
  kill(other, SIGKILL);
  for (int i = 0; i < 5; i++) ExpectRuns();
  EXPECT_FALSE(template_died_);
}

TEST_P(PlatformTest, GuestsOfOurOwnProcessAreNotApart) {
  if (template_pid_ >= 0) GTEST_SKIP() << "it has stubs";
  EXPECT_TRUE(platform_->NewAddressSpaces({}).Is(Errno::kENOSYS));
}

INSTANTIATE_TEST_SUITE_P(Platforms, ApartTest, testing::ValuesIn(Factories().begin(), Factories().end()),
                         [](const auto& factory) { return factory.param.name; });

}  // namespace
}  // namespace platform
