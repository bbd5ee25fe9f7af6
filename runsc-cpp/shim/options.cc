#include "runsc-cpp/shim/options.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/shim/command.h"
#include "runsc-cpp/shim/options.pb.h"

namespace runsc::shim {
namespace {

constexpr size_t kMaxConfig = 1 << 20;

std::string Key(absl::string_view word) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(absl::StripAsciiWhitespace(word), {{"_", ""}, {"\"", ""}}));
}

// The value without quotes and what follows it; false if it is malformed.
bool Unquote(absl::string_view& value) {
  value = absl::StripAsciiWhitespace(value);
  if (value.empty()) return false;
  if (value[0] != '"' && value[0] != '\'') {
    value = absl::StripAsciiWhitespace(value.substr(0, value.find('#')));
    return !value.empty();
  }
  const size_t end = value.find(value[0], 1);
  if (end == value.npos) return false;
  const absl::string_view rest = absl::StripAsciiWhitespace(value.substr(end + 1));
  value = value.substr(1, end - 1);
  return (rest.empty() || rest[0] == '#') && !absl::StrContains(value, '\\');
}

bool Set(RuntimeConfig& config, const std::string& key, absl::string_view value) {
  if (key == "binaryname")
    config.binary = std::string(value);
  else if (key == "root")
    config.root = std::string(value);
  else if (key == "shimcgroup")
    config.shim_cgroup = std::string(value);
  else if (key == "systemdcgroup")
    return absl::SimpleAtob(value, &config.systemd_cgroup);
  else if (key == "nopivotroot")
    return absl::SimpleAtob(value, &config.no_pivot_root);
  else if (key == "nonewkeyring")
    return absl::SimpleAtob(value, &config.no_new_keyring);
  else if (key == "iouid")
    return absl::SimpleAtoi(value, &config.io_uid);
  else if (key == "iogid")
    return absl::SimpleAtoi(value, &config.io_gid);
  else
    return false;
  return true;
}

RuntimeConfig FromRunc(const containerd::runc::v1::Options& options) {
  RuntimeConfig config;
  config.binary = options.binary_name();
  config.root = options.root();
  config.systemd_cgroup = options.systemd_cgroup();
  config.no_pivot_root = options.no_pivot_root();
  config.no_new_keyring = options.no_new_keyring();
  config.io_uid = options.io_uid();
  config.io_gid = options.io_gid();
  config.shim_cgroup = options.shim_cgroup();
  return config;
}

// The default one need not be there.
absl::StatusOr<RuntimeConfig> ReadConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxConfig);
  if (absl::IsNotFound(text.status()) && path == kDefaultConfig) return RuntimeConfig();
  if (!text.ok()) return text.status();
  return ParseConfig(*text, path);
}

}  // namespace

absl::StatusOr<RuntimeConfig> ParseConfig(absl::string_view text, absl::string_view file) {
  RuntimeConfig config;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#' || line[0] == '[') continue;
    const size_t equals = line.find('=');
    absl::string_view value = equals == line.npos ? "" : line.substr(equals + 1);
    if (!Unquote(value) || !Set(config, Key(line.substr(0, equals)), value)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ":", number, ": \"", line,
                       "\" is not one of binary_name, root, shim_cgroup = \"text\"; systemd_cgroup, no_pivot_root, "
                       "no_new_keyring = true|false; io_uid, io_gid = number"));
    }
  }
  return config;
}

absl::StatusOr<RuntimeConfig> DecodeOptions(const Any& options) {
  if (options.type_url().empty()) return ReadConfig(kDefaultConfig);
  if (absl::EndsWith(options.type_url(), "containerd.runc.v1.Options")) {
    containerd::runc::v1::Options runc;
    if (!runc.ParseFromString(options.value())) return absl::InvalidArgumentError("malformed runtime options");
    return FromRunc(runc);
  }
  if (!absl::EndsWith(options.type_url(), "runtimeoptions.v1.Options")) {
    return absl::InvalidArgumentError(absl::StrCat("runtime options of an unknown type: ", options.type_url()));
  }
  containerd::runc::v1::GenericOptions generic;
  if (!generic.ParseFromString(options.value())) return absl::InvalidArgumentError("malformed runtime options");
  if (!generic.config_body().empty()) return ParseConfig(generic.config_body(), "ConfigBody");
  if (!generic.config_path().empty()) return ReadConfig(generic.config_path());
  return ReadConfig(kDefaultConfig);
}

}  // namespace runsc::shim
