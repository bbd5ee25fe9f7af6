// What stat tells of a file, and what chmod, chown, utimens, truncate change.
#ifndef SENTRY_VFS_ATTRIBUTES_H_
#define SENTRY_VFS_ATTRIBUTES_H_

#include <cstdint>
#include <optional>

#include "sentry/abi/fs.h"

namespace sentry {

using abi::Timespec;

struct Credentials;

// CLOCK_REALTIME, for time stamps.
Timespec RealtimeNow();

struct Attributes {
  uint64_t ino = 0;
  uint32_t mode = 0;  // type and permission bits
  uint32_t nlink = 1;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t rdev = 0;
  uint64_t size = 0;
  uint64_t blocks = 0;  // of 512 bytes
  uint32_t blksize = 4096;
  uint64_t dev = 0;
  Timespec atime{}, mtime{}, ctime{};
  std::optional<Timespec> btime{};

  uint32_t type() const { return mode & abi::kSIfMt; }
  uint32_t perm() const { return mode & abi::kPermMask; }
};

// Linux's struct iattr. Times: nothing, or a value (UTIME_NOW is resolved by the
// caller). Permission was checked by vfs/operations; ctime is the file system's
// business.
struct SetAttributes {
  std::optional<uint32_t> perm{};  // permission bits only
  std::optional<uint32_t> uid{};
  std::optional<uint32_t> gid{};
  std::optional<uint64_t> size{};
  std::optional<Timespec> atime{};
  std::optional<Timespec> mtime{};
};

// The permission bits with set-user-id off, and set-group-id where Linux's
// setattr_should_drop_sgid takes it off (a change of owner).
uint32_t PermWithoutSetIds(const Credentials& creds, const Attributes& attributes);
// What a write or truncation by `creds` leaves of the permission bits; nothing
// if they stay (Linux's file_remove_privs).
std::optional<uint32_t> PermAfterWrite(const Credentials& creds, const Attributes& attributes);
// relatime: whether a read is to set atime.
bool RelatimeNeedsUpdate(const Attributes& attributes, const Timespec& now);

}  // namespace sentry

#endif  // SENTRY_VFS_ATTRIBUTES_H_
