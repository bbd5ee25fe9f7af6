#include "runsc-cpp/cmd/do_flags.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

absl::StatusOr<DoFlags> Parse(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return ParseDoFlags(static_cast<int>(argv.size()), argv.data());
}

TEST(ParseDoFlags, CommandKeepsItsOwnFlags) {
  const auto flags = Parse({"--strace", "ls", "-l", "--strace"});
  ASSERT_TRUE(flags.ok());
  EXPECT_TRUE(flags->strace);
  EXPECT_EQ(flags->command, (std::vector<std::string>{"ls", "-l", "--strace"}));
}

TEST(ParseDoFlags, DoubleDashEndsFlags) {
  const auto flags = Parse({"--cwd=/tmp", "--", "--odd"});
  ASSERT_TRUE(flags.ok());
  EXPECT_EQ(flags->cwd, "/tmp");
  EXPECT_EQ(flags->command, std::vector<std::string>{"--odd"});
}

TEST(ParseDoFlags, ErrorsNameTheFlagAndItsValue) {
  for (const auto& [words, part] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--memory", "lots", "x"}, "--memory: \"lots\""},
           {{"--memory", "1K", "x"}, "16M"},
           {{"--volume", "/a", "x"}, "HOST:GUEST"},
           {{"--cwd", "tmp", "x"}, "absolute"},
           {{"--env", "=x", "x"}, "NAME=VALUE"},
           {{"--platform", "hvm", "x"}, PlatformNames()},
           {{"--network", "host", "x"}, "none or passthrough"},
           {{"--bogus", "x"}, "unknown flag --bogus"},
           {{"--memory"}, "wants a value"},
           {{}, "no command"}}) {
    const auto flags = Parse(words);
    ASSERT_FALSE(flags.ok());
    EXPECT_NE(flags.status().message().find(part), absl::string_view::npos) << flags.status();
  }
}

TEST(ParseDoFlags, EveryPlatformOfTheTableAndAutoByDefault) {
  EXPECT_EQ(Parse({"x"})->platform, kAutoPlatform);
  EXPECT_EQ(Parse({"--platform=auto", "x"})->platform, kAutoPlatform);
  for (const PlatformChoice& choice : Platforms()) {
    const auto flags = Parse({"--platform", std::string(choice.name), "x"});
    ASSERT_TRUE(flags.ok()) << flags.status();
    EXPECT_EQ(flags->platform, choice.name);
  }
}

TEST(ParseDoFlags, NetworkIsNoneUnlessAskedFor) {
  EXPECT_EQ(Parse({"x"})->network, kNetworkNone);
  EXPECT_FALSE(Parse({"x"})->raw_sockets);
  EXPECT_EQ(Parse({"--network=passthrough", "x"})->network, kNetworkPassthrough);
  EXPECT_TRUE(Parse({"--net-raw", "x"})->raw_sockets);
}

TEST(ParseBytes, Units) {
  EXPECT_EQ(*ParseBytes("16777216"), 16u << 20);
  EXPECT_EQ(*ParseBytes("64M"), 64u << 20);
  EXPECT_EQ(*ParseBytes("2g"), uint64_t{2} << 30);
  EXPECT_FALSE(ParseBytes("99999999999999999999G").ok());
  EXPECT_FALSE(ParseBytes("").ok());
  EXPECT_FALSE(ParseBytes("-1").ok());
}

TEST(ParseVolume, Forms) {
  EXPECT_FALSE(ParseVolume("/a:/b")->read_only);
  EXPECT_TRUE(ParseVolume("/a:/b:ro")->read_only);
  for (const char* bad : {"/a", "/a:b", ":/b", "/a:/b:no", "/a:/b:ro:x"}) EXPECT_FALSE(ParseVolume(bad).ok()) << bad;
}

}  // namespace
}  // namespace runsc
