#include "runsc-cpp/boot/program.h"

#include <cstring>

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
  if (command.find('/') != std::string::npos) return command;
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

StartFailure DescribeStartFailure(const std::string& command, Errno error) {
  const bool missing = error == Errno::kENOENT;
  const char* hint = "";
  if (missing && command.find('/') == std::string::npos) hint = " (looked for it in PATH, inside the sandbox)";
  if (missing && command.find('/') != std::string::npos) hint = " (the file, or the interpreter that it names)";
  if (error == Errno::kENOEXEC) hint = " (neither an x86-64 ELF program nor a script with a #! line)";
  return {missing ? 127 : 126, absl::StrCat(command, ": ", strerror(static_cast<int>(error)), hint)};
}

}  // namespace runsc
