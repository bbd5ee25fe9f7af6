// The server's host calls on files: each names its object by a descriptor, or
// by a descriptor and one component that no symlink is followed in.
#ifndef FSGOFER_SERVER_HOST_H_
#define FSGOFER_SERVER_HOST_H_

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "fsgofer/protocol/wire.h"

namespace fsgofer {

// What makes two looks at a name the same file.
struct Identity {
  uint64_t ino = 0;
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  uint32_t type = 0;  // S_IFMT
  bool operator==(const Identity&) const = default;
};
Identity IdentityOf(const Attr& attr);

// Attributes of `dir`/`name`, or of `dir` itself when the name is "".
base::Result<Attr> HostStat(int dir, const char* name);

// An O_PATH descriptor: opens nothing, whatever the file is.
base::Result<base::UniqueFd> HostOpenPath(int dir, const char* name);

// True for file systems that are a view of the host kernel rather than files
// (procfs, sysfs, cgroup, debugfs, ...): what is read there tells of the host,
// and opening may act on it.
base::Result<bool> IsPseudoFileSystem(int fd);

base::Result<std::string> HostReadLink(int dir, const char* name);

}  // namespace fsgofer

#endif  // FSGOFER_SERVER_HOST_H_
