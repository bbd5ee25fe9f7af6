#include "runsc-cpp/install/install.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"

namespace runsc {
namespace {

class InstallTest : public ::testing::Test {
 protected:
  InstallTest() {
    char name[] = "/tmp/install_test.XXXXXX";
    directory_ = mkdtemp(name);
    file_ = directory_ + "/etc/config";
    entry_.name = "runsc-cpp";
    entry_.binary = "/bin/runsc-cpp";
  }
  ~InstallTest() override { std::filesystem::remove_all(directory_); }

  std::string Get(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::string Change(Engine engine, InstallAction action, InstallMode mode = InstallMode::kWrite) {
    const auto said = ChangeConfig(engine, action, mode, file_, entry_);
    return said.ok() ? *said : std::string(said.status().message());
  }

  std::string directory_, file_;
  RuntimeEntry entry_;
};

TEST_F(InstallTest, MakesAFileThatIsNotThere) {
  EXPECT_EQ(Change(Engine::kContainerd, InstallAction::kAdd), file_ + ": runtime \"runsc-cpp\" added\n");
  EXPECT_TRUE(absl::StartsWith(Get(file_), "version = 2\n"));
  EXPECT_EQ(Change(Engine::kContainerd, InstallAction::kAdd), file_ + ": runtime \"runsc-cpp\" is there already\n");
}

TEST_F(InstallTest, KeepsTheOldFileItsModeAndALink) {
  std::filesystem::create_directories(directory_ + "/etc");
  const std::string real = directory_ + "/real";
  std::ofstream(real) << "{\"a\": 1}";
  chmod(real.c_str(), 0640);
  ASSERT_EQ(symlink(real.c_str(), file_.c_str()), 0);
  EXPECT_EQ(Change(Engine::kDocker, InstallAction::kAdd),
            file_ + ": runtime \"runsc-cpp\" added; the old file is " + real + ".runsc-cpp.bak\n");
  EXPECT_EQ(Get(real + ".runsc-cpp.bak"), "{\"a\": 1}");
  struct stat st;
  ASSERT_EQ(lstat(file_.c_str(), &st), 0);
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  ASSERT_EQ(stat(real.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0640u);
  EXPECT_TRUE(absl::StrContains(Get(real), "/bin/runsc-cpp"));
  EXPECT_TRUE(absl::StrContains(Change(Engine::kDocker, InstallAction::kRemove), "\"runsc-cpp\" removed"));
  EXPECT_EQ(Get(real), "{\n    \"a\": 1\n}\n");
}

TEST_F(InstallTest, ADryRunWritesNothing) {
  const std::string said = Change(Engine::kDocker, InstallAction::kAdd, InstallMode::kDryRun);
  EXPECT_TRUE(absl::StartsWith(said, file_ + ": would be, with runtime \"runsc-cpp\" added:\n{\n")) << said;
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/etc"));
}

TEST_F(InstallTest, RemovalOfWhatIsNotThereMakesNoFile) {
  for (const Engine engine : {Engine::kDocker, Engine::kContainerd}) {
    EXPECT_EQ(Change(engine, InstallAction::kRemove), file_ + ": runtime \"runsc-cpp\" is not there\n");
  }
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(InstallTest, ErrorsNameTheFile) {
  std::filesystem::create_directories(directory_ + "/etc");
  std::ofstream(file_) << "a\n";
  EXPECT_EQ(Change(Engine::kContainerd, InstallAction::kAdd), file_ + ": line 1: \"=\" is missing");
  EXPECT_EQ(Get(file_), "a\n");
  file_ = directory_;
  EXPECT_EQ(Change(Engine::kDocker, InstallAction::kAdd), directory_ + " is not a regular file");
}

}  // namespace
}  // namespace runsc
