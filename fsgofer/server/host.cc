#include "fsgofer/server/host.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace fsgofer {
namespace {

using base::Errno;
using base::Result;

// Not in Debian 12's linux/magic.h.
constexpr uint64_t kMqueueMagic = 0x19800202;
constexpr uint64_t kFuseCtlMagic = 0x65735543;
constexpr uint64_t kConfigFsMagic = 0x62656570;
constexpr uint64_t kRpcPipeFsMagic = 0x67596969;
constexpr uint64_t kNfsdFsMagic = 0x6e667364;
constexpr uint64_t kResctrlMagic = 0x7655821;

constexpr uint64_t kPseudoFileSystems[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC,        CGROUP_SUPER_MAGIC,   CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,  TRACEFS_MAGIC,
    SECURITYFS_MAGIC, SELINUX_MAGIC,      SMACK_MAGIC,          BPF_FS_MAGIC,        PSTOREFS_MAGIC, EFIVARFS_MAGIC,
    NSFS_MAGIC,       DEVPTS_SUPER_MAGIC, BINDERFS_SUPER_MAGIC, BINFMTFS_MAGIC,      SOCKFS_MAGIC,   kMqueueMagic,
    kFuseCtlMagic,    kConfigFsMagic,     kRpcPipeFsMagic,      kNfsdFsMagic,        kResctrlMagic,  AAFS_MAGIC,
};

WireTime ToWire(const statx_timestamp& t) { return {t.tv_sec, t.tv_nsec, 0}; }

Attr ToAttr(const struct statx& st) {
  Attr a = {};
  a.ino = st.stx_ino;
  a.size = st.stx_size;
  a.blocks = st.stx_blocks;
  // Before Linux 5.8 the device has to do: it differs on every crossing that
  // matters here (into a pseudo file system).
  a.mount_id = (st.stx_mask & STATX_MNT_ID) != 0
                   ? st.stx_mnt_id
                   : (uint64_t{st.stx_dev_major} << 32 | st.stx_dev_minor) | uint64_t{1} << 63;
  a.mode = st.stx_mode;
  a.nlink = st.stx_nlink;
  a.uid = st.stx_uid;
  a.gid = st.stx_gid;
  a.block_size = st.stx_blksize;
  a.dev_major = st.stx_dev_major;
  a.dev_minor = st.stx_dev_minor;
  a.rdev_major = st.stx_rdev_major;
  a.rdev_minor = st.stx_rdev_minor;
  a.flags = (st.stx_mask & STATX_BTIME) != 0 ? kAttrHasBirthTime : 0;
  a.atime = ToWire(st.stx_atime);
  a.mtime = ToWire(st.stx_mtime);
  a.ctime = ToWire(st.stx_ctime);
  a.btime = ToWire(st.stx_btime);
  return a;
}

}  // namespace

Identity IdentityOf(const Attr& attr) { return {attr.ino, attr.dev_major, attr.dev_minor, attr.mode & S_IFMT}; }

Result<Attr> HostStat(int dir, const char* name) {
  struct statx st;
  const int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (statx(dir, name, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &st) != 0) return base::HostErrno();
  return ToAttr(st);
}

Result<base::UniqueFd> HostOpenPath(int dir, const char* name) {
  const int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return base::HostErrno();
  return base::UniqueFd(fd);
}

Result<bool> IsPseudoFileSystem(int fd) {
  struct statfs st;
  if (fstatfs(fd, &st) != 0) return base::HostErrno();
  for (uint64_t magic : kPseudoFileSystems) {
    if (static_cast<uint64_t>(static_cast<uint32_t>(st.f_type)) == magic) return true;
  }
  return false;
}

Result<std::string> HostReadLink(int dir, const char* name) {
  char target[kMaxSymlinkLength + 1];
  const ssize_t n = readlinkat(dir, name, target, sizeof(target));
  if (n < 0) return base::HostErrno();
  // procfs links may read as empty or be cut off: no target to follow.
  if (n == 0) return Errno::kENOENT;
  if (static_cast<size_t>(n) > kMaxSymlinkLength) return Errno::kENAMETOOLONG;
  return std::string(target, static_cast<size_t>(n));
}

}  // namespace fsgofer
