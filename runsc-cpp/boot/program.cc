#include "runsc-cpp/boot/program.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/operations.h"

namespace runsc {
namespace {

using sentry::Errno;
using sentry::Result;

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string PathVariable(const std::vector<std::string>& envp) {
  for (const std::string& entry : envp) {
    if (entry.compare(0, 5, "PATH=") == 0) return entry.substr(5);
  }
  return kDefaultPath;
}

Result<void> CheckExecutable(const sentry::VfsContext& ctx, const std::string& path) {
  const sentry::Path found = TRY(sentry::ResolvePath(ctx, ctx.cwd, path));
  if (!found.dentry->inode()->is_regular()) return Errno::kEACCES;
  return sentry::CheckAccess(ctx, found, sentry::abi::kMayExec);
}

}  // namespace

Result<std::string> FindProgram(const sentry::VfsContext& ctx, const std::string& command,
                                const std::vector<std::string>& envp) {
  if (command.empty()) return Errno::kENOENT;
  if (command.find('/') != std::string::npos) {
    TRY(CheckExecutable(ctx, command));
    return command;
  }
  Errno error = Errno::kENOENT;
  const std::vector<std::string> directories = absl::StrSplit(PathVariable(envp), ':');
  for (const std::string& directory : directories) {
    const std::string candidate = absl::StrCat(directory.empty() ? "." : directory, "/", command);
    const Result<void> usable = CheckExecutable(ctx, candidate);
    if (usable.ok()) return candidate;
    if (usable.Is(Errno::kEACCES)) error = Errno::kEACCES;
  }
  return error;
}

}  // namespace runsc
