#include "runsc-cpp/container/bind_mounts.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace runsc {
namespace {

constexpr uint64_t kNoSymFollow = 256;  // MS_NOSYMFOLLOW
constexpr uint64_t kAtime = MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;
constexpr uint64_t kOfMount = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | kNoSymFollow | kAtime;

// They tell of the host and act on it.
constexpr absl::string_view kPseudo[] = {"autofs",     "binder",  "binfmt_misc", "bpf",        "cgroup",   "cgroup2",
                                         "configfs",   "debugfs", "devpts",      "efivarfs",   "fusectl",  "mqueue",
                                         "nfsd",       "nsfs",    "proc",        "pstore",     "resctrl",  "sysfs",
                                         "rpc_pipefs", "smackfs", "tracefs",     "securityfs", "selinuxfs"};

std::string Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      out += text[i];
      continue;
    }
    out += static_cast<char>((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

uint64_t FlagsOfWords(absl::string_view options) {
  constexpr struct {
    absl::string_view word;
    uint64_t flag;
  } kWords[] = {{"ro", MS_RDONLY},         {"nosuid", MS_NOSUID},        {"nodev", MS_NODEV},
                {"noexec", MS_NOEXEC},     {"noatime", MS_NOATIME},      {"nodiratime", MS_NODIRATIME},
                {"relatime", MS_RELATIME}, {"nosymfollow", kNoSymFollow}};
  uint64_t flags = 0;
  for (const absl::string_view option : absl::StrSplit(options, ',')) {
    for (const auto& [word, flag] : kWords) flags |= word == option ? flag : 0;
  }
  return (flags & (MS_NOATIME | MS_RELATIME)) != 0 ? flags : flags | MS_STRICTATIME;
}

// The id of the mount that `path` is on; nullopt: no such path.
std::optional<int64_t> MountIdOf(const std::string& path) {
  struct statx st;
  const unsigned flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  if (syscall(SYS_statx, AT_FDCWD, path.c_str(), flags, STATX_MNT_ID, &st) != 0) return std::nullopt;
  return static_cast<int64_t>(st.stx_mnt_id);
}

uint64_t ApplyRecursive(const oci::MountOptions& options, uint64_t flags) {
  constexpr struct {
    uint64_t attribute, flag;
  } kBits[] = {{MOUNT_ATTR_RDONLY, MS_RDONLY},         {MOUNT_ATTR_NOSUID, MS_NOSUID},
               {MOUNT_ATTR_NODEV, MS_NODEV},           {MOUNT_ATTR_NOEXEC, MS_NOEXEC},
               {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME}, {0x00200000 /* MOUNT_ATTR_NOSYMFOLLOW */, kNoSymFollow}};
  for (const auto& [attribute, flag] : kBits) {
    if ((options.recursive_clear & attribute) != 0) flags &= ~flag;
    if ((options.recursive_set & attribute) != 0) flags |= flag;
  }
  // One word may clear one time setting, or set one with all others cleared.
  if ((options.recursive_clear & MOUNT_ATTR_NOATIME) != 0) flags &= ~uint64_t{MS_NOATIME};
  if ((options.recursive_clear & MOUNT_ATTR_STRICTATIME) != 0) flags &= ~uint64_t{MS_STRICTATIME};
  if ((options.recursive_set & MOUNT_ATTR_NOATIME) != 0) flags |= MS_NOATIME;
  if ((options.recursive_set & MOUNT_ATTR_STRICTATIME) != 0) flags |= MS_STRICTATIME;
  return flags & kOfMount;
}

}  // namespace

std::vector<HostMount> ParseMountInfo(const std::string& text) {
  std::vector<HostMount> mounts;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    HostMount mount;
    if (fields.size() < 6 || fields.end() - dash < 2 || !absl::SimpleAtoi(fields[0], &mount.id)) continue;
    mount.path = Unescape(fields[4]);
    mount.type = std::string(dash[1]);
    mount.flags = FlagsOfWords(fields[5]);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

absl::StatusOr<BindSource> InspectSource(const std::string& path) {
  std::ifstream file("/proc/self/mountinfo");
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::ErrnoToStatus(errno, "read /proc/self/mountinfo");
  const std::optional<int64_t> own = MountIdOf(path);
  if (!own) return absl::ErrnoToStatus(errno, absl::StrCat("mount source ", path));
  const std::string prefix = path == "/" ? "/" : path + "/";
  BindSource source;
  for (HostMount& mount : ParseMountInfo(text.str())) {
    if (mount.id == *own) source.flags = mount.flags;
    if (mount.id == *own || !absl::StartsWith(mount.path, prefix)) continue;
    if (std::find(std::begin(kPseudo), std::end(kPseudo), mount.type) != std::end(kPseudo)) continue;
    if (MountIdOf(mount.path) == mount.id) source.below.push_back(std::move(mount));  // else something hides it
  }
  // Mounts are made parents first, but moved ones stay where they were in the list.
  std::stable_sort(source.below.begin(), source.below.end(),
                   [](const HostMount& a, const HostMount& b) { return a.path < b.path; });
  return source;
}

bool MaySplitMounts() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[CAP_SYS_ADMIN / 32].effective >> (CAP_SYS_ADMIN % 32) & 1) != 0;
}

uint64_t MountFlagsOf(const oci::MountOptions& options) { return ApplyRecursive(options, options.flags & kOfMount); }

uint64_t BindFlagsOf(const oci::MountOptions& options, uint64_t source) {
  const bool words = (options.flags & ~uint64_t{MS_BIND | MS_REC | MS_REMOUNT}) != 0 || options.cleared != 0;
  uint64_t flags = words ? options.flags & kOfMount : source;
  if ((flags & kAtime) == 0) flags |= source & kAtime;
  return ApplyRecursive(options, flags);
}

uint64_t BelowFlagsOf(const oci::MountOptions& options, uint64_t source) { return ApplyRecursive(options, source); }

}  // namespace runsc
