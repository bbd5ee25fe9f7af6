#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runsc-cpp/postmortem/post_mortem.h"
#include "sentry/control/control.pb.h"

namespace runsc {
namespace {

using sentry::control::ProcessEnd;

std::string TemporaryFolder() {
  std::string name = absl::StrCat(testing::TempDir(), "/endXXXXXX");
  return mkdtemp(name.data());
}

PostMortem Ended(const ProcessEnd& told, int code) {
  PostMortem end;
  end.set_id("c1");
  end.set_cause(PostMortem::ENDED);
  end.set_code(code);
  end.set_told(told.SerializeAsString());
  return end;
}

TEST(PostMortem, IsKeptAndFound) {
  const PostMortems folder(TemporaryFolder() + "/ended");
  EXPECT_TRUE(absl::IsNotFound(folder.Find("c1").status()));
  ASSERT_TRUE(folder.Keep(Ended({}, 3)).ok());
  const absl::StatusOr<PostMortem> found = folder.Find("c1");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(WhyLine(*found), "exited with code 3");
}

TEST(PostMortem, TheOldestGo) {
  const std::string path = TemporaryFolder();
  const PostMortems folder(path);
  for (size_t i = 0; i < kMostPostMortems + 50; ++i) {
    PostMortem end;
    end.set_id(absl::StrCat("c", i));
    ASSERT_TRUE(folder.Keep(end).ok());
  }
  const auto count = std::distance(std::filesystem::directory_iterator(path), {});
  EXPECT_LE(static_cast<size_t>(count), kMostPostMortems);
  EXPECT_TRUE(folder.Find(absl::StrCat("c", kMostPostMortems + 49)).ok());
  EXPECT_FALSE(folder.Find("c0").ok());
}

TEST(PostMortem, LongTextIsCut) {
  const PostMortems folder(TemporaryFolder());
  PostMortem end = Ended({}, 0);
  end.set_log_tail(std::string(1 << 20, 'x'));
  end.set_told(std::string(1 << 20, 'y'));
  ASSERT_TRUE(folder.Keep(end).ok());
  EXPECT_TRUE(folder.Find("c1").ok());
}

TEST(WhyLine, TellsWhoSentTheSignal) {
  ProcessEnd told;
  told.set_signal(11);
  EXPECT_EQ(WhyLine(Ended(told, 139)), "killed by SIGSEGV from inside");
  told.set_signal(9);
  told.set_sender(ProcessEnd::KILL_COMMAND);
  EXPECT_EQ(WhyLine(Ended(told, 137)), "killed by SIGKILL of the `kill` command");
  told.Clear();
  told.set_last_signal(15);
  told.set_last_sender(ProcessEnd::HOST_PROCESS);
  PostMortem end = Ended(told, 0);
  end.set_host_signal(15);
  end.set_host_sender("conmon (pid 7)");
  EXPECT_EQ(WhyLine(end), "exited with code 0 after SIGTERM sent to its process on the host by conmon (pid 7)");
}

TEST(WhyLine, TellsVictimsAndSizes) {
  ProcessEnd told;
  told.set_signal(9);
  told.set_sender(ProcessEnd::OUT_OF_MEMORY);
  told.set_victim_count(2);
  auto& victim = *told.add_victims();
  victim.set_pid(1);
  victim.set_command("python3");
  victim.set_resident_bytes(60 << 20);
  victim.set_limit_bytes(64 << 20);
  PostMortem end = Ended(told, 137);
  end.set_host_oom_kills(1);
  EXPECT_EQ(
      WhyLine(end),
      "killed by SIGKILL: its memory was out; out of memory: killed process 1 (python3) with 60 MiB of 64 MiB and 1 "
      "before; the host was out of its cgroup's memory and killed 1 process in it");
}

TEST(WhyLine, HostileTextIsOneLineOfPrintableCharacters) {
  ProcessEnd told;
  told.set_victim_count(1);
  told.add_victims()->set_command("\x1b[2J\nx");
  told.set_unimplemented("  a 1\n\x1b]0;b 2\n");
  const PostMortem end = Ended(told, 0);
  for (const char c : WhyLine(end)) EXPECT_TRUE(c >= ' ' && c <= '~');
  EXPECT_FALSE(absl::StrContains(WhyReport(end), "\x1b"));
  EXPECT_FALSE(absl::StrContains(WhyJson(end), "\x1b"));
  PostMortem garbage = Ended({}, 5);
  garbage.set_told("\xff\xff");
  EXPECT_EQ(WhyLine(garbage), "exited with code 5");
}

}  // namespace
}  // namespace runsc
