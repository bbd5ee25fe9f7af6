#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runsc-cpp/doctor/engines.h"
#include "runsc-cpp/doctor/host.h"
#include "runsc-cpp/doctor/program.h"
#include "runsc-cpp/doctor/trial.h"

namespace runsc {
namespace {

std::string TemporaryFolder() {
  std::string name = absl::StrCat(testing::TempDir(), "/doctorXXXXXX");
  return mkdtemp(name.data());
}

void WriteFile(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

TEST(LookAtLimits, TellsWhatHurtsAndTheFix) {
  const std::string proc_sys = TemporaryFolder();
  WriteFile(proc_sys + "/vm/max_map_count", "1024\n");
  WriteFile(proc_sys + "/kernel/pid_max", "4194304\n");
  const Findings found = LookAtLimits(proc_sys);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].health, Health::kBad);
  EXPECT_TRUE(absl::StartsWith(found[0].what, "vm.max_map_count is 1024: "));
  EXPECT_TRUE(absl::StartsWith(found[0].fix, "sysctl -w vm.max_map_count=262144"));
}

TEST(LookAtLimits, EnoughIsGood) {
  const std::string proc_sys = TemporaryFolder();
  WriteFile(proc_sys + "/vm/max_map_count", "65530\n");
  WriteFile(proc_sys + "/user/max_user_namespaces", "100000\n");
  const Findings found = LookAtLimits(proc_sys);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].health, Health::kGood);
}

TEST(LookAtLimits, NoUserNamespacesIsBad) {
  const std::string proc_sys = TemporaryFolder();
  WriteFile(proc_sys + "/user/max_user_namespaces", "0\n");
  EXPECT_EQ(LookAtLimits(proc_sys)[0].health, Health::kBad);
}

TEST(LookAtKvm, WhatIsNoKvmIsTold) {
  EXPECT_EQ(LookAtKvm("/dev/null")[0].health, Health::kNote);
  EXPECT_TRUE(absl::StrContains(LookAtKvm("/no/such/kvm")[0].what, "is not there"));
}

TEST(RunProgram, HearsBothStreamsAndTheCode) {
  const auto said = RunProgram({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"}, 10'000);
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(said->code, 3);
  EXPECT_EQ(said->text, "out\nerr\n");
  EXPECT_EQ(LastLine(said->text), "err");
}

TEST(RunProgram, KillsWhatDoesNotEnd) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(RunProgram({"/bin/sh", "-c", "sleep 100"}, 200).status()));
  EXPECT_FALSE(RunProgram({"/no/such/program"}, 200).ok());
}

// It may say much, and a daemon of its may keep the pipe.
TEST(RunProgram, DoesNotWaitForItsDaemons) {
  const auto said = RunProgram({"/bin/sh", "-c", "sleep 20 & yes | head -c 200000"}, 10'000);
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_LE(said->text.size(), 64u << 10);
}

TEST(TrialFolder, GoesWithItself) {
  const std::string parent = TemporaryFolder();
  {
    const TrialFolder folder(parent);
    ASSERT_TRUE(folder.status().ok()) << folder.status();
    ASSERT_TRUE(folder.WriteConfig("/bin/true").ok());
    EXPECT_TRUE(std::filesystem::exists(folder.rootfs() + kGuestBinary));
  }
  EXPECT_TRUE(std::filesystem::is_empty(parent));
}

TEST(Engines, ARuntimeThatFailsIsBad) {
  DoctorPlaces places;
  places.temporary = TemporaryFolder();
  places.binary = "/bin/false";
  const Findings found = TryRuntime(places);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].health, Health::kBad);
  EXPECT_FALSE(found[0].fix.empty());
  EXPECT_TRUE(std::filesystem::is_empty(places.temporary));
}

}  // namespace
}  // namespace runsc
