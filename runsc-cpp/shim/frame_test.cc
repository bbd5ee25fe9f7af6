#include "runsc-cpp/shim/frame.h"

#include "gtest/gtest.h"

namespace runsc::shim {
namespace {

TEST(FrameTest, GoesThrough) {
  const std::string bytes = EncodeFrame(7, FrameType::kRequest, "abc") + EncodeFrame(9, FrameType::kResponse, "");
  EXPECT_EQ(bytes.substr(0, 10), std::string("\0\0\0\3\0\0\0\7\1\0", 10));
  FrameReader reader;
  absl::string_view left = bytes;
  ASSERT_TRUE(reader.Read(left));
  EXPECT_EQ(reader.frame().stream, 7u);
  EXPECT_EQ(reader.frame().data, "abc");
  ASSERT_TRUE(reader.Read(left));
  EXPECT_EQ(reader.frame().stream, 9u);
  EXPECT_EQ(reader.frame().type, FrameType::kResponse);
  EXPECT_EQ(reader.frame().data, "");
  EXPECT_TRUE(left.empty());
}

TEST(FrameTest, ByteByByte) {
  const std::string bytes = EncodeFrame(1, FrameType::kRequest, "xy");
  FrameReader reader;
  for (size_t i = 0; i < bytes.size(); ++i) {
    absl::string_view one(bytes.data() + i, 1);
    EXPECT_EQ(reader.Read(one), i + 1 == bytes.size());
    EXPECT_TRUE(one.empty());
  }
  EXPECT_EQ(reader.frame().data, "xy");
}

TEST(FrameTest, TooLongIsSkippedAndNotKept) {
  std::string bytes("\0\x40\0\1\0\0\0\5\1\0", 10);  // 4 MiB and 1
  bytes += std::string(kMaxFrameData + 1, 'z') + EncodeFrame(11, FrameType::kRequest, "next");
  FrameReader reader;
  absl::string_view left = bytes;
  ASSERT_TRUE(reader.Read(left));
  EXPECT_TRUE(reader.frame().too_long);
  EXPECT_EQ(reader.frame().stream, 5u);
  EXPECT_TRUE(reader.frame().data.empty());
  ASSERT_TRUE(reader.Read(left));
  EXPECT_FALSE(reader.frame().too_long);
  EXPECT_EQ(reader.frame().data, "next");
}

TEST(FrameTest, OfTheGreatestLength) {
  const std::string data(kMaxFrameData, 'q');
  const std::string bytes = EncodeFrame(3, FrameType::kRequest, data);
  FrameReader reader;
  absl::string_view left = bytes;
  ASSERT_TRUE(reader.Read(left));
  EXPECT_FALSE(reader.frame().too_long);
  EXPECT_EQ(reader.frame().data, data);
}

}  // namespace
}  // namespace runsc::shim
