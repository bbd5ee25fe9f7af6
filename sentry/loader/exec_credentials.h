// What execve does to credentials (man 7 capabilities, "Transformation of
// capabilities during execve()").
#ifndef SENTRY_LOADER_EXEC_CREDENTIALS_H_
#define SENTRY_LOADER_EXEC_CREDENTIALS_H_

#include "sentry/vfs/context.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

struct ExecCredentials {
  RefPtr<Credentials> credentials;
  bool secure = false;  // AT_SECURE
};

// Set-id bits of `file` count unless its mount says nosuid or the caller has
// no_new_privs. File capabilities are not read: they never grant anything.
Result<ExecCredentials> CredentialsForExec(const VfsContext& ctx, FileDescription& file);

}  // namespace sentry

#endif  // SENTRY_LOADER_EXEC_CREDENTIALS_H_
