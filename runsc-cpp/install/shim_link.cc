#include "runsc-cpp/install/shim_link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"

namespace runsc {
namespace {

constexpr char kOptions[] = "# Made by `runsc-cpp install`.\nsystemd_cgroup = true\n";

absl::Status Failed(absl::string_view what, absl::string_view path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

// Where a link points; nothing: there is none. An error: something else is there.
absl::StatusOr<std::optional<std::string>> TargetOf(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t n = readlink(path.c_str(), target, sizeof target);
  if (n >= 0) return std::string(target, static_cast<size_t>(n));
  if (errno == ENOENT) return std::nullopt;
  if (errno == EINVAL) return absl::FailedPreconditionError(absl::StrCat(path, " is no link: remove it first"));
  return Failed("read the link", path);
}

}  // namespace

std::string ShimFolder(const std::string& binary) {
  const std::string folder = binary.substr(0, binary.rfind('/'));
  for (const char* searched : {"/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin"}) {
    if (folder == searched) return folder;
  }
  return "/usr/local/bin";
}

absl::StatusOr<std::string> ChangeShimLink(InstallAction action, InstallMode mode, const std::string& folder,
                                           const std::string& binary) {
  const std::string path = absl::StrCat(folder, "/", kShimLink);
  const absl::StatusOr<std::optional<std::string>> target = TargetOf(path);
  if (!target.ok()) return target.status();
  const bool add = action == InstallAction::kAdd;
  if (add && *target == binary) return absl::StrCat(path, ": the shim's link is there already\n");
  if (!add && !target->has_value()) return absl::StrCat(path, ": the shim's link is not there\n");
  const std::string what = add ? absl::StrCat("link to ", binary) : "no link";
  if (mode == InstallMode::kDryRun) return absl::StrCat(path, ": would be ", add ? "a " : "", what, "\n");
  if (!add) {
    if (unlink(path.c_str()) != 0) return Failed("remove", path);
    return absl::StrCat(path, ": the shim's link removed\n");
  }
  const std::string fresh = absl::StrCat(path, ".", getpid(), ".new");
  if (symlink(binary.c_str(), fresh.c_str()) != 0) return Failed("make the link", fresh);
  if (rename(fresh.c_str(), path.c_str()) == 0) return absl::StrCat(path, ": a ", what, "\n");
  const absl::Status status = Failed("rename to", path);
  unlink(fresh.c_str());
  return status;
}

absl::StatusOr<std::string> MakeShimOptions(InstallMode mode, const std::string& file) {
  if (access(file.c_str(), F_OK) == 0)
    return absl::StrCat(file, ": is there already; it has to say systemd_cgroup = true\n");
  if (mode == InstallMode::kDryRun) return absl::StrCat(file, ": would be:\n", kOptions);
  const base::UniqueFd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return Failed("create", file);
  if (write(fd.get(), kOptions, sizeof kOptions - 1) == sizeof kOptions - 1) return absl::StrCat(file, ": made\n");
  const absl::Status status = Failed("write", file);
  unlink(file.c_str());
  return status;
}

}  // namespace runsc
