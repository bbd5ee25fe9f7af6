#include "runsc-cpp/selection/cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/unique_fd.h"

namespace runsc {
namespace {

using base::UniqueFd;

constexpr char kDirectory[] = "runsc-cpp";
constexpr char kFile[] = "platform";
constexpr size_t kMaxBytes = 1024;
constexpr absl::string_view kBootIdForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

// Ours or root's, and nobody else can change it.
bool Trusted(int fd, mode_t type) {
  struct stat st;
  if (fstat(fd, &st) != 0) return false;
  return (st.st_mode & S_IFMT) == type && (st.st_uid == geteuid() || st.st_uid == 0) &&
         (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

enum class IfMissing { kGiveUp, kMake };

// The cache's directory below `parent`; invalid: not there, or not to be trusted.
UniqueFd OpenDirectory(const std::string& parent, IfMissing if_missing) {
  if (parent.empty() || parent[0] != '/') return {};
  const UniqueFd above(open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!above || !Trusted(above.get(), S_IFDIR)) return {};
  if (if_missing == IfMissing::kMake && mkdirat(above.get(), kDirectory, 0700) != 0 && errno != EEXIST) return {};
  UniqueFd directory(openat(above.get(), kDirectory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory || !Trusted(directory.get(), S_IFDIR)) return {};
  return directory;
}

std::string ReadAll(int fd) {
  char bytes[kMaxBytes + 1];
  const ssize_t n = read(fd, bytes, sizeof bytes);
  return n > 0 && static_cast<size_t>(n) <= kMaxBytes ? std::string(bytes, n) : "";
}

std::string BootId() {
  const UniqueFd fd(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (!fd) return "";
  std::string id = ReadAll(fd.get());
  if (!id.empty() && id.back() == '\n') id.pop_back();
  const auto fits = [](char c, char form) { return form == '-' ? c == '-' : isxdigit(static_cast<unsigned char>(c)); };
  const bool right = std::equal(id.begin(), id.end(), kBootIdForm.begin(), kBootIdForm.end(), fits);
  return right ? id : "";
}

}  // namespace

std::string ChoiceKey() {
  const std::string boot = BootId();
  struct stat self;
  if (boot.empty() || stat("/proc/self/exe", &self) != 0) return "";
  return absl::StrCat("boot ", boot, "\nbinary ", self.st_dev, " ", self.st_ino, " ", self.st_size, " ",
                      self.st_mtim.tv_sec, " ", self.st_mtim.tv_nsec, "\nuser ", geteuid(), "\nseccomp ",
                      prctl(PR_GET_SECCOMP, 0, 0, 0, 0), "\n");
}

std::string CacheParent() {
  if (geteuid() == 0) return "/run";
  const char* const runtime = getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr ? runtime : "";
}

std::optional<std::string> ReadChoice(const std::string& parent, absl::string_view key) {
  if (key.empty()) return std::nullopt;
  const UniqueFd directory = OpenDirectory(parent, IfMissing::kGiveUp);
  if (!directory) return std::nullopt;
  // O_NONBLOCK: a fifo must not hold us.
  const UniqueFd file(openat(directory.get(), kFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file || !Trusted(file.get(), S_IFREG)) return std::nullopt;
  const std::string text = ReadAll(file.get());
  absl::string_view rest = text;
  const bool ours = absl::ConsumePrefix(&rest, key) && absl::ConsumePrefix(&rest, "platform ") &&
                    absl::ConsumeSuffix(&rest, "\n") && !rest.empty();
  if (!ours || !std::all_of(rest.begin(), rest.end(), [](char c) { return c >= 'a' && c <= 'z'; })) return std::nullopt;
  return std::string(rest);
}

bool WriteChoice(const std::string& parent, absl::string_view key, absl::string_view platform) {
  if (key.empty()) return false;
  const UniqueFd directory = OpenDirectory(parent, IfMissing::kMake);
  if (!directory) return false;
  const std::string text = absl::StrCat(key, "platform ", platform, "\n");
  const std::string fresh = absl::StrCat(kFile, ".", getpid());
  // One that a killed process left would be in the way for ever.
  unlinkat(directory.get(), fresh.c_str(), 0);
  const UniqueFd file(openat(directory.get(), fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return false;
  const bool written = write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       renameat(directory.get(), fresh.c_str(), directory.get(), kFile) == 0;
  if (!written) unlinkat(directory.get(), fresh.c_str(), 0);
  return written;
}

void ForgetChoice(const std::string& parent) {
  const UniqueFd directory = OpenDirectory(parent, IfMissing::kGiveUp);
  if (directory) unlinkat(directory.get(), kFile, 0);
}

}  // namespace runsc
