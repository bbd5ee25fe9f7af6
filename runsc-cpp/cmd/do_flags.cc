#include "runsc-cpp/cmd/do_flags.h"

#include <getopt.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace runsc {
namespace {

constexpr uint64_t kLeastMemory = 16 << 20;

absl::Status Bad(absl::string_view flag, absl::string_view value, absl::string_view hint) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": \"", value, "\" ", hint));
}

absl::StatusOr<uint32_t> ParseLogLevel(absl::string_view text) {
  static constexpr absl::string_view kLevels[] = {"debug", "info", "warning", "error"};
  for (uint32_t i = 0; i < std::size(kLevels); ++i) {
    if (text == kLevels[i]) return i;
  }
  return Bad("log-level", text, "is no level; use debug, info, warning or error");
}

absl::Status Take(const char* flag, const char* value, DoFlags& flags) {
  const absl::string_view name = flag, text = value != nullptr ? value : "";
  if (name == "root") {
    flags.root = std::string(text);
  } else if (name == "cwd") {
    if (text.empty() || text[0] != '/') return Bad(name, text, "is not absolute; give a path inside the sandbox");
    flags.cwd = std::string(text);
  } else if (name == "env") {
    if (text.empty() || text[0] == '=' || text.find('=') == text.npos) return Bad(name, text, "is not NAME=VALUE");
    flags.env.emplace_back(text);
  } else if (name == "volume") {
    absl::StatusOr<DoVolume> volume = ParseVolume(text);
    if (!volume.ok()) return volume.status();
    flags.volumes.push_back(*std::move(volume));
  } else if (name == "memory") {
    absl::StatusOr<uint64_t> bytes = ParseBytes(text);
    if (!bytes.ok()) return bytes.status();
    flags.memory = *bytes;
  } else if (name == "network") {
    if (text != kNetworkNone && text != kNetworkPassthrough)
      return Bad(name, text, "is no network; use none or passthrough");
    flags.network = std::string(text);
  } else if (name == "net-raw") {
    flags.raw_sockets = true;
  } else if (name == "platform") {
    if (text != kAutoPlatform && FindPlatform(text) == nullptr) {
      return Bad(name, text, absl::StrCat("is unknown; use ", PlatformNames(), " (`runsc-cpp platforms` tries them)"));
    }
    flags.platform = std::string(text);
  } else if (name == "log-level") {
    absl::StatusOr<uint32_t> level = ParseLogLevel(text);
    if (!level.ok()) return level.status();
    flags.log_level = *level;
  } else if (name == "strace") {
    flags.strace = true;
  } else {
    flags.help = true;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> ParseBytes(absl::string_view text) {
  absl::string_view digits = text;
  uint64_t unit = 1;
  if (!digits.empty()) {
    switch (digits.back()) {
      case 'K':
      case 'k':
        unit = 1 << 10;
        break;
      case 'M':
      case 'm':
        unit = 1 << 20;
        break;
      case 'G':
      case 'g':
        unit = 1 << 30;
        break;
      default:
        break;
    }
    if (unit != 1) digits.remove_suffix(1);
  }
  uint64_t count;
  if (!absl::SimpleAtoi(digits, &count) || count > UINT64_MAX / unit) {
    return Bad("memory", text, "is no size; use bytes, or a number with K, M or G such as 512M");
  }
  if (count * unit < kLeastMemory) return Bad("memory", text, "is too little; a guest needs 16M at least");
  return count * unit;
}

absl::StatusOr<DoVolume> ParseVolume(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  const bool right = (parts.size() == 2 || (parts.size() == 3 && (parts[2] == "ro" || parts[2] == "rw"))) &&
                     !parts[0].empty() && !parts[1].empty() && parts[1][0] == '/';
  if (!right) return Bad("volume", text, "is not HOST:GUEST or HOST:GUEST:ro with an absolute GUEST");
  return DoVolume{parts[0], parts[1], parts.size() == 3 && parts[2] == "ro"};
}

absl::StatusOr<DoFlags> ParseDoFlags(int argc, char** argv) {
  static constexpr option kOptions[] = {{"root", required_argument, nullptr, 0},
                                        {"cwd", required_argument, nullptr, 0},
                                        {"env", required_argument, nullptr, 0},
                                        {"volume", required_argument, nullptr, 0},
                                        {"memory", required_argument, nullptr, 0},
                                        {"network", required_argument, nullptr, 0},
                                        {"net-raw", no_argument, nullptr, 0},
                                        {"platform", required_argument, nullptr, 0},
                                        {"log-level", required_argument, nullptr, 0},
                                        {"strace", no_argument, nullptr, 0},
                                        {"help", no_argument, nullptr, 0},
                                        {nullptr, 0, nullptr, 0}};
  DoFlags flags;
  // getopt skips the first word, as a program's name.
  std::vector<char*> words = {const_cast<char*>("do")};
  words.insert(words.end(), argv, argv + argc);
  words.push_back(nullptr);
  opterr = 0;
  optind = 1;
  int index = 0;
  while (true) {
    const int at = optind;
    const int c = getopt_long(argc + 1, words.data(), "+:", kOptions, &index);
    if (c == -1) break;
    if (c == ':') return absl::InvalidArgumentError(absl::StrCat(words[at], " wants a value"));
    if (c != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag ", words[at], "; `runsc-cpp help do` lists the flags"));
    }
    if (absl::Status s = Take(kOptions[index].name, optarg, flags); !s.ok()) return s;
  }
  for (int i = optind; i < argc + 1; ++i) flags.command.emplace_back(words[i]);
  if (flags.command.empty() && !flags.help) {
    return absl::InvalidArgumentError("no command; usage: runsc-cpp do [FLAGS] -- COMMAND [ARG...]");
  }
  return flags;
}

}  // namespace runsc
