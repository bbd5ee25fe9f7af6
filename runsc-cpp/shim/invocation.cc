#include "runsc-cpp/shim/invocation.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/oci/json.h"

namespace runsc::shim {
namespace {

constexpr char kFlagHelp[] =
    "usage: -namespace NAME -id ID [-address SOCKET] [-publish-binary PATH] [-bundle DIR] [-debug] [start | delete]";

struct Flags {
  std::map<absl::string_view, std::string Invocation::*> values = {
      {"namespace", &Invocation::space}, {"address", &Invocation::address},
      {"id", &Invocation::id},           {"publish-binary", &Invocation::publish_binary},
      {"bundle", &Invocation::bundle},   {"socket", &Invocation::socket}};
  std::map<absl::string_view, bool Invocation::*> switches = {
      {"debug", &Invocation::debug}, {"v", &Invocation::version}, {"info", &Invocation::info}};
};

}  // namespace

absl::StatusOr<Invocation> ParseInvocation(const std::vector<std::string>& args) {
  const Flags flags;
  Invocation out;
  if (!args.empty()) out.name = args[0];
  size_t at = 1;
  for (; at < args.size() && absl::StartsWith(args[at], "-"); ++at) {
    absl::string_view word = args[at];
    if (word == "--") {
      ++at;
      break;
    }
    word.remove_prefix(absl::StartsWith(word, "--") ? 2 : 1);
    const size_t equals = word.find('=');
    const absl::string_view name = word.substr(0, equals);
    if (const auto found = flags.switches.find(name); found != flags.switches.end()) {
      out.*found->second = equals == word.npos || word.substr(equals + 1) == "true";
    } else if (const auto value = flags.values.find(name); value != flags.values.end()) {
      if (equals == word.npos && at + 1 == args.size()) {
        return absl::InvalidArgumentError(absl::StrCat("flag needs an argument: -", name));
      }
      out.*value->second = equals == word.npos ? args[++at] : std::string(word.substr(equals + 1));
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown flag -", name, "; ", kFlagHelp));
    }
  }
  if (at < args.size()) out.action = args[at];
  if (!out.action.empty() && out.action != "start" && out.action != "delete") {
    return absl::InvalidArgumentError(absl::StrCat("unknown action \"", out.action, "\"; ", kFlagHelp));
  }
  if (!out.version && !out.info && out.space.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("-namespace must be given; ", kFlagHelp));
  }
  return out;
}

absl::StatusOr<std::string> GroupOf(const std::string& config, const std::string& id) {
  const absl::StatusOr<oci::JsonValue> spec = oci::ParseJson(config, "config.json");
  if (!spec.ok()) return spec.status();
  for (const absl::string_view label :
       {"io.containerd.runsc-cpp.v1.group", "io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"}) {
    for (const oci::JsonMember& member : spec->members) {
      if (member.name != "annotations") continue;
      for (const oci::JsonMember& annotation : member.value.members) {
        if (annotation.name == label && !annotation.value.text.empty()) return annotation.value.text;
      }
    }
  }
  return id;
}

}  // namespace runsc::shim
