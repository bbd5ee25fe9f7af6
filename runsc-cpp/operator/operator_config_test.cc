#include "runsc-cpp/operator/operator_config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace runsc {
namespace {

TEST(ParseOperatorConfig, TakesEachMember) {
  const auto config =
      ParseOperatorConfig(R"({"network": "none", "platform": "systrap", "overlay": true, "strace": false,
      "debug": true, "systemdCgroup": true, "memory": 1048576, "annotations": ["overlay", "memory"],
      "tenantPlatforms": ["ptrace"], "tenantLogs": true, "postMortems": "/var/log/x"})",
                          "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->network, "none");
  EXPECT_EQ(config->platform, "systrap");
  EXPECT_EQ(config->overlay, true);
  EXPECT_EQ(config->strace, false);
  EXPECT_EQ(config->systemd_cgroup, true);
  EXPECT_EQ(config->memory_limit, 1u << 20);
  EXPECT_EQ(config->annotations->size(), 2u);
  EXPECT_EQ(config->tenant_platforms, std::vector<std::string>{"ptrace"});
  EXPECT_TRUE(config->tenant_logs);
  EXPECT_EQ(config->post_mortems, "/var/log/x");
}

TEST(ParseOperatorConfig, TellsWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "not a JSON object"},
      {R"({"overlays": true})", "\"overlays\" is not known; known are network"},
      {R"({"overlay": "true"})", "overlay: must be true or false"},
      {R"({"network": "host"})", "network: must be one of none, sandbox, passthrough"},
      {R"({"annotations": ["root"]})", "annotations: must be a list of overlay"},
      {R"({"postMortems": "log"})", "postMortems: must be an absolute path"},
      {R"({"memory": -1})", "memory: must be a number of bytes"},
      {R"({"overlay": true, "overlay": false})", "overlay"}};
  for (const auto& [text, words] : cases) {
    const auto config = ParseOperatorConfig(text, "config.json");
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_TRUE(absl::StrContains(config.status().message(), words)) << config.status();
  }
}

class GuardedFile : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "not root";
    std::string name = absl::StrCat(testing::TempDir(), "/configXXXXXX");
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/config.json";
    const int fd = open(path_.c_str(), O_WRONLY | O_CREAT, 0644);
    ASSERT_EQ(write(fd, "{}", 2), 2);
    close(fd);
  }
  absl::Status Read() { return ReadOperatorConfig(path_, Presence::kRequired).status(); }

  std::string folder_, path_;
};

TEST_F(GuardedFile, IsRootsAlone) {
  EXPECT_TRUE(Read().ok()) << Read();
  ASSERT_EQ(chmod(path_.c_str(), 0664), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(Read())) << Read();
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0777), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(Read())) << Read();
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  if (chown(path_.c_str(), 1, 1) != 0) GTEST_SKIP() << "no file may be given away here";
  EXPECT_TRUE(absl::IsPermissionDenied(Read())) << Read();
}

TEST_F(GuardedFile, NoLinkIsFollowed) {
  const std::string link = folder_ + "/link";
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  EXPECT_FALSE(ReadOperatorConfig(link, Presence::kOptional).ok());
}

TEST_F(GuardedFile, MayBeMissing) {
  EXPECT_TRUE(ReadOperatorConfig(folder_ + "/none", Presence::kOptional).ok());
  EXPECT_TRUE(absl::IsNotFound(ReadOperatorConfig(folder_ + "/none", Presence::kRequired).status()));
}

}  // namespace
}  // namespace runsc
