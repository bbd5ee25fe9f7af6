#include "sentry/fs/gofer/look_ahead.h"

#include <gtest/gtest.h>

namespace sentry {
namespace {

std::vector<LookAhead::Name> Names(int count) {
  std::vector<LookAhead::Name> names;
  for (int i = 0; i < count; i++) names.push_back({std::to_string(i), false});
  return names;
}

TEST(LookAhead, AsksForMoreEachTime) {
  LookAhead ahead(Names(200));
  EXPECT_EQ(ahead.Plan("0"), (std::vector<std::string>{"0"}));
  EXPECT_EQ(ahead.Plan("1"), (std::vector<std::string>{"1", "2", "3", "4"}));
  EXPECT_EQ(ahead.Plan("5").size(), 16u);
  EXPECT_EQ(ahead.Plan("21").size(), 64u);
  EXPECT_EQ(ahead.Plan("85").size(), 64u);
  EXPECT_EQ(ahead.Plan("149").size(), 51u);
}

TEST(LookAhead, AsksForNoneTwice) {
  LookAhead ahead(Names(10));
  ahead.Plan("5");
  EXPECT_EQ(ahead.Plan("3"), (std::vector<std::string>{"3", "4", "6", "7"}));
  EXPECT_EQ(ahead.Plan("0"), (std::vector<std::string>{"0", "1", "2", "8", "9"}));
}

TEST(LookAhead, BehindADirectoryComeDirectories) {
  LookAhead ahead({{"a", true}, {"b", false}, {"c", true}, {"d", false}, {"e", true}});
  ahead.Plan("a");
  EXPECT_EQ(ahead.Plan("c"), (std::vector<std::string>{"c", "e"}));
  EXPECT_EQ(ahead.Plan("b"), (std::vector<std::string>{"b", "d"}));
}

TEST(LookAhead, OtherNamesAreAskedForAlone) {
  LookAhead ahead(Names(10));
  ahead.Plan("0");
  EXPECT_EQ(ahead.Plan("x"), (std::vector<std::string>{"x"}));
}

TEST(LookAhead, WhatIsFoundIsTakenOnce) {
  LookAhead ahead(Names(2));
  EXPECT_FALSE(ahead.Take("1"));
  ahead.Put("1", {nullptr, Errno::kEACCES});
  const auto found = ahead.Take("1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->error, Errno::kEACCES);
  EXPECT_FALSE(ahead.Take("1"));
}

}  // namespace
}  // namespace sentry
