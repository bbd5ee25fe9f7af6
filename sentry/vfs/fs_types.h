// File systems that mount(2) can make, by name (/proc/filesystems). Filled once
// at start (runsc-cpp/boot), so that the system calls know no file system.
#ifndef SENTRY_VFS_FS_TYPES_H_
#define SENTRY_VFS_FS_TYPES_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sentry/vfs/context.h"

namespace sentry {

class FileSystem;

struct NewFileSystem {
  RefPtr<FileSystem> fs;
  RefPtr<Dentry> root;
};
// `source` and `options` are mount(2)'s, options without what mount(8) eats.
using FsFactory =
    std::function<Result<NewFileSystem>(const VfsContext& ctx, std::string_view source, std::string_view options)>;

class FsTypes {
 public:
  // Who may mount it: with CAP_SYS_ADMIN over the mount namespace (FS_USERNS_MOUNT); or
  // that, if all of one is visible already (SB_I_USERNS_VISIBLE); or the sandbox's root.
  enum class Who : uint8_t { kAnyRoot, kIfVisible, kSandboxRoot };
  // Before the first task runs.
  static void Register(std::string name, FsFactory make, Who who = Who::kSandboxRoot);
  // ENODEV: no such type.
  static Result<NewFileSystem> Make(const VfsContext& ctx, std::string_view name, std::string_view source,
                                    std::string_view options);
  static std::vector<std::string> Names();
};

}  // namespace sentry

#endif  // SENTRY_VFS_FS_TYPES_H_
