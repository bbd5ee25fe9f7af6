#include "sentry/control/connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace sentry::control {
namespace {

using base::Errno;

struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
  base::UniqueFd a, b;
};

TEST(Connection, AFrameWithDescriptorsArrives) {
  Pair pair;
  ASSERT_TRUE(SendFrame(pair.a.get(), "hello", {0, 1}, 1000).ok());
  ASSERT_TRUE(SendFrame(pair.a.get(), "", {}, 1000).ok());
  const base::Result<Frame> first = ReceiveFrame(pair.b.get(), 1000);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->bytes, "hello");
  EXPECT_EQ(first->fds.size(), 2u);
  const base::Result<Frame> second = ReceiveFrame(pair.b.get(), 1000);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->bytes, "");
  EXPECT_TRUE(second->fds.empty());
}

TEST(Connection, ALargeFrameArrivesWhole) {
  Pair pair;
  const std::string large(3 << 20, 'x');
  std::thread sender([&] { EXPECT_TRUE(SendFrame(pair.a.get(), large, {}, 10'000).ok()); });
  const base::Result<Frame> frame = ReceiveFrame(pair.b.get(), 10'000);
  sender.join();
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->bytes, large);
}

TEST(Connection, BoundsAreKept) {
  Pair pair;
  EXPECT_TRUE(SendFrame(pair.a.get(), std::string(kMaxFrame + 1, 'x'), {}, 1000).Is(Errno::kEMSGSIZE));
  EXPECT_TRUE(SendFrame(pair.a.get(), "", std::vector<int>(kMaxFds + 1, 0), 1000).Is(Errno::kETOOMANYREFS));
  const uint32_t length = kMaxFrame + 1;
  ASSERT_EQ(write(pair.a.get(), &length, sizeof length), 4);
  EXPECT_TRUE(ReceiveFrame(pair.b.get(), 1000).Is(Errno::kEPROTO));
}

TEST(Connection, AHalfFrameIsNoFrame) {
  Pair pair;
  const uint32_t length = 5;
  ASSERT_EQ(write(pair.a.get(), &length, sizeof length), 4);
  EXPECT_TRUE(ReceiveFrame(pair.b.get(), 10).Is(Errno::kETIMEDOUT));
  Pair other;
  ASSERT_EQ(write(other.a.get(), &length, 3), 3);
  other.a.reset();
  EXPECT_TRUE(ReceiveFrame(other.b.get(), 1000).Is(Errno::kEPIPE));
}

}  // namespace
}  // namespace sentry::control
