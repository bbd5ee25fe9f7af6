#include "runsc-cpp/cmd/ram_size.h"

#include "gtest/gtest.h"

namespace runsc {
namespace {

TEST(ParseRamSize, AsGoUnits) {
  EXPECT_EQ(ParseRamSize("32"), 32);
  EXPECT_EQ(ParseRamSize("32b"), 32);
  EXPECT_EQ(ParseRamSize("32k"), 32 << 10);
  EXPECT_EQ(ParseRamSize("32Kb"), 32 << 10);
  EXPECT_EQ(ParseRamSize("64MiB"), 64 << 20);
  EXPECT_EQ(ParseRamSize("64 m"), 64 << 20);
  EXPECT_EQ(ParseRamSize("1.5g"), int64_t{3} << 29);
  EXPECT_EQ(ParseRamSize("2T"), int64_t{2} << 40);
}

TEST(ParseRamSize, RefusesTheRest) {
  for (const char* text :
       {"", "m", "-1", "-1m", "1x", "1mx", "1e3", "0x10", "1.2.3", "1  m", "inf", "99999999p", " 1"}) {
    EXPECT_EQ(ParseRamSize(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace runsc
