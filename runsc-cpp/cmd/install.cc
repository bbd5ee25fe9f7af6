#include "runsc-cpp/install/install.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/install/shim_link.h"

namespace runsc {
namespace {

constexpr std::string_view kName = "runsc-cpp";

struct InstallFlags {
  RuntimeEntry entry{.name = std::string(kName), .binary = "", .args = {}, .systemd_cgroup = false};
  std::optional<std::string> docker, containerd;  // the file
  bool own_shim = true;
  std::string shim_folder;
  InstallAction action = InstallAction::kAdd;
  InstallMode mode = InstallMode::kWrite;
};

// Empty: no error.
std::string ParseFlags(int argc, char** argv, InstallFlags& flags) {
  for (int i = 0; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") {
      flags.entry.args.assign(argv + i + 1, argv + argc);
      return "";
    }
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const bool has_value = equals != word.npos;
    const std::string value(has_value ? word.substr(equals + 1) : "");
    if (name == "--docker") {
      flags.docker = has_value ? value : kDockerConfig;
    } else if (name == "--containerd") {
      flags.containerd = has_value ? value : kContainerdConfig;
    } else if (name == "--name" && has_value) {
      flags.entry.name = value;
    } else if (name == "--binary" && has_value) {
      flags.entry.binary = value;
    } else if (name == "--shim" && has_value) {
      flags.shim_folder = value;
    } else if (word == "--no-shim") {
      flags.own_shim = false;
    } else if (word == "--systemd-cgroup") {
      flags.entry.systemd_cgroup = true;
    } else if (word == "--dry-run") {
      flags.mode = InstallMode::kDryRun;
    } else if (word == "--uninstall") {
      flags.action = InstallAction::kRemove;
    } else {
      return absl::StrCat("\"", std::string(word), "\" is not a flag; `runsc-cpp help install` lists them");
    }
  }
  return "";
}

bool IsName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
}

// Where it is now, if nothing else was said.
std::string OwnPath() {
  char path[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  return n > 0 ? std::string(path, n) : "";
}

// Both engines, as far as they are configured here.
void ChooseEngines(InstallFlags& flags) {
  if (flags.docker || flags.containerd) return;
  if (access("/etc/docker", F_OK) == 0) flags.docker = kDockerConfig;
  if (access("/etc/containerd", F_OK) == 0) flags.containerd = kContainerdConfig;
}

// Whether it worked.
bool Change(const InstallFlags& flags, Engine engine, const std::string& file, const char* how) {
  const auto said = ChangeConfig(engine, flags.action, flags.mode, file, flags.entry);
  if (!said.ok()) {
    Fail("install", std::string(said.status().message()));
    return false;
  }
  Print(*said);
  if (flags.mode == InstallMode::kWrite) Print(absl::StrCat("to make it known: ", how, "\n"));
  return true;
}

// One step; whether it worked.
bool Say(const absl::StatusOr<std::string>& said) {
  if (said.ok()) {
    Print(*said);
  } else {
    Fail("install", std::string(said.status().message()));
  }
  return said.ok();
}

bool ChangeLink(const InstallFlags& flags) {
  const std::string folder = flags.shim_folder.empty() ? ShimFolder(flags.entry.binary) : flags.shim_folder;
  return !flags.own_shim || Say(ChangeShimLink(flags.action, flags.mode, folder, flags.entry.binary));
}

bool MakeOptions(InstallFlags& flags) {
  if (!flags.own_shim || !flags.entry.systemd_cgroup) return true;
  const std::string& file = *flags.containerd;
  flags.entry.shim_options = absl::StrCat(file.substr(0, file.rfind('/') + 1), flags.entry.name, ".toml");
  return Say(MakeShimOptions(flags.mode, flags.entry.shim_options));
}

// What the configuration refers to is there before it does, and goes after it.
bool ChangeContainerd(InstallFlags& flags) {
  flags.entry.own_shim = flags.own_shim;
  const bool add = flags.action == InstallAction::kAdd;
  if (add && !(ChangeLink(flags) && MakeOptions(flags))) return false;
  if (!Change(flags, Engine::kContainerd, *flags.containerd, "systemctl restart containerd")) return false;
  return add || ChangeLink(flags);
}

}  // namespace

int InstallCommand(int argc, char** argv) {
  InstallFlags flags;
  const std::string wrong = ParseFlags(argc, argv, flags);
  if (!wrong.empty()) return Fail("install", wrong);
  if (!IsName(flags.entry.name)) {
    return Fail("install", "--name is of letters, digits, '-', '_' and '.', not \"" + flags.entry.name + "\"");
  }
  if (flags.entry.binary.empty()) flags.entry.binary = OwnPath();
  if (!flags.entry.binary.starts_with('/')) return Fail("install", "--binary is not an absolute path");
  if (flags.action == InstallAction::kAdd && access(flags.entry.binary.c_str(), X_OK) != 0) {
    return Fail("install", flags.entry.binary + " can't be executed");
  }
  ChooseEngines(flags);
  if (!flags.docker && !flags.containerd) {
    return Fail("install", "neither /etc/docker nor /etc/containerd is there: say --docker or --containerd");
  }
  bool good = true;
  if (flags.docker) good &= Change(flags, Engine::kDocker, *flags.docker, "systemctl reload docker");
  if (flags.containerd) good &= ChangeContainerd(flags);
  return good ? 0 : kExitFailure;
}

}  // namespace runsc
