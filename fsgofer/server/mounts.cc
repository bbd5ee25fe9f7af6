#include "fsgofer/server/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <vector>

#include "fsgofer/server/host.h"

namespace fsgofer {
namespace {

using base::Errno;
using base::Result;

// linux/mount.h and sys/mount.h of one libc can't be included together.
struct MountAttr {
  uint64_t set;
  uint64_t clear;
  uint64_t propagation;
  uint64_t userns_fd;
};
constexpr uint64_t kMountAttrReadOnly = 0x1;
constexpr uint64_t kMountAttrNoSuid = 0x2;
constexpr uint64_t kMountAttrNoDev = 0x4;
constexpr unsigned kAtRecursive = 0x8000;

constexpr size_t kMaxMountInfo = 16 << 20;

Result<void> HostResult(long rc) { return rc == 0 ? base::Ok() : Result<void>(base::HostErrno()); }

Result<std::string> ReadMountInfo() {
  const base::UniqueFd fd(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return base::HostErrno();
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n < 0) return base::HostErrno();
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMaxMountInfo) return Errno::kEFBIG;
  }
}

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string Unescape(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); i++) {
    if (s[i] == '\\' && i + 3 < s.size()) {
      out.push_back(static_cast<char>((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(s[i]);
    }
  }
  return out;
}

// The mount points at and below `target`, in order of mounting.
Result<std::vector<std::string>> MountsBelow(const std::string& target) {
  const std::string text = TRY(ReadMountInfo());
  std::vector<std::string> result;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end == std::string::npos ? text.size() : end + 1;
    size_t field = 0;
    for (int i = 0; i < 4 && field != std::string_view::npos; i++) {
      field = line.find(' ', field);
      if (field != std::string_view::npos) field++;
    }
    if (field == std::string_view::npos) continue;
    std::string point = Unescape(line.substr(field, line.find(' ', field) - field));
    if (point == target || point.compare(0, target.size() + 1, target + "/") == 0) result.push_back(std::move(point));
  }
  return result;
}

// For kernels before 5.12: one remount for each, which keeps the flags that
// are there (in a user namespace they are locked).
Result<void> RemountEach(const std::string& target, bool readonly) {
  const std::vector<std::string> points = TRY(MountsBelow(target));
  for (const std::string& point : points) {
    struct statvfs st;
    if (statvfs(point.c_str(), &st) != 0) continue;  // covered, or not ours to see
    unsigned long flags = MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV;
    if (readonly || (st.f_flag & ST_RDONLY) != 0) flags |= MS_RDONLY;
    if ((st.f_flag & ST_NOEXEC) != 0) flags |= MS_NOEXEC;
    if ((st.f_flag & ST_NOATIME) != 0) flags |= MS_NOATIME;
    if ((st.f_flag & ST_NODIRATIME) != 0) flags |= MS_NODIRATIME;
    if ((st.f_flag & ST_RELATIME) != 0) flags |= MS_RELATIME;
    TRY(HostResult(mount(nullptr, point.c_str(), nullptr, flags, nullptr)));
  }
  return base::Ok();
}

// Best effort: the server checks every mount it crosses as well.
void DetachPseudo(const std::string& target) {
  Result<std::vector<std::string>> points = MountsBelow(target);
  if (!points.ok()) return;
  for (size_t i = points->size(); i-- > 0;) {
    const std::string& point = (*points)[i];
    if (point == target) continue;  // exported as such: shown as empty
    const Result<base::UniqueFd> fd = HostOpenPath(AT_FDCWD, point.c_str());
    if (!fd.ok()) continue;
    const Result<bool> pseudo = IsPseudoFileSystem(fd->get());
    if (pseudo.ok() && *pseudo) umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  }
}

}  // namespace

Result<void> MakePrivate() { return HostResult(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr)); }

Result<void> MountTmpfs(const std::string& dir) {
  return HostResult(mount("gofer", dir.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=64k"));
}

Result<void> RestrictTree(const std::string& target, bool readonly) {
  MountAttr attr = {.set = kMountAttrNoSuid | kMountAttrNoDev | (readonly ? kMountAttrReadOnly : 0),
                    .clear = 0,
                    .propagation = MS_PRIVATE,
                    .userns_fd = 0};
  if (syscall(SYS_mount_setattr, AT_FDCWD, target.c_str(), kAtRecursive, &attr, sizeof(attr)) != 0) {
    if (errno != ENOSYS) return base::HostErrno();
    TRY(RemountEach(target, readonly));
  }
  DetachPseudo(target);
  return base::Ok();
}

Result<void> PivotInto(const std::string& dir) {
  if (chdir(dir.c_str()) != 0) return base::HostErrno();
  // The old root ends up on top of the new one, from where it is let go.
  TRY(HostResult(syscall(SYS_pivot_root, ".", ".")));
  TRY(HostResult(umount2(".", MNT_DETACH)));
  if (chdir("/") != 0) return base::HostErrno();
  const unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  return HostResult(mount(nullptr, "/", nullptr, flags, nullptr));
}

}  // namespace fsgofer
