#include "runsc-cpp/install/install.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "runsc-cpp/install/containerd.h"
#include "runsc-cpp/install/docker.h"

namespace runsc {
namespace {

using base::UniqueFd;

constexpr size_t kMaxBytes = 4 << 20;
constexpr mode_t kNewMode = 0644;

absl::Status Failed(absl::string_view what, absl::string_view path) {
  return absl::Status(absl::ErrnoToStatusCode(errno), absl::StrCat(what, " ", path, ": ", strerror(errno)));
}

struct OldFile {
  std::string text;
  struct stat status = {};
};

// nullopt: there is none.
absl::StatusOr<std::optional<OldFile>> Read(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) return Failed("open", path);
  OldFile old;
  if (fstat(fd.get(), &old.status) != 0) return Failed("stat", path);
  if (!S_ISREG(old.status.st_mode)) return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
  char bytes[4096];
  while (true) {
    const ssize_t n = read(fd.get(), bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("read", path);
    if (n == 0) return old;
    if (old.text.size() + n > kMaxBytes) return absl::OutOfRangeError(absl::StrCat(path, " is too large"));
    old.text.append(bytes, n);
  }
}

// Whole or not at all, also if the host goes down meanwhile.
absl::Status Replace(const std::string& path, absl::string_view text, const std::optional<OldFile>& like) {
  const std::string fresh = absl::StrCat(path, ".", getpid(), ".new");
  UniqueFd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kNewMode));
  if (!fd) return Failed("create", fresh);
  absl::Status s;
  for (absl::string_view rest = text; !rest.empty() && s.ok();) {
    const ssize_t n = write(fd.get(), rest.data(), rest.size());
    if (n >= 0)
      rest.remove_prefix(n);
    else if (errno != EINTR)
      s = Failed("write", fresh);
  }
  if (s.ok() && like && fchown(fd.get(), like->status.st_uid, like->status.st_gid) != 0) s = Failed("chown", fresh);
  if (s.ok() && fchmod(fd.get(), like ? like->status.st_mode & 07777 : kNewMode) != 0) s = Failed("chmod", fresh);
  if (s.ok() && fsync(fd.get()) != 0) s = Failed("sync", fresh);
  if (s.ok() && rename(fresh.c_str(), path.c_str()) != 0) s = Failed("rename to", path);
  if (!s.ok()) unlink(fresh.c_str());
  return s;
}

absl::Status MakeParent(const std::string& path) {
  const std::string parent = path.substr(0, path.rfind('/'));
  if (parent.empty() || mkdir(parent.c_str(), 0755) == 0 || errno == EEXIST) return absl::OkStatus();
  return Failed("mkdir", parent);
}

absl::StatusOr<std::string> NewText(Engine engine, InstallAction action, absl::string_view text,
                                    const std::string& file, const RuntimeEntry& entry) {
  if (engine == Engine::kDocker) {
    return action == InstallAction::kAdd ? AddToDocker(text, file, entry) : RemoveFromDocker(text, file, entry.name);
  }
  auto changed = action == InstallAction::kAdd ? AddToContainerd(text, entry) : RemoveFromContainerd(text, entry.name);
  if (changed.ok()) return changed;
  return absl::Status(changed.status().code(), absl::StrCat(file, ": ", changed.status().message()));
}

}  // namespace

absl::StatusOr<std::string> ChangeConfig(Engine engine, InstallAction action, InstallMode mode, const std::string& file,
                                         const RuntimeEntry& entry) {
  // A link is followed, so that it stays one.
  char real[PATH_MAX];
  const std::string path = realpath(file.c_str(), real) != nullptr ? real : file;
  const auto old = Read(path);
  if (!old.ok()) return old.status();
  const std::string before = *old ? (*old)->text : "";
  const auto after = NewText(engine, action, before, file, entry);
  if (!after.ok()) return after.status();
  const bool add = action == InstallAction::kAdd;
  if (*after == before || (!add && !*old)) {
    return absl::StrCat(file, ": runtime \"", entry.name, add ? "\" is there already\n" : "\" is not there\n");
  }
  const std::string what = absl::StrCat("runtime \"", entry.name, add ? "\" added" : "\" removed");
  if (mode == InstallMode::kDryRun) return absl::StrCat(file, ": would be, with ", what, ":\n", *after);
  if (absl::Status s = MakeParent(path); !s.ok()) return s;
  std::string backup;
  if (*old) {
    backup = path + ".runsc-cpp.bak";
    if (absl::Status s = Replace(backup, before, *old); !s.ok()) return s;
  }
  if (absl::Status s = Replace(path, *after, *old); !s.ok()) return s;
  return absl::StrCat(file, ": ", what, backup.empty() ? "" : absl::StrCat("; the old file is ", backup), "\n");
}

}  // namespace runsc
