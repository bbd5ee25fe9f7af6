// File ABI of x86-64 Linux: open flags, modes, stat layouts (man 2 open, stat,
// statx, statfs, getdents64, fcntl).
#ifndef SENTRY_ABI_FS_H_
#define SENTRY_ABI_FS_H_

#include <compare>
#include <cstdint>
#include <type_traits>

namespace sentry::abi {

// open(2) flags.
inline constexpr uint32_t kORdOnly = 0, kOWrOnly = 1, kORdWr = 2, kOAccMode = 3;
inline constexpr uint32_t kOCreat = 0100, kOExcl = 0200, kONoCtty = 0400, kOTrunc = 01000;
inline constexpr uint32_t kOAppend = 02000, kONonBlock = 04000, kODSync = 010000, kOAsync = 020000;
inline constexpr uint32_t kODirect = 040000, kOLargeFile = 0100000, kODirectory = 0200000;
inline constexpr uint32_t kONoFollow = 0400000, kONoAtime = 01000000, kOCloExec = 02000000;
inline constexpr uint32_t kOSync = 04010000, kOPath = 010000000, kOTmpFile = 020000000 | kODirectory;

// *at(2) flags.
inline constexpr int kAtFdCwd = -100;
inline constexpr uint32_t kAtSymlinkNoFollow = 0x100, kAtEaccess = 0x200, kAtRemoveDir = 0x200;
inline constexpr uint32_t kAtSymlinkFollow = 0x400, kAtNoAutomount = 0x800, kAtEmptyPath = 0x1000;
inline constexpr uint32_t kAtRecursive = 0x8000;

// File types and mode bits.
inline constexpr uint32_t kSIfMt = 0170000, kSIfSock = 0140000, kSIfLnk = 0120000, kSIfReg = 0100000;
inline constexpr uint32_t kSIfBlk = 0060000, kSIfDir = 0040000, kSIfChr = 0020000, kSIfIfo = 0010000;
inline constexpr uint32_t kSIsUid = 04000, kSIsGid = 02000, kSIsVtx = 01000, kPermMask = 07777;

// renameat2(2).
inline constexpr uint32_t kRenameNoReplace = 1, kRenameExchange = 2, kRenameWhiteout = 4;

// lseek(2).
inline constexpr int kSeekSet = 0, kSeekCur = 1, kSeekEnd = 2, kSeekData = 3, kSeekHole = 4;

// access(2).
inline constexpr uint32_t kMayExec = 1, kMayWrite = 2, kMayRead = 4;

// mount(2).
inline constexpr uint64_t kMsRdOnly = 1, kMsNoSuid = 2, kMsNoDev = 4, kMsNoExec = 8, kMsSynchronous = 16;
inline constexpr uint64_t kMsRemount = 32, kMsNoAtime = 1024, kMsNoDirAtime = 2048, kMsBind = 4096;
inline constexpr uint64_t kMsMove = 8192, kMsRec = 16384, kMsSilent = 1 << 15, kMsRelAtime = 1 << 21;
inline constexpr uint64_t kMsNoSymFollow = 256, kMsStrictAtime = 1 << 24;
inline constexpr uint64_t kMsUnbindable = 1 << 17, kMsPrivate = 1 << 18, kMsSlave = 1 << 19, kMsShared = 1 << 20;

// mount_setattr(2).
struct MountAttr {
  uint64_t attr_set, attr_clr, propagation, userns_fd;
};
static_assert(sizeof(MountAttr) == 32);
inline constexpr uint64_t kMountAttrRdOnly = 0x1, kMountAttrNoSuid = 0x2, kMountAttrNoDev = 0x4, kMountAttrNoExec = 0x8;
inline constexpr uint64_t kMountAttrAtime = 0x70, kMountAttrRelAtime = 0, kMountAttrNoAtime = 0x10;
inline constexpr uint64_t kMountAttrStrictAtime = 0x20, kMountAttrNoDirAtime = 0x80, kMountAttrIdmap = 0x100000;
inline constexpr uint64_t kMountAttrNoSymFollow = 0x200000;

struct Timespec {
  int64_t sec = 0;
  int64_t nsec = 0;
  friend constexpr auto operator<=>(const Timespec&, const Timespec&) = default;
};
static_assert(sizeof(Timespec) == 16);

struct Stat {
  uint64_t dev;
  uint64_t ino;
  uint64_t nlink;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  uint32_t pad0;
  uint64_t rdev;
  int64_t size;
  int64_t blksize;
  int64_t blocks;
  Timespec atime;
  Timespec mtime;
  Timespec ctime;
  int64_t unused[3];
};
static_assert(sizeof(Stat) == 144);

struct StatxTimestamp {
  int64_t sec;
  uint32_t nsec;
  int32_t pad;
};
struct Statx {
  uint32_t mask;
  uint32_t blksize;
  uint64_t attributes;
  uint32_t nlink;
  uint32_t uid;
  uint32_t gid;
  uint16_t mode;
  uint16_t pad0;
  uint64_t ino;
  uint64_t size;
  uint64_t blocks;
  uint64_t attributes_mask;
  StatxTimestamp atime, btime, ctime, mtime;
  uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
  uint64_t mnt_id;
  uint32_t dio_mem_align, dio_offset_align;
  uint64_t spare[12];
};
static_assert(sizeof(Statx) == 256);
inline constexpr uint32_t kStatxBasicStats = 0x7ff, kStatxBtime = 0x800, kStatxMntId = 0x1000;

struct Statfs {
  int64_t type;
  int64_t bsize;
  uint64_t blocks;
  uint64_t bfree;
  uint64_t bavail;
  uint64_t files;
  uint64_t ffree;
  int32_t fsid[2];
  int64_t namelen;
  int64_t frsize;
  int64_t flags;
  int64_t spare[4];
};
static_assert(sizeof(Statfs) == 120);

// Device numbers: the host's 64-bit user-space encoding.
constexpr uint64_t MakeDev(uint32_t major, uint32_t minor) {
  return (static_cast<uint64_t>(major & 0xfffu) << 8) | (static_cast<uint64_t>(major & ~0xfffu) << 32) |
         (minor & 0xffu) | (static_cast<uint64_t>(minor & ~0xffu) << 12);
}
constexpr uint32_t Major(uint64_t dev) {
  return static_cast<uint32_t>(((dev >> 8) & 0xfff) | ((dev >> 32) & ~0xfffull));
}
constexpr uint32_t Minor(uint64_t dev) { return static_cast<uint32_t>((dev & 0xff) | ((dev >> 12) & ~0xffull)); }

}  // namespace sentry::abi

#endif  // SENTRY_ABI_FS_H_
