#include "runsc-cpp/oci/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "runsc-cpp/oci/properties.h"
#include "runsc-cpp/oci/test_json.h"

namespace runsc::oci {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string Refusal(const JsonValue& document) { return std::string(ParseSpec(Print(document)).status().message()); }

// A document that has every property, and one of its properties.
class PropertyTest : public testing::TestWithParam<Property> {
 protected:
  void SetUp() override {
    document_ = Json(ReadTestFile("full.json"));
    holder_ = Holder(document_, GetParam().path, &name_, &shown_);
    ASSERT_NE(holder_, nullptr);
    member_ = FindMember(*holder_, name_);
    ASSERT_NE(member_, nullptr) << "full.json must have it";
  }

  JsonValue document_;
  JsonValue* holder_ = nullptr;
  JsonMember* member_ = nullptr;
  std::string name_, shown_;
};

TEST_P(PropertyTest, IsReadWrittenAndReadAgain) {
  const auto parsed = ParseSpec(Print(document_));
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  EXPECT_THAT(parsed->unknown, ElementsAre());
  JsonValue written = Json(SpecToJson(parsed->value));
  JsonValue* holder = Holder(written, GetParam().path, &name_, &shown_);
  if (GetParam().support == Support::kRefused) return;
  ASSERT_NE(holder, nullptr);
  JsonMember* member = FindMember(*holder, name_);
  if (member == nullptr) {
    EXPECT_THAT(Print(member_->value), testing::AnyOf("0", "false", "\"\"", "[]", "{}"));
  } else if (member->value.members.empty() && member->value.items.empty()) {
    EXPECT_EQ(Print(member->value), Print(member_->value));
  }
}

TEST_P(PropertyTest, WrongTypesAreRefusedByPath) {
  if (GetParam().support == Support::kRefused) return;
  const JsonValue::Kind kind = member_->value.kind;
  for (const char* other : {"1", "\"x\"", "true", "[1]", "{\"x\":1}"}) {
    member_->value = Json(other);
    if (member_->value.kind == kind) continue;
    EXPECT_THAT(Refusal(document_), StartsWith("config.json: " + shown_ + ": ")) << other;
  }
}

TEST_P(PropertyTest, ItemsOfWrongTypesAreRefusedByPath) {
  if (GetParam().support == Support::kRefused) return;
  for (JsonValue& item : member_->value.items) item = Json("null");
  for (JsonMember& member : member_->value.members) {
    if (GetParam().path.ends_with("annotations") || GetParam().path.ends_with("sysctl")) member.value = Json("null");
  }
  const bool changed =
      !member_->value.items.empty() || GetParam().path.ends_with("annotations") || GetParam().path.ends_with("sysctl");
  if (!changed) return;
  EXPECT_THAT(Refusal(document_), StartsWith("config.json: " + shown_ + "["));
}

TEST_P(PropertyTest, NullIsAbsence) {
  member_->value = Json("null");
  const std::string refusal = Refusal(document_);
  EXPECT_EQ(refusal, GetParam().required ? "config.json: " + shown_ + ": is required" : "");
  member_->name = "x-" + name_;
  EXPECT_EQ(Refusal(document_), refusal);
}

TEST_P(PropertyTest, AnotherCaseIsRefused) {
  member_->name[0] = static_cast<char>(member_->name[0] ^ 0x20);
  const std::string refusal = Refusal(document_);
  EXPECT_THAT(refusal, HasSubstr(GetParam().required ? "is required" : "is not a property; write " + name_));
}

TEST_P(PropertyTest, UnknownNeighboursAreCollected) {
  holder_->members.push_back({"x-new", Json("{\"a\":1}")});
  const auto parsed = ParseSpec(Print(document_));
  ASSERT_TRUE(parsed.ok());
  const std::string path = shown_.substr(0, shown_.size() - name_.size());
  EXPECT_THAT(parsed->unknown, ElementsAre((path.empty() ? "" : path.substr(0, path.size() - 1)) + "[\"x-new\"]"));
}

TEST_P(PropertyTest, WhatIsAllowedIsSaid) {
  const Property& property = GetParam();
  if (property.allowed.empty()) return;
  JsonValue& value = member_->value.kind == JsonValue::Kind::kArray ? member_->value.items[0] : member_->value;
  if (property.allowed.starts_with("one of ")) {
    value = Json("\"foo\"");
    EXPECT_THAT(Refusal(document_), HasSubstr(": \"foo\" is not " + property.allowed));
    return;
  }
  for (const char* outside : {"-9223372036854775809", "18446744073709551616", "-1001", "1.5"}) {
    value = Json(outside);
    if (property.allowed == "at least -1" && std::string(outside) == "18446744073709551616") continue;
    EXPECT_THAT(Refusal(document_), HasSubstr(Print(value) + " is not a whole number from ")) << outside;
  }
}

TEST_P(PropertyTest, RefusedAndNotedOnesTellWhy) {
  const Property& property = GetParam();
  if (property.support == Support::kNoted) {
    EXPECT_THAT(ParseSpec(Print(document_))->noted, Contains(shown_ + ": accepted without effect: " + property.note));
  }
  if (property.support != Support::kRefused) return;
  for (const char* value : {"1", "\"x\"", "true", "[1]", "{\"x\":1}"}) {
    member_->value = Json(value);
    EXPECT_EQ(Refusal(document_), "config.json: " + shown_ + ": is refused: " + property.note) << value;
  }
}

INSTANTIATE_TEST_SUITE_P(All, PropertyTest, testing::ValuesIn(Properties()), [](const auto& info) {
  std::string name;
  for (const char c : info.param.path) {
    if (isalnum(c)) name += c;
    if (c == '.') name += '_';
  }
  return name;
});

TEST(PropertiesTest, TheListInTheTreeIsTheOneInTheCode) {
  std::ifstream file("runsc-cpp/oci/PROPERTIES.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(text, HasSubstr(PropertiesToMarkdown())) << "write this into PROPERTIES.md:\n" << PropertiesToMarkdown();
}

// --- Single cases ---

std::string VersionWith(std::string_view members) {
  return "{\"ociVersion\":\"1.2.0\"" + std::string(members.empty() ? "" : ",") + std::string(members) + "}";
}

TEST(ParseTest, MessagesNameFilePathValueAndWhatIsAllowed) {
  EXPECT_EQ(ParseSpec(VersionWith(R"("linux":{"namespaces":[{"type":"pid"},{"type":"foo"}]})")).status().message(),
            "config.json: linux.namespaces[1].type: \"foo\" is not one of pid, network, mount, ipc, uts, user, cgroup, "
            "time");
  EXPECT_EQ(ParseSpec("[]").status().message(), "config.json: an array is not an object");
  EXPECT_EQ(ParseSpec("{}").status().message(), "config.json: ociVersion: is required");
  EXPECT_EQ(ParseProcess(R"({"cwd":7})").status().message(), "process.json: cwd: 7 is not a string");
  EXPECT_EQ(ParseSpec(VersionWith(R"("annotations":{"a.b":7})")).status().message(),
            R"(config.json: annotations["a.b"]: 7 is not a string)");
}

// Go prints whole floats so, and -1 in an unsigned field as 2^64 - 1.
TEST(ParseTest, NumbersAsEnginesWriteThem) {
  const auto limit = [](std::string_view number) {
    const auto parsed = ParseResources("{\"memory\":{\"limit\":" + std::string(number) + "}}");
    return parsed.ok() ? parsed->value.memory->limit.value_or(0) : INT64_MIN;
  };
  EXPECT_EQ(limit("1e3"), 1000);
  EXPECT_EQ(limit("5.36870912e+08"), 536870912);
  EXPECT_EQ(limit("2.0"), 2);
  EXPECT_EQ(limit("-1"), -1);
  EXPECT_EQ(limit("-0"), 0);
  EXPECT_EQ(limit("120e-1"), 12);
  EXPECT_EQ(limit("9223372036854775807"), INT64_MAX);
  for (const char* bad : {"9223372036854775808", "-2", "0.5", "1e-1", "1e19", "1e999", "\"1\"", "1e99999999999"}) {
    EXPECT_EQ(limit(bad), INT64_MIN) << bad;
  }
  EXPECT_EQ(ParseResources(R"({"memory":{"swappiness":18446744073709551615}})")->value.memory->swappiness, UINT64_MAX);
}

TEST(ParseTest, WhatEnginesWriteParsesWithNothingUnknown) {
  for (const char* name : {"docker.json", "cri.json", "ctr.json", "podman.json", "buildah.json", "buildkit.json"}) {
    const auto parsed = ParseSpec(ReadTestFile(name));
    ASSERT_TRUE(parsed.ok()) << name << ": " << parsed.status().ToString();
    EXPECT_THAT(parsed->unknown, ElementsAre()) << name;
    const std::string written = SpecToJson(parsed->value);
    EXPECT_EQ(SpecToJson(ParseSpec(written)->value), written) << name;
  }
}

TEST(ParseTest, ProcessAndResourcesRoundTrip) {
  const Spec full = ParseSpec(ReadTestFile("full.json"))->value;
  const std::string process = ProcessToJson(*full.process);
  EXPECT_EQ(ProcessToJson(ParseProcess(process)->value), process);
  const std::string resources = ResourcesToJson(*full.linux_config->resources);
  EXPECT_EQ(ResourcesToJson(ParseResources(resources)->value), resources);
}

}  // namespace
}  // namespace runsc::oci
