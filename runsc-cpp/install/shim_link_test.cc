#include "runsc-cpp/install/shim_link.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"

namespace runsc {
namespace {

class ShimLink : public ::testing::Test {
 protected:
  ShimLink() {
    char name[] = "/tmp/shim_link_test.XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/" + kShimLink;
  }
  ~ShimLink() override { std::filesystem::remove_all(folder_); }
  std::string Change(InstallAction action, InstallMode mode = InstallMode::kWrite, const char* binary = "/bin/ours") {
    const auto said = ChangeShimLink(action, mode, folder_, binary);
    return said.ok() ? *said : std::string(said.status().message());
  }

  std::string folder_, path_;
};

TEST_F(ShimLink, IsMadeReplacedAndRemoved) {
  EXPECT_EQ(Change(InstallAction::kAdd), path_ + ": a link to /bin/ours\n");
  EXPECT_EQ(std::filesystem::read_symlink(path_), "/bin/ours");
  EXPECT_EQ(Change(InstallAction::kAdd), path_ + ": the shim's link is there already\n");
  EXPECT_EQ(Change(InstallAction::kAdd, InstallMode::kWrite, "/bin/newer"), path_ + ": a link to /bin/newer\n");
  EXPECT_EQ(Change(InstallAction::kRemove), path_ + ": the shim's link removed\n");
  EXPECT_EQ(Change(InstallAction::kRemove), path_ + ": the shim's link is not there\n");
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(ShimLink, ADryRunMakesNothing) {
  EXPECT_EQ(Change(InstallAction::kAdd, InstallMode::kDryRun), path_ + ": would be a link to /bin/ours\n");
  EXPECT_TRUE(absl::StrContains(*MakeShimOptions(InstallMode::kDryRun, folder_ + "/o.toml"), "systemd_cgroup = true"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(ShimLink, AFileInItsPlaceStays) {
  std::ofstream(path_) << "mine";
  EXPECT_EQ(Change(InstallAction::kAdd), path_ + " is no link: remove it first");
  EXPECT_EQ(Change(InstallAction::kRemove), path_ + " is no link: remove it first");
  EXPECT_TRUE(std::filesystem::is_regular_file(path_));
}

TEST_F(ShimLink, OptionsThatAreThereStay) {
  const std::string file = folder_ + "/o.toml";
  EXPECT_EQ(*MakeShimOptions(InstallMode::kWrite, file), file + ": made\n");
  std::ofstream(file) << "mine";
  EXPECT_TRUE(absl::StrContains(*MakeShimOptions(InstallMode::kWrite, file), "is there already"));
  EXPECT_EQ(std::filesystem::file_size(file), 4u);
}

TEST(ShimFolder, IsWhereContainerdLooks) {
  EXPECT_EQ(ShimFolder("/usr/bin/runsc-cpp"), "/usr/bin");
  EXPECT_EQ(ShimFolder("/opt/x/runsc-cpp"), "/usr/local/bin");
}

}  // namespace
}  // namespace runsc
