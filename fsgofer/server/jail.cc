#include "fsgofer/server/jail.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

#include "fsgofer/server/mounts.h"

namespace fsgofer {
namespace {

using base::Errno;
using base::Result;
using base::UniqueFd;

// Where the jail's tmpfs may be put for the moment before it becomes the
// root. Only this process sees it there.
constexpr const char* kScratchDirs[] = {"/tmp", "/mnt", "/run", "/var", "/usr", "/etc", "/proc"};

Result<void> WriteFile(const char* path, std::string_view text) {
  const UniqueFd fd(open(path, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return base::HostErrno();
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return base::HostErrno();
  return base::Ok();
}

bool HasCapability(int cap) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[cap / 32].effective >> (cap % 32) & 1) != 0;
}

Result<void> Unshare() {
  const int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS;
  if (HasCapability(CAP_SYS_ADMIN)) return unshare(flags) == 0 ? base::Ok() : Result<void>(base::HostErrno());
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  if (unshare(flags | CLONE_NEWUSER) != 0) return base::HostErrno();
  char map[64];
  snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
  TRY(WriteFile("/proc/self/uid_map", map));
  TRY(WriteFile("/proc/self/setgroups", "deny"));
  snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
  return WriteFile("/proc/self/gid_map", map);
}

// A clone of the mounts at a path, attached nowhere yet.
Result<UniqueFd> CloneTree(const MountPoint& mount) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (mount.recursive ? AT_RECURSIVE : 0);
  const long fd = syscall(SYS_open_tree, AT_FDCWD, mount.host_path.c_str(), flags);
  if (fd < 0) return base::HostErrno();
  return UniqueFd(static_cast<int>(fd));
}

Result<std::string> MountScratch() {
  for (const char* dir : kScratchDirs) {
    if (MountTmpfs(dir).ok()) return std::string(dir);
  }
  return base::HostErrno();
}

// Attaches the clone at `jail`/`name`, which is made of the same type.
Result<void> Attach(const std::string& jail, const std::string& name, const UniqueFd& tree) {
  const Attr attr = TRY(HostStat(tree.get(), ""));
  const std::string target = jail + "/" + name;
  if (S_ISDIR(attr.mode)) {
    if (mkdir(target.c_str(), 0700) != 0) return base::HostErrno();
  } else {
    const UniqueFd file(open(target.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (!file.valid()) return base::HostErrno();
  }
  if (syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return base::HostErrno();
  }
  return base::Ok();
}

}  // namespace

Result<std::vector<Export>> EnterJail(const std::vector<MountPoint>& mounts, JailError* error) {
  auto fail = [error](std::string step, Errno e) {
    error->step = std::move(step);
    error->error = e;
    return e;
  };
  if (Result<void> r = Unshare(); !r.ok()) return fail("unshare namespaces", r.error());
  if (Result<void> r = MakePrivate(); !r.ok()) return fail("make mounts private", r.error());
  std::vector<UniqueFd> trees;
  for (const MountPoint& m : mounts) {
    Result<UniqueFd> tree = CloneTree(m);
    if (!tree.ok()) return fail("clone mount of " + m.host_path, tree.error());
    trees.push_back(std::move(*tree));
  }
  Result<std::string> jail = MountScratch();
  if (!jail.ok()) return fail("mount the jail's tmpfs", jail.error());
  for (size_t i = 0; i < mounts.size(); i++) {
    const std::string name = std::to_string(i);
    if (Result<void> r = Attach(*jail, name, trees[i]); !r.ok()) {
      return fail("attach " + mounts[i].host_path, r.error());
    }
    if (Result<void> r = RestrictTree(*jail + "/" + name, mounts[i].readonly); !r.ok()) {
      return fail("restrict " + mounts[i].host_path, r.error());
    }
  }
  if (Result<void> r = PivotInto(*jail); !r.ok()) return fail("pivot_root", r.error());
  UniqueFd jail_root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!jail_root.valid()) return fail("open the jail", base::HostErrno());
  std::vector<Export> exports;
  for (size_t i = 0; i < mounts.size(); i++) {
    Result<Export> e = OpenExport("/" + std::to_string(i), mounts[i].readonly);
    if (!e.ok()) return fail("open " + mounts[i].host_path, e.error());
    exports.push_back(std::move(*e));
  }
  return exports;
}

Result<void> DropRights(JailAccess access) {
  uint64_t keep = uint64_t{1} << CAP_DAC_READ_SEARCH;
  if (access == JailAccess::kReadWrite) {
    keep |= uint64_t{1} << CAP_DAC_OVERRIDE | uint64_t{1} << CAP_CHOWN | uint64_t{1} << CAP_FOWNER |
            uint64_t{1} << CAP_FSETID | uint64_t{1} << CAP_MKNOD;
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return base::HostErrno();
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return base::HostErrno();
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // Up to the first that this kernel does not know. EPERM (not root): then
  // there is nothing in the sets below to gain by exec, nor an exec allowed.
  for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return base::HostErrno();
  for (int i = 0; i < 2; i++) {
    data[i].effective &= static_cast<uint32_t>(keep >> (32 * i));
    data[i].permitted &= static_cast<uint32_t>(keep >> (32 * i));
    data[i].inheritable = 0;
  }
  if (syscall(SYS_capset, &header, data) != 0) return base::HostErrno();
  return base::Ok();
}

}  // namespace fsgofer
