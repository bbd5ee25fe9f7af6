// What "security.capability" of an executable says (man 7 capabilities, "File
// capabilities"; Linux's struct vfs_cap_data).
#ifndef SENTRY_VFS_FILE_CAPABILITIES_H_
#define SENTRY_VFS_FILE_CAPABILITIES_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sentry/vfs/credentials.h"

namespace sentry {

inline constexpr std::string_view kCapabilityXattr = "security.capability";

struct FileCapabilities {
  CapabilitySet permitted, inheritable;
  bool effective = false;
  uint32_t root = 0;  // the kernel's uid that is root where they count
};

// EINVAL: of no version that Linux knows.
base::Result<FileCapabilities> ParseFileCapabilities(std::string_view value);
// Whether they count for who is in `ns` (Linux's rootid_owns_currentns).
bool FileCapabilitiesCount(const FileCapabilities& caps, const UserNamespace& ns);

// What setxattr(2) keeps of `value` for a file: version 2, or 3 where the caller is
// root of a user namespace only (Linux's cap_convert_nscap). EINVAL, EPERM.
base::Result<std::string> CapabilityXattrToKeep(const Credentials& creds, uint32_t file_uid, uint32_t file_gid,
                                                std::string_view value);
// What getxattr(2) shows in `ns`. EOVERFLOW: it is of another namespace.
base::Result<std::string> CapabilityXattrFor(const UserNamespace& ns, std::string_view kept);

}  // namespace sentry

#endif  // SENTRY_VFS_FILE_CAPABILITIES_H_
