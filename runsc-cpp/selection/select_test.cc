#include "runsc-cpp/selection/select.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "runsc-cpp/selection/cache.h"
#include "runsc-cpp/selection/fake_platform.h"

namespace runsc {
namespace {

const absl::Status kBroken = absl::FailedPreconditionError("broken"), kLate = absl::DeadlineExceededError("late");

TEST(Fastest, ByMeasurement) {
  EXPECT_EQ(Fastest({}), nullptr);
  const Measurement none[] = {{"a", kBroken}, {"b", kLate}};
  EXPECT_EQ(Fastest(none), nullptr);
  const Measurement some[] = {{"a", kBroken}, {"b", 900}, {"c", 800}, {"d", 850}};
  EXPECT_EQ(Fastest(some)->platform, "c");
}

TEST(Lasting, NotWhatTimeOrMemoryDecided) {
  const Measurement sure[] = {{"a", kBroken}, {"b", 900}};
  EXPECT_TRUE(Lasting(sure));
  const Measurement unsure[] = {{"a", kLate}, {"b", 900}};
  EXPECT_FALSE(Lasting(unsure));
  const Measurement starved[] = {{"a", absl::UnavailableError("no memory")}, {"b", 900}};
  EXPECT_FALSE(Lasting(starved));
}

class SelectTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/selectXXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    parent_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(parent_); }

  std::string parent_;
};

TEST_F(SelectTest, TakesOneThatWorksAndRemembersIt) {
  const PlatformChoice candidates[] = {kFake<Fault::kCrashes>, *FindPlatform("ptrace")};
  EXPECT_EQ(RememberedPlatform(parent_, candidates), std::nullopt);
  EXPECT_EQ(*SelectPlatform(parent_, candidates), "ptrace");
  EXPECT_EQ(RememberedPlatform(parent_, candidates), "ptrace");
  // One that would be refused now is not even tried.
  const PlatformChoice now_broken[] = {{"ptrace", CreateFake<Fault::kCrashes>, nullptr}};
  EXPECT_EQ(*SelectPlatform(parent_, now_broken), "ptrace");
}

TEST_F(SelectTest, WorksWithoutAPlaceToRememberIn) {
  const PlatformChoice candidates[] = {*FindPlatform("ptrace")};
  EXPECT_EQ(*SelectPlatform("", candidates), "ptrace");
}

TEST_F(SelectTest, ForgetsWhatIsNoLongerSure) {
  const Measurement sure[] = {{"ptrace", 900}}, unsure[] = {{"ptrace", 900}, {"systrap", kLate}},
                    none[] = {{"a", kBroken}};
  for (const std::span<const Measurement> now :
       {std::span<const Measurement>(unsure), std::span<const Measurement>(none)}) {
    EXPECT_TRUE(RememberFastest(parent_, sure));
    EXPECT_EQ(RememberedPlatform(parent_, Platforms()), "ptrace");
    EXPECT_FALSE(RememberFastest(parent_, now));
    EXPECT_EQ(RememberedPlatform(parent_, Platforms()), std::nullopt);
  }
}

TEST_F(SelectTest, RemembersNoNameThatIsNoCandidate) {
  ASSERT_TRUE(WriteChoice(parent_, ChoiceKey(), "hvm"));
  EXPECT_EQ(RememberedPlatform(parent_, Platforms()), std::nullopt);
}

TEST_F(SelectTest, ASlowHostRefusesNone) {
  const PlatformChoice candidates[] = {{"broken", CreateFake<Fault::kCrashes>, nullptr},
                                       {"slow", CreateFake<Fault::kHangs>, nullptr}};
  EXPECT_EQ(*SelectPlatform(parent_, candidates), "slow");
  EXPECT_EQ(ReadChoice(parent_, ChoiceKey()), std::nullopt);
}

TEST_F(SelectTest, NothingWorks) {
  const PlatformChoice candidates[] = {{"fast", CreateFake<Fault::kNoCreate>, nullptr},
                                       {"slow", CreateFake<Fault::kGuestDies>, nullptr}};
  const absl::StatusOr<std::string> name = SelectPlatform(parent_, candidates);
  EXPECT_EQ(name.status().message(),
            "no platform works here; fast: the host lacks a flux capacitor; slow: the guest fell over");
  EXPECT_EQ(ReadChoice(parent_, ChoiceKey()), std::nullopt);
}

}  // namespace
}  // namespace runsc
