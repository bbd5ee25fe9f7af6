#include "runsc-cpp/selection/cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace runsc {
namespace {

constexpr char kKey[] = "boot 1\nbinary 2\n";
constexpr char kOtherKey[] = "boot 3\nbinary 2\n";
constexpr char kGood[] = "boot 1\nbinary 2\nplatform ptrace\n";

class CacheTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/cacheXXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    parent_ = pattern;
    directory_ = parent_ + "/runsc-cpp";
    file_ = directory_ + "/platform";
    ASSERT_TRUE(WriteChoice(parent_, kKey, "ptrace"));
    ASSERT_EQ(ReadChoice(parent_, kKey), "ptrace");
  }
  void TearDown() override { std::filesystem::remove_all(parent_); }

  void ExpectIgnored() const { EXPECT_EQ(ReadChoice(parent_, kKey), std::nullopt); }
  void Put(const std::string& content) const {
    std::ofstream(file_, std::ios::trunc | std::ios::binary) << content;
    struct stat st;
    ASSERT_EQ(stat(file_.c_str(), &st), 0);
    ASSERT_EQ(static_cast<size_t>(st.st_size), content.size());
  }

  std::string parent_, directory_, file_;
};

TEST_F(CacheTest, KeepsTheLast) {
  ASSERT_TRUE(WriteChoice(parent_, kKey, "systrap"));
  EXPECT_EQ(ReadChoice(parent_, kKey), "systrap");
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    EXPECT_EQ(entry.path().filename(), "platform") << "left behind";
  }
}

TEST_F(CacheTest, AnotherBootOrBinaryHasToAskAnew) {
  EXPECT_EQ(ReadChoice(parent_, kOtherKey), std::nullopt);
  EXPECT_EQ(ReadChoice(parent_, ""), std::nullopt);
  EXPECT_FALSE(WriteChoice(parent_, "", "ptrace"));
}

TEST_F(CacheTest, HostileContentIsIgnored) {
  const std::string good = kGood;
  Put(good);
  EXPECT_EQ(ReadChoice(parent_, kKey), "ptrace");
  for (const std::string& bad :
       {std::string(), std::string("\n"), good.substr(0, good.size() - 1), good.substr(0, good.size() - 2), good + "x",
        good + good, good + '\0', " " + good, std::string(kKey), kKey + std::string("platform \n"),
        kKey + std::string("platform ../x\n"), kKey + std::string("platform pt\nrace\n"),
        kKey + std::string("platform PTRACE\n"), kKey + std::string("platform ptrace \n"),
        kKey + std::string("platform ptr\0ace\n", 17), kKey + std::string("platform ") + std::string(2000, 'a') + "\n",
        std::string(1 << 20, '\xff')}) {
    Put(bad);
    ExpectIgnored();
  }
}

TEST_F(CacheTest, WhatOthersCanWriteIsIgnored) {
  for (const std::string& path : {file_, directory_, parent_}) {
    struct stat st;
    ASSERT_EQ(stat(path.c_str(), &st), 0);
    for (const mode_t extra : {S_IWGRP, S_IWOTH}) {
      ASSERT_EQ(chmod(path.c_str(), (st.st_mode & 07777) | extra), 0);
      ExpectIgnored();
    }
    ASSERT_EQ(chmod(path.c_str(), st.st_mode & 07777), 0);
    EXPECT_EQ(ReadChoice(parent_, kKey), "ptrace");
  }
  ASSERT_EQ(chmod(directory_.c_str(), 0777), 0);
  EXPECT_FALSE(WriteChoice(parent_, kKey, "systrap"));
}

TEST_F(CacheTest, WhatOthersOwnIsIgnored) {
  for (const std::string& path : {file_, directory_, parent_}) {
    if (chown(path.c_str(), 12345, 12345) != 0) GTEST_SKIP() << "only root can give files away";
    ExpectIgnored();
    ASSERT_EQ(chown(path.c_str(), geteuid(), getegid()), 0);
    EXPECT_EQ(ReadChoice(parent_, kKey), "ptrace");
  }
}

TEST_F(CacheTest, OnlyAPlainFileInAPlainDirectory) {
  const std::string moved = parent_ + "/moved";
  ASSERT_EQ(rename(file_.c_str(), moved.c_str()), 0);
  ASSERT_EQ(symlink(moved.c_str(), file_.c_str()), 0);
  ExpectIgnored();
  ASSERT_EQ(unlink(file_.c_str()), 0);
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  ExpectIgnored();
  ASSERT_EQ(unlink(file_.c_str()), 0);
  ASSERT_EQ(mkdir(file_.c_str(), 0700), 0);
  ExpectIgnored();
  EXPECT_FALSE(WriteChoice(parent_, kKey, "ptrace"));
  ASSERT_EQ(rmdir(file_.c_str()), 0);
  ASSERT_EQ(rename(moved.c_str(), file_.c_str()), 0);
  ASSERT_EQ(rename(directory_.c_str(), moved.c_str()), 0);
  ASSERT_EQ(symlink(moved.c_str(), directory_.c_str()), 0);
  ExpectIgnored();
  EXPECT_FALSE(WriteChoice(parent_, kKey, "ptrace"));
}

TEST_F(CacheTest, NothingIsMadeWhereOthersCanWrite) {
  std::filesystem::remove_all(directory_);
  ASSERT_EQ(chmod(parent_.c_str(), 01777), 0);
  EXPECT_FALSE(WriteChoice(parent_, kKey, "ptrace"));
  EXPECT_TRUE(std::filesystem::is_empty(parent_));
}

TEST_F(CacheTest, NowhereIsNoPlace) {
  for (const char* parent : {"", "relative", "/no/such/place", "/proc/self/status"}) {
    EXPECT_FALSE(WriteChoice(parent, kKey, "ptrace")) << parent;
    EXPECT_EQ(ReadChoice(parent, kKey), std::nullopt) << parent;
  }
}

TEST(ChoiceKey, IsOfThisHostAndBinary) {
  const std::string key = ChoiceKey();
  EXPECT_EQ(key, ChoiceKey());
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string boot;
  in >> boot;
  EXPECT_NE(key.find("boot " + boot + "\n"), std::string::npos) << key;
  EXPECT_NE(key.find("\nuser " + std::to_string(geteuid()) + "\n"), std::string::npos) << key;
}

TEST_F(CacheTest, ALookUpCostsNextToNothing) {
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 100; ++i) {
    const auto start = std::chrono::steady_clock::now();
    (void)ReadChoice(parent_, ChoiceKey());
    best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
  }
  RecordProperty("look_up_ns", static_cast<int>(best.count()));
  EXPECT_LT(best, std::chrono::microseconds(200));
}

}  // namespace
}  // namespace runsc
