#include "runsc-cpp/operator/operator_config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/unique_fd.h"
#include "runsc-cpp/oci/annotations.h"
#include "runsc-cpp/oci/json.h"

namespace runsc {
namespace {

using oci::JsonValue;
using Kind = JsonValue::Kind;

constexpr size_t kMostBytes = 64 << 10;

// Each tells what is allowed, if `value` is not (empty: done).
using Take = std::string (*)(const JsonValue& value, OperatorConfig& config);

template <auto kMember>
std::string Switch(const JsonValue& value, OperatorConfig& config) {
  if (value.kind != Kind::kBool) return "true or false";
  config.*kMember = value.boolean;
  return "";
}

std::string Network(const JsonValue& value, OperatorConfig& config) {
  const auto names = {"none", "sandbox", "passthrough"};
  if (value.kind != Kind::kString || std::find(names.begin(), names.end(), value.text) == names.end()) {
    return absl::StrCat("one of ", absl::StrJoin(names, ", "));
  }
  config.network = value.text;
  return "";
}

std::string Platform(const JsonValue& value, OperatorConfig& config) {
  if (value.kind != Kind::kString || value.text.empty()) return "a platform's name";
  config.platform = value.text;
  return "";
}

std::string Memory(const JsonValue& value, OperatorConfig& config) {
  if (value.kind != Kind::kNumber || !absl::SimpleAtoi(value.text, &config.memory_limit)) return "a number of bytes";
  return "";
}

bool Strings(const JsonValue& value, std::vector<std::string>& out) {
  if (value.kind != Kind::kArray) return false;
  for (const JsonValue& item : value.items) {
    if (item.kind != Kind::kString) return false;
    out.push_back(item.text);
  }
  return true;
}

std::string TenantPlatforms(const JsonValue& value, OperatorConfig& config) {
  return Strings(value, config.tenant_platforms) ? "" : "a list of platforms' names";
}

std::string Annotations(const JsonValue& value, OperatorConfig& config) {
  std::vector<std::string> known;
  for (const auto& [name, rule] : oci::AnnotationRules()) known.emplace_back(name);
  const std::string allowed = absl::StrCat("a list of ", absl::StrJoin(known, ", "));
  if (!Strings(value, config.annotations.emplace())) return allowed;
  for (const std::string& name : *config.annotations) {
    if (std::find(known.begin(), known.end(), name) == known.end()) return allowed;
  }
  return "";
}

std::string PostMortems(const JsonValue& value, OperatorConfig& config) {
  if (value.kind != Kind::kString || value.text.empty() || value.text[0] != '/') return "an absolute path";
  config.post_mortems = value.text;
  return "";
}

struct Member {
  std::string_view name;
  Take take;
};
constexpr Member kMembers[] = {{"network", Network},
                               {"platform", Platform},
                               {"overlay", Switch<&OperatorConfig::overlay>},
                               {"strace", Switch<&OperatorConfig::strace>},
                               {"debug", Switch<&OperatorConfig::debug>},
                               {"systemdCgroup", Switch<&OperatorConfig::systemd_cgroup>},
                               {"memory", Memory},
                               {"annotations", Annotations},
                               {"tenantPlatforms", TenantPlatforms},
                               {"tenantLogs", Switch<&OperatorConfig::tenant_logs>},
                               {"postMortems", PostMortems}};

absl::Status CheckOwner(int fd, const std::string& what) {
  struct stat st;
  if (fstat(fd, &st) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("stat ", what));
  const bool sticky = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0;
  if (st.st_uid == 0 && ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0 || sticky)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(what, " is not root's alone: chown root ", what, " && chmod go-w ", what));
}

absl::StatusOr<std::string> ReadGuarded(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
  // By one descriptor each, so that what was looked at is what is read.
  const base::UniqueFd folder(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  const base::UniqueFd fd(
      folder.valid() ? openat(folder.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1);
  if (!fd.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  if (absl::Status s = CheckOwner(folder.get(), parent); !s.ok()) return s;
  if (absl::Status s = CheckOwner(fd.get(), path); !s.ok()) return s;
  std::string text(kMostBytes + 1, '\0');
  const ssize_t n = read(fd.get(), text.data(), text.size());
  if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat("read ", path));
  if (static_cast<size_t>(n) > kMostBytes) return absl::InvalidArgumentError(absl::StrCat(path, " is too large"));
  text.resize(static_cast<size_t>(n));
  return text;
}

}  // namespace

absl::StatusOr<OperatorConfig> ParseOperatorConfig(std::string_view text, std::string_view file) {
  const absl::StatusOr<JsonValue> root = oci::ParseJson(text, file);
  if (!root.ok()) return root.status();
  const std::string name(file);
  if (root->kind != Kind::kObject) return absl::InvalidArgumentError(absl::StrCat(name, ": not a JSON object"));
  OperatorConfig config;
  for (const oci::JsonMember& member : root->members) {
    const Member* const found = std::find_if(std::begin(kMembers), std::end(kMembers),
                                             [&](const Member& known) { return known.name == member.name; });
    if (found == std::end(kMembers)) {
      std::vector<std::string> names;
      for (const Member& known : kMembers) names.emplace_back(known.name);
      return absl::InvalidArgumentError(absl::StrCat(name, ": ", oci::QuoteJson(member.name),
                                                     " is not known; known are ", absl::StrJoin(names, ", ")));
    }
    const std::string allowed = found->take(member.value, config);
    if (!allowed.empty())
      return absl::InvalidArgumentError(absl::StrCat(name, ": ", member.name, ": must be ", allowed));
  }
  return config;
}

absl::StatusOr<OperatorConfig> ReadOperatorConfig(const std::string& path, Presence presence) {
  const absl::StatusOr<std::string> text = ReadGuarded(path);
  if (absl::IsNotFound(text.status()) && presence == Presence::kOptional) return OperatorConfig();
  if (!text.ok()) return text.status();
  return ParseOperatorConfig(*text, path);
}

}  // namespace runsc
