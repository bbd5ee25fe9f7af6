#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runsc-cpp/sandbox/config.h"
#include "runsc-cpp/sandbox/link.h"

namespace runsc {
namespace {

TEST(Config, ComesBackAsItWas) {
  GoferConfig config;
  GoferConfig::Export& e = *config.add_exports();
  e.set_host_path("/a\xff\n");
  e.set_read_only(true);
  config.add_socket_fds(7);
  const absl::StatusOr<base::UniqueFd> fd = WriteConfig(config);
  ASSERT_TRUE(fd.ok()) << fd.status();
  GoferConfig read;
  ASSERT_TRUE(ReadConfig(fd->get(), read).ok());
  EXPECT_EQ(read.SerializeAsString(), config.SerializeAsString());
  EXPECT_LT(pwrite(fd->get(), "x", 1, 0), 0) << "it is sealed";
}

TEST(Config, NonsenseIsRefused) {
  const base::UniqueFd fd(memfd_create("cut", MFD_CLOEXEC));
  ASSERT_EQ(pwrite(fd.get(), "\xff\xff\xff", 3, 0), 3);
  GoferConfig read;
  EXPECT_FALSE(ReadConfig(fd.get(), read).ok());
}

struct Pair {
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0); }
  ~Pair() {
    close(fds[0]);
    close(fds[1]);
  }
  int fds[2];
};

TEST(Link, MessagesKeepTheirBounds) {
  Pair pair;
  ASSERT_TRUE(SendLink(pair.fds[0], {LinkMessageType::kExited, 137, ""}));
  ASSERT_TRUE(SendLink(pair.fds[0], {LinkMessageType::kDied, 1, "the gofer died"}));
  const auto first = ReceiveLink(pair.fds[1]);
  const auto second = ReceiveLink(pair.fds[1]);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->type, LinkMessageType::kExited);
  EXPECT_EQ(first->value, 137u);
  EXPECT_EQ(second->text, "the gofer died");
}

TEST(Link, TooMuchTextIsCut) {
  Pair pair;
  ASSERT_TRUE(SendLink(pair.fds[0], {LinkMessageType::kDied, 0, std::string(2 * kMaxLinkText, 'x')}));
  const auto message = ReceiveLink(pair.fds[1]);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text.size(), kMaxLinkText);
}

TEST(Link, EndOfFileAndNonsenseAreNothing) {
  Pair pair;
  const uint32_t nonsense[2] = {12345, 0};
  ASSERT_EQ(send(pair.fds[0], nonsense, sizeof nonsense, 0), static_cast<ssize_t>(sizeof nonsense));
  EXPECT_FALSE(ReceiveLink(pair.fds[1]));
  ASSERT_EQ(send(pair.fds[0], "x", 1, 0), 1);
  EXPECT_FALSE(ReceiveLink(pair.fds[1]));
  shutdown(pair.fds[0], SHUT_RDWR);
  EXPECT_FALSE(ReceiveLink(pair.fds[1]));
  EXPECT_FALSE(SendLink(pair.fds[1], {LinkMessageType::kExited, 0, ""}));
}

}  // namespace
}  // namespace runsc
