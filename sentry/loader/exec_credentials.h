// What execve does to credentials (man 7 capabilities, "Transformation of
// capabilities during execve()").
#ifndef SENTRY_LOADER_EXEC_CREDENTIALS_H_
#define SENTRY_LOADER_EXEC_CREDENTIALS_H_

#include "sentry/vfs/context.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

struct ExecCredentials {
  RefPtr<Credentials> credentials;
  bool secure = false;           // AT_SECURE
  bool gains_privilege = false;  // set-id bits counted, or capabilities were gained
};

// Set-id bits and capabilities of `file` count unless its mount says nosuid; with
// no_new_privs nothing is gained. EPERM, EINVAL: of its capabilities.
Result<ExecCredentials> CredentialsForExec(const VfsContext& ctx, FileDescription& file);

}  // namespace sentry

#endif  // SENTRY_LOADER_EXEC_CREDENTIALS_H_
