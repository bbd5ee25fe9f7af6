#include "runsc-cpp/oci/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runsc-cpp/oci/test_json.h"

namespace runsc::oci {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Refusal(std::string_view text) { return std::string(ParseJson(text, "f").status().message()); }

TEST(JsonTest, KeepsOrderNumbersAndStrings) {
  const std::string text = R"({"b":[1,-2.50e+3,18446744073709551615,true,null],"a":{"ü\n":""}})";
  const auto value = ParseJson(text, "f");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(Print(*value), text);
}

TEST(JsonTest, SyntaxErrorsNameThePlace) {
  EXPECT_THAT(Refusal("{\n \"a\": 1,\n}"), StartsWith("f: line 3 column 1: "));
  EXPECT_THAT(Refusal(""), StartsWith("f: line 1 column 1: "));
  for (const char* bad : {"{}{}", "{\"a\":01}", "[1,]", "{'a':1}", "nul", "[NaN]", "\xef\xbb\xbf{}", "// c\n{}"}) {
    EXPECT_THAT(Refusal(bad), StartsWith("f: line ")) << bad;
  }
}

TEST(JsonTest, RefusesWhatParsersDisagreeOn) {
  EXPECT_EQ(Refusal(R"({"a":{"x":1,"y":2,"x":3}})"), "f: a.x: is there twice");
  EXPECT_EQ(Refusal(R"([{"k.1":1,"k.1":1}])"), R"(f: [0]["k.1"]: is there twice)");
  EXPECT_EQ(Refusal(R"({"a":1,"\u0061":2})"), "f: a: is there twice");
  EXPECT_EQ(Refusal(R"(["a\u0000b"])"), "f: a string holds a NUL character");
  EXPECT_EQ(Refusal(R"({"a\u0000":1})"), "f: a string holds a NUL character");
  EXPECT_EQ(Refusal(std::string_view("{}\0{", 4)), "f: line 1 column 3: a NUL byte");
  EXPECT_THAT(Refusal("[\"\xff\"]"), HasSubstr("encoding"));
  EXPECT_THAT(Refusal("[\"\xed\xa0\x80\"]"), HasSubstr("encoding"));
  EXPECT_THAT(Refusal(R"(["\ud800"])"), HasSubstr("surrogate"));
}

TEST(JsonTest, IsBounded) {
  EXPECT_TRUE(ParseJson(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']'), "f").ok());
  EXPECT_EQ(Refusal(std::string(kMaxJsonDepth + 1, '[')), "f: nested deeper than 64");
  EXPECT_EQ(Refusal(std::string(1'000'000, '[')), "f: nested deeper than 64");
  EXPECT_EQ(Refusal(std::string(kMaxJsonBytes + 1, ' ')), "f: larger than 8 MiB");
  std::string many = "[0";
  for (size_t i = 1; i < kMaxJsonValues; ++i) many += ",0";
  EXPECT_EQ(Refusal(many + "]"), "f: more than 500000 values");
}

TEST(JsonTest, QuotesAsGoDoes) {
  EXPECT_EQ(QuoteJson("\xff\xe2\x80\xc3"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
  EXPECT_EQ(QuoteJson("a\"\\\n\r\t\x01<>&\u2028\u2029/ü"),
            "\"a\\\"\\\\\\n\\r\\t\\u0001\\u003c\\u003e\\u0026\\u2028\\u2029/ü\"");
}

TEST(JsonTest, PathsQuoteWhatIsNotAName) {
  EXPECT_EQ(MemberPath("", "a"), "a");
  EXPECT_EQ(MemberPath("a[0]", "b"), "a[0].b");
  EXPECT_EQ(MemberPath("annotations", "io.x/y"), R"(annotations["io.x/y"])");
}

}  // namespace
}  // namespace runsc::oci
