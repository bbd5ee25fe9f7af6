#include "runsc-cpp/shim/rootfs.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runsc-cpp/oci/mount_options.h"

namespace runsc::shim {
namespace {

constexpr size_t kPage = 4096;
constexpr int kBusyTries = 10;
constexpr absl::string_view kLower = "lowerdir=";

// mount(2) with relative paths needs a working directory, and ours must not change: a child makes the call.
int MountFrom(const std::string& directory, const containerd::task::v2::Mount& mount, const std::string& target,
              uint64_t flags, const std::string& data) {
  const pid_t pid = fork();
  if (pid == 0) {
    if (chdir(directory.c_str()) != 0) _exit(errno);
    if (::mount(mount.source().c_str(), target.c_str(), mount.type().c_str(), flags, data.c_str()) != 0) _exit(errno);
    _exit(0);
  }
  int status = 0;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return pid < 0 ? errno : WEXITSTATUS(status);
}

int MountWith(const containerd::task::v2::Mount& mount, const std::string& target, const oci::MountOptions& options) {
  const CompactOptions compact = CompactLowerDirs(options.data, kPage - 1);
  if (!compact.directory.empty()) return MountFrom(compact.directory, mount, target, options.flags, compact.data);
  const bool bind = mount.type() == "bind" || (options.flags & MS_BIND) != 0;
  const uint64_t flags = options.flags | (mount.type() == "bind" ? MS_BIND : 0);
  if (::mount(mount.source().c_str(), target.c_str(), mount.type().c_str(), flags, options.data.c_str()) != 0) {
    return errno;
  }
  // A bind mount takes its flags at a second call.
  constexpr uint64_t kOwn = MS_BIND | MS_REC;
  if (bind && (flags & ~kOwn) != 0 &&
      ::mount(nullptr, target.c_str(), nullptr, (flags & ~MS_REC) | MS_BIND | MS_REMOUNT, nullptr) != 0) {
    return errno;
  }
  return 0;
}

absl::Status MountOne(const containerd::task::v2::Mount& mount, const std::string& target) {
  const std::vector<std::string> words(mount.options().begin(), mount.options().end());
  const oci::MountOptions options = oci::ParseMountOptions(words);
  int error = MountWith(mount, target, options);
  for (const uint64_t flags : options.propagation) {
    if (error == 0 && ::mount(nullptr, target.c_str(), nullptr, flags, nullptr) != 0) error = errno;
  }
  if (error == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(error, absl::StrCat("failed to mount rootfs component: ", mount.type(), " ",
                                                 mount.source(), " [", absl::StrJoin(words, ","), "]"));
}

}  // namespace

CompactOptions CompactLowerDirs(const std::string& data, size_t limit) {
  if (data.size() <= limit) return {};
  std::vector<std::string> options = absl::StrSplit(data, ',');
  for (std::string& option : options) {
    if (!absl::StartsWith(option, kLower)) continue;
    std::vector<std::string> folders = absl::StrSplit(option.substr(kLower.size()), ':');
    std::string common = folders[0].substr(0, folders[0].rfind('/') + 1);
    for (const std::string& folder : folders) {
      while (!absl::StartsWith(folder, common)) common = common.substr(0, common.rfind('/', common.size() - 2) + 1);
    }
    if (common.size() < 2 || common[0] != '/') return {};
    for (std::string& folder : folders) folder = folder.substr(common.size());
    option = absl::StrCat(kLower, absl::StrJoin(folders, ":"));
    return {common, absl::StrJoin(options, ",")};
  }
  return {};
}

absl::Status MountRootfs(const MountList& mounts, const std::string& target) {
  if (mounts.empty()) return absl::OkStatus();
  if (mkdir(target.c_str(), 0711) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("mkdir ", target));
  }
  for (const containerd::task::v2::Mount& mount : mounts) {
    if (absl::Status s = MountOne(mount, target); !s.ok()) {
      (void)UnmountRootfs(target);
      return s;
    }
  }
  return absl::OkStatus();
}

absl::Status UnmountRootfs(const std::string& target) {
  for (int busy = 0;;) {
    if (umount2(target.c_str(), UMOUNT_NOFOLLOW) == 0 || errno == EINTR) continue;
    if (errno != EBUSY) break;
    // Somebody is on the way out. Who is still there after a moment keeps it, but out of sight.
    if (++busy < kBusyTries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    } else if (umount2(target.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0) {
      break;
    }
  }
  if (errno == EINVAL || errno == ENOENT) return absl::OkStatus();  // nothing is mounted there any more
  return absl::ErrnoToStatus(errno, absl::StrCat("umount ", target));
}

}  // namespace runsc::shim
