#include "runsc-cpp/sandbox/namespaces.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace runsc {
namespace {

// sys/mount.h and linux/mount.h of one libc can't be included together.
constexpr unsigned long kMsRec = 16384, kMsPrivate = 1 << 18;
constexpr int kMntDetach = 2;

long Mount(const char* source, const char* target, const char* type, unsigned long flags, const char* data) {
  return syscall(SYS_mount, source, target, type, flags, data);
}

absl::Status Failed(absl::string_view step) { return absl::ErrnoToStatus(errno, step); }

base::UniqueFd NewTmpfs(std::initializer_list<std::pair<const char*, const char*>> options, unsigned attributes) {
  const base::UniqueFd context(static_cast<int>(syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
  if (!context.valid()) return {};
  for (const auto& [key, value] : options) {
    if (syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, key, value, 0) != 0) return {};
  }
  if (syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return {};
  return base::UniqueFd(static_cast<int>(syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, attributes)));
}

// Puts the detached mount `tree` on "/" and makes it the root.
absl::Status PivotTo(int tree) {
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0) return Failed("move_mount");
  if (fchdir(tree) != 0) return Failed("fchdir to the new root");
  if (syscall(SYS_pivot_root, ".", ".") != 0) return Failed("pivot_root");
  if (syscall(SYS_umount2, ".", kMntDetach) != 0) return Failed("umount the old root");
  if (chdir("/") != 0) return Failed("chdir to the new root");
  return absl::OkStatus();
}

// Climbs from a chroot to the true root of the mount namespace, which only a
// process with CAP_SYS_CHROOT can. `tree`, a clone of the chroot, becomes the
// root right after, so nothing else is ever seen from there.
absl::Status ClimbToTrueRoot() {
  const base::UniqueFd outside(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!outside.valid()) return Failed("open the chroot's root");
  if (chroot("/proc") != 0) return Failed("chroot below");
  if (fchdir(outside.get()) != 0) return Failed("fchdir outside");
  struct stat here, above;
  do {
    if (stat(".", &here) != 0 || chdir("..") != 0 || stat(".", &above) != 0) return Failed("climb to the root");
  } while (here.st_ino != above.st_ino || here.st_dev != above.st_dev);
  if (chroot(".") != 0) return Failed("chroot to the true root");
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeRootPrivate() {
  if (Mount(nullptr, "/", nullptr, kMsRec | kMsPrivate, nullptr) == 0) return absl::OkStatus();
  if (errno != EINVAL) return Failed("make mounts private");
  const base::UniqueFd tree(
      static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)));
  if (!tree.valid()) return Failed("open_tree of the chroot");
  if (absl::Status s = ClimbToTrueRoot(); !s.ok()) return s;
  if (Mount(nullptr, "/", nullptr, kMsRec | kMsPrivate, nullptr) != 0) return Failed("make mounts private");
  return PivotTo(tree.get());
}

absl::Status EnterEmptyRoot() {
  const base::UniqueFd empty = NewTmpfs({{"mode", "0500"}, {"size", "4k"}},
                                        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (!empty.valid()) return Failed("mount an empty root");
  return PivotTo(empty.get());
}

base::UniqueFd HugePageFile() {
  const base::UniqueFd tree = NewTmpfs({{"huge", "always"}, {"mode", "0700"}, {"size", "100%"}}, MOUNT_ATTR_NOSUID);
  if (!tree.valid()) return {};
  return base::UniqueFd(openat(tree.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

absl::Status WriteIdMaps(pid_t child, uid_t uid, gid_t gid) {
  const auto write_file = [&](const char* name, const std::string& text) -> absl::Status {
    const std::string path = absl::StrCat("/proc/", child, "/", name);
    const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid()) return Failed(absl::StrCat("open ", path));
    if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return Failed(absl::StrCat("write ", path));
    }
    return absl::OkStatus();
  };
  if (absl::Status s = write_file("setgroups", "deny"); !s.ok()) return s;
  if (absl::Status s = write_file("uid_map", absl::StrCat("0 ", uid, " 1\n")); !s.ok()) return s;
  return write_file("gid_map", absl::StrCat("0 ", gid, " 1\n"));
}

}  // namespace runsc
