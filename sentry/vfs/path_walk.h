// From a path's text to a place in the tree (man 7 path_resolution).
// Analogous to Linux's fs/namei.c, with its order of checks.
#ifndef SENTRY_VFS_PATH_WALK_H_
#define SENTRY_VFS_PATH_WALK_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "sentry/vfs/context.h"

namespace sentry {

inline constexpr int kMaxSymlinks = 40;
inline constexpr size_t kNameMax = 255;
inline constexpr size_t kPathMax = 4096;

struct WalkFlags {
  bool follow = true;       // a symbolic link in the last place
  bool directory = false;   // the result must be one (ENOTDIR)
  bool empty_path = false;  // AT_EMPTY_PATH: "" names the start itself
  // openat2(2)'s RESOLVE_*.
  bool no_xdev = false, no_magiclinks = false, no_symlinks = false, beneath = false, in_root = false;
};

// `start` is where a relative path begins: ctx.cwd or a directory descriptor.
// The result's dentry is positive; ENOENT, ENOTDIR, ELOOP, EACCES,
// ENAMETOOLONG as Linux.
Result<Path> ResolvePath(const VfsContext& ctx, const Path& start, std::string_view path, WalkFlags flags = {});

// The directory of the last component, for calls that make or remove names.
struct ParentWalk {
  Path parent;       // a directory that may be searched
  std::string name;  // last component; "." or ".." or "" (the root) are possible
  bool trailing_slash = false;
  enum class Last : uint8_t { kNormal, kDot, kDotDot, kRoot } last = Last::kNormal;
};
Result<ParentWalk> ResolveParent(const VfsContext& ctx, const Path& start, std::string_view path, WalkFlags flags = {});

// The text of `path` seen from `root` (getcwd, /proc): "(unreachable)" before
// it if it lies outside; " (deleted)" behind it if unhashed and asked for.
enum class Deleted : uint8_t { kMark, kPlain };
std::string PathToString(const MountNamespace& mounts, const Path& root, const Path& path,
                         Deleted deleted = Deleted::kMark);
// The same up to the topmost mount, with no namespace at hand.
std::string FullPath(const Path& path, Deleted deleted = Deleted::kMark);

}  // namespace sentry

#endif  // SENTRY_VFS_PATH_WALK_H_
