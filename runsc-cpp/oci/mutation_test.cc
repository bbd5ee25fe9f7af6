// Mutants of real config.json files: none crashes, and none that is accepted
// means more than its canonical form says. More of them, and others:
//   bazel test //runsc-cpp/oci:mutation_test --test_env=MUTANTS=1000000 --test_env=SEED=7
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "runsc-cpp/oci/bpf_interpreter.h"
#include "runsc-cpp/oci/lower.h"
#include "runsc-cpp/oci/parse.h"
#include "runsc-cpp/oci/test_json.h"

namespace runsc::oci {
namespace {

uint32_t FromEnvironment(const char* name, uint32_t otherwise) {
  const char* text = getenv(name);
  return text == nullptr ? otherwise : static_cast<uint32_t>(strtoul(text, nullptr, 10));
}

constexpr const char* kScalars[] = {"null",
                                    "true",
                                    "false",
                                    "0",
                                    "-1",
                                    "1",
                                    "4294967295",
                                    "4294967296",
                                    "1e3",
                                    "0.5",
                                    "18446744073709551615",
                                    "18446744073709551616",
                                    "-9223372036854775809",
                                    "1e400",
                                    "\"\"",
                                    "\"/\"",
                                    "\"..\"",
                                    "\"bind\"",
                                    "\"SCMP_ACT_ALLOW\"",
                                    "\"CAP_SYS_ADMIN\"",
                                    "\"user\"",
                                    "\"\\u0000\"",
                                    "\"\\ud800\"",
                                    "[]",
                                    "{}",
                                    "[[]]",
                                    "[null]",
                                    "{\"\":0}"};
constexpr const char* kTokens[] = {"{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "-", ".", "e9", "0"};

class Mutator {
 public:
  Mutator(uint32_t seed, std::vector<std::string> corpus) : random_(seed), corpus_(std::move(corpus)) {
    for (const std::string& text : corpus_) trees_.push_back(Json(text));
  }

  std::string Next() {
    if (Below(3) != 0) return Structural();
    std::string text = corpus_[Below(corpus_.size())];
    for (size_t n = 1 + Below(4); n > 0 && !text.empty(); --n) Below(2) == 0 ? Byte(text) : Token(text);
    return text;
  }

 private:
  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  void Byte(std::string& text) {
    const size_t at = Below(text.size());
    switch (Below(5)) {
      case 0:
        text[at] = static_cast<char>(text[at] ^ 1 << Below(8));
        break;
      case 1:
        text[at] = static_cast<char>(Below(256));
        break;
      case 2:
        text.erase(at, 1 + Below(3));
        break;
      case 3:
        text.insert(at, 1, static_cast<char>(Below(256)));
        break;
      case 4:
        if (Below(8) == 0) text.resize(at);
        break;
    }
  }

  void Token(std::string& text) {
    const size_t at = text.find_first_of("{}[],:\"0123456789tfn", Below(text.size()));
    if (at == std::string::npos) return;
    switch (Below(3)) {
      case 0:
        text.replace(at, 1, kTokens[Below(std::size(kTokens))]);
        break;
      case 1:
        text.insert(at, kTokens[Below(std::size(kTokens))]);
        break;
      case 2: {  // a stretch to another place
        const std::string piece = text.substr(at, 1 + Below(40));
        text.insert(Below(text.size()), piece);
        break;
      }
    }
  }

  static void Collect(JsonValue& value, std::vector<JsonValue*>& to) {
    to.push_back(&value);
    for (JsonValue& item : value.items) Collect(item, to);
    for (JsonMember& member : value.members) Collect(member.value, to);
  }

  JsonValue Anything() {
    if (Below(2) == 0) return ParseJson(kScalars[Below(std::size(kScalars))], "x").value_or(JsonValue());
    JsonValue& tree = trees_[Below(trees_.size())];
    std::vector<JsonValue*> values;
    Collect(tree, values);
    return *values[Below(values.size())];
  }

  std::string Structural() {
    JsonValue tree = trees_[Below(trees_.size())];
    for (size_t n = Below(2) == 0 ? 1 : 1 + Below(4); n > 0; --n) {
      std::vector<JsonValue*> values;
      Collect(tree, values);
      JsonValue& value = *values[Below(values.size())];
      if (!value.members.empty()) {
        MutateMembers(value.members);
      } else if (!value.items.empty()) {
        MutateItems(value.items);
      } else {
        value = Anything();
      }
    }
    return Print(tree);
  }

  void MutateMembers(std::vector<JsonMember>& members) {
    const size_t at = Below(members.size());
    switch (Below(6)) {
      case 0:
        members.erase(members.begin() + static_cast<ptrdiff_t>(at));
        break;
      case 1:
        members.push_back(JsonMember(members[at]));  // a duplicate key
        break;
      case 2:
        members[at].value = Anything();
        break;
      case 3:
        std::swap(members[at].value, members[Below(members.size())].value);
        break;
      case 4:
        if (!members[at].name.empty()) members[at].name[0] = static_cast<char>(members[at].name[0] ^ 0x20);
        break;
      case 5:
        members.push_back({"x" + members[at].name, Anything()});
        break;
    }
  }

  void MutateItems(std::vector<JsonValue>& items) {
    const size_t at = Below(items.size());
    switch (Below(4)) {
      case 0:
        items.erase(items.begin() + static_cast<ptrdiff_t>(at));
        break;
      case 1:
        items.push_back(JsonValue(items[at]));
        break;
      case 2:
        items[at] = Anything();
        break;
      case 3:
        std::swap(items[at], items[Below(items.size())]);
        break;
    }
  }

  std::mt19937 random_;
  std::vector<std::string> corpus_;
  std::vector<JsonValue> trees_;
};

// Every call is answered: a program that Linux would not take is a crash of the guest.
void ExpectSoundProgram(const std::vector<sock_filter>& program) {
  if (program.empty()) return;
  for (int number = 0; number < 500; number += 7) {
    const seccomp_data call = {number, 0xc000003e, 0, {1, 2, 3, 4, 5, UINT64_MAX}};
    ASSERT_TRUE(RunBpf(program, call).has_value());
  }
}

std::string Outcome(const Spec& spec) {
  std::vector<std::string> warnings;
  const auto plan = Lower(spec, {"/bundle", "config.json"}, warnings);
  if (!plan.ok()) {
    EXPECT_TRUE(plan.status().message().find("config.json: ") == 0) << plan.status().ToString();
    return std::string(plan.status().message());
  }
  ExpectSoundProgram(plan->seccomp.instructions);
  return "";
}

TEST(MutationTest, NoMutantCrashesOrMeansMoreThanItsCanonicalForm) {
  std::vector<std::string> corpus;
  for (const char* name :
       {"docker.json", "cri.json", "ctr.json", "podman.json", "buildah.json", "buildkit.json", "full.json"}) {
    corpus.push_back(ReadTestFile(name));
  }
  Mutator mutator(FromEnvironment("SEED", 1), corpus);
  const uint32_t count = FromEnvironment("MUTANTS", 10'000);
  uint32_t accepted = 0, lowered = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string mutant = mutator.Next();
    const auto parsed = ParseSpec(mutant);
    if (!parsed.ok()) {
      ASSERT_TRUE(parsed.status().message().find("config.json: ") == 0) << parsed.status().ToString();
      continue;
    }
    ++accepted;
    const std::string canonical = SpecToJson(parsed->value);
    const auto again = ParseSpec(canonical);
    ASSERT_TRUE(again.ok()) << i << ": " << again.status().ToString() << "\n" << mutant;
    ASSERT_EQ(SpecToJson(again->value), canonical) << mutant;
    ASSERT_TRUE(again->unknown.empty());
    const std::string outcome = Outcome(parsed->value);
    ASSERT_EQ(Outcome(again->value), outcome) << mutant;
    if (outcome.empty()) ++lowered;
  }
  printf("%u mutants, %u parsed, %u valid\n", count, accepted, lowered);
  // Neither a parser that takes everything nor mutants that nothing survives.
  EXPECT_GT(accepted, count / 20);
  EXPECT_LT(accepted, count - count / 20);
}

}  // namespace
}  // namespace runsc::oci
