#include "runsc-cpp/cmd/oci_flags.h"

#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace runsc {
namespace {

const FlagRule* Find(const std::vector<FlagRule>& rules, absl::string_view name) {
  for (const FlagRule& rule : rules) {
    if (rule.name == name || (!rule.letter.empty() && rule.letter == name)) return &rule;
  }
  return nullptr;
}

}  // namespace

bool ParsedFlags::Switch(absl::string_view name) const { return Value(name, "false") == "true"; }

std::string ParsedFlags::Value(absl::string_view name, absl::string_view missing) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string(missing) : found->second.back();
}

std::vector<std::string> ParsedFlags::List(absl::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

absl::StatusOr<ParsedFlags> ParseFlags(const std::vector<std::string>& args, const std::vector<FlagRule>& rules) {
  ParsedFlags out;
  size_t at = 0;
  for (; at < args.size(); ++at) {
    absl::string_view word = args[at];
    if (word == "--") {
      ++at;
      break;
    }
    if (word.size() < 2 || word[0] != '-') break;
    word.remove_prefix(absl::StartsWith(word, "--") ? 2 : 1);
    const size_t equals = word.find('=');
    const FlagRule* rule = Find(rules, word.substr(0, equals));
    if (rule == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("flag provided but not defined: ", args[at]));
    }
    std::string value = "true";
    if (equals != word.npos) {
      value = std::string(word.substr(equals + 1));
    } else if (rule->kind != FlagKind::kSwitch) {
      if (++at == args.size()) {
        return absl::InvalidArgumentError(absl::StrCat("flag needs an argument: ", args[at - 1]));
      }
      value = args[at];
    }
    if (rule->kind == FlagKind::kSwitch && value != "true" && value != "false") {
      return absl::InvalidArgumentError(absl::StrCat("--", rule->name, ": \"", value, "\" is not true or false"));
    }
    out.values_[std::string(rule->name)].push_back(std::move(value));
  }
  out.words_.assign(args.begin() + static_cast<ptrdiff_t>(at), args.end());
  return out;
}

absl::StatusOr<uint32_t> PreserveFds(const ParsedFlags& flags) {
  uint32_t count;
  if (absl::SimpleAtoi(flags.Value("preserve-fds", "0"), &count) && count <= 1000) return count;
  return absl::InvalidArgumentError(
      absl::StrCat("--preserve-fds: \"", flags.Value("preserve-fds"), "\" is not a number up to 1000"));
}

std::string ReadText(int fd, size_t limit) {
  std::string text;
  char buffer[16 << 10];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0 && text.size() < limit) text.append(buffer, static_cast<size_t>(n));
  return text;
}

}  // namespace runsc
