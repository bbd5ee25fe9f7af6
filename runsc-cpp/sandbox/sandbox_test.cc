#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runsc-cpp/sandbox/config.h"
#include "runsc-cpp/sandbox/control.h"

namespace runsc {
namespace {

SandboxConfig Example() {
  SandboxConfig config;
  config.argv = {"sh", "-c", ""};
  config.envp = {"A=1", std::string("B=\xff\n")};
  config.cwd = "/tmp";
  config.uid = 65534;
  config.groups = {1, 2, 3};
  config.limits = {1, UINT64_MAX};
  config.ignored_signals = uint64_t{1} << 63;
  config.volumes = {{.host_path = "/a", .guest_path = "/b", .read_only = true}};
  config.memory_limit = 1 << 30;
  config.strace = true;
  config.gofer_sockets = {7, 8};
  config.netgofer_sockets = {9};
  config.network = kNetworkPassthrough;
  config.raw_sockets = true;
  return config;
}

TEST(SandboxConfig, ComesBackAsItWas) {
  const absl::StatusOr<base::UniqueFd> fd = WriteConfig(Example());
  ASSERT_TRUE(fd.ok()) << fd.status();
  const absl::StatusOr<SandboxConfig> read = ReadConfig(fd->get());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->argv, Example().argv);
  EXPECT_EQ(read->envp, Example().envp);
  EXPECT_EQ(read->uid, 65534u);
  EXPECT_EQ(read->groups, Example().groups);
  EXPECT_EQ(read->limits, Example().limits);
  EXPECT_EQ(read->ignored_signals, uint64_t{1} << 63);
  ASSERT_EQ(read->volumes.size(), 1u);
  EXPECT_EQ(read->volumes[0].guest_path, "/b");
  EXPECT_TRUE(read->volumes[0].read_only);
  EXPECT_TRUE(read->strace);
  EXPECT_EQ(read->gofer_sockets, Example().gofer_sockets);
  EXPECT_EQ(read->netgofer_sockets, Example().netgofer_sockets);
  EXPECT_EQ(read->network, kNetworkPassthrough);
  EXPECT_TRUE(read->raw_sockets);
}

TEST(SandboxConfig, EveryCutIsRefused) {
  const absl::StatusOr<base::UniqueFd> whole = WriteConfig(Example());
  ASSERT_TRUE(whole.ok());
  std::string bytes(lseek(whole->get(), 0, SEEK_END), '\0');
  ASSERT_EQ(pread(whole->get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  for (size_t length = 0; length < bytes.size(); ++length) {
    const base::UniqueFd cut(memfd_create("cut", MFD_CLOEXEC));
    ASSERT_EQ(pwrite(cut.get(), bytes.data(), length, 0), static_cast<ssize_t>(length));
    EXPECT_FALSE(ReadConfig(cut.get()).ok()) << length;
  }
}

struct Pair {
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0); }
  ~Pair() {
    close(fds[0]);
    close(fds[1]);
  }
  int fds[2];
};

TEST(Control, MessagesKeepTheirBounds) {
  Pair pair;
  ASSERT_TRUE(SendControl(pair.fds[0], {ControlType::kExited, 137, ""}));
  ASSERT_TRUE(SendControl(pair.fds[0], {ControlType::kDied, 1, "the gofer died"}));
  const auto first = ReceiveControl(pair.fds[1]);
  const auto second = ReceiveControl(pair.fds[1]);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->type, ControlType::kExited);
  EXPECT_EQ(first->value, 137u);
  EXPECT_EQ(second->text, "the gofer died");
}

TEST(Control, TooMuchTextIsCut) {
  Pair pair;
  ASSERT_TRUE(SendControl(pair.fds[0], {ControlType::kReport, 0, std::string(2 * kMaxControlText, 'x')}));
  const auto message = ReceiveControl(pair.fds[1]);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text.size(), kMaxControlText);
}

TEST(Control, EndOfFileAndNonsenseAreNothing) {
  Pair pair;
  const uint32_t nonsense[2] = {12345, 0};
  ASSERT_EQ(send(pair.fds[0], nonsense, sizeof nonsense, 0), static_cast<ssize_t>(sizeof nonsense));
  EXPECT_FALSE(ReceiveControl(pair.fds[1]));
  ASSERT_EQ(send(pair.fds[0], "x", 1, 0), 1);
  EXPECT_FALSE(ReceiveControl(pair.fds[1]));
  shutdown(pair.fds[0], SHUT_RDWR);
  EXPECT_FALSE(ReceiveControl(pair.fds[1]));
  EXPECT_FALSE(SendControl(pair.fds[1], {ControlType::kExited, 0, ""}));
}

}  // namespace
}  // namespace runsc
