#include "sentry/vfs/path_walk.h"

#include <utility>

#include "sentry/vfs/path_walker.h"

namespace sentry {

Result<Path> ResolvePath(const VfsContext& ctx, const Path& start, std::string_view path, WalkFlags flags) {
  if (path.empty() && flags.empty_path) {
    const Inode* inode = start.dentry->inode_ptr();
    return flags.directory && !(inode != nullptr && inode->is_dir()) ? Result<Path>(Errno::kENOTDIR) : start;
  }
  PathWalker walker(ctx, flags);
  TRY(walker.Start(start, path));
  for (;;) {
    const PathWalker::Last last = TRY(walker.ToLast());
    if (last.kind != ParentWalk::Last::kNormal) {
      TRY(walker.EnterDots(last));
      break;
    }
    RefPtr<Dentry> child = TRY(walker.LookupLast(last));
    const Inode* inode = child->inode_ptr();
    if (inode == nullptr) return Errno::kENOENT;
    if (inode->is_symlink() && (flags.follow || walker.must_be_directory())) {
      TRY(walker.FollowLast(*child));
      continue;
    }
    TRY(walker.Enter(std::move(child)));
    break;
  }
  TRY(walker.CheckScope());
  const Inode* inode = walker.at().dentry->inode_ptr();
  if ((flags.directory || walker.must_be_directory()) && !inode->is_dir()) return Errno::kENOTDIR;
  return walker.at();
}

Result<ParentWalk> ResolveParent(const VfsContext& ctx, const Path& start, std::string_view path, WalkFlags flags) {
  PathWalker walker(ctx, flags);
  TRY(walker.Start(start, path));
  const PathWalker::Last last = TRY(walker.ToLast());
  return ParentWalk{walker.at(), std::string(last.name), last.trailing_slash, last.kind};
}

namespace {

// Linux's prepend_path, from the end backwards. `root` null: up to the topmost
// mount.
std::string TextOf(const Path* root, Path at, Deleted deleted) {
  // An object without a place: its name is all there is.
  if (at.dentry->is_root() && !(at.dentry == at.mount->root())) return at.dentry->name();
  std::string suffix;
  if (deleted == Deleted::kMark && at.dentry->unhashed()) suffix = " (deleted)";
  std::string text, prefix;
  for (;;) {
    if (root != nullptr && at == *root) break;
    if (at.dentry == at.mount->root()) {
      Path place = at.mount->place();
      if (!place) {
        if (root != nullptr) prefix = "(unreachable)";
        break;
      }
      at = std::move(place);
      continue;
    }
    if (at.dentry->is_root()) {  // moved out of a bind mount's tree
      prefix = "(unreachable)";
      break;
    }
    text.insert(0, "/" + at.dentry->name());
    at.dentry = at.dentry->parent();
  }
  if (text.empty()) text = "/";
  return prefix + text + suffix;
}

}  // namespace

std::string PathToString(const MountNamespace&, const Path& root, const Path& path, Deleted deleted) {
  return TextOf(&root, path, deleted);
}

std::string FullPath(const Path& path, Deleted deleted) { return TextOf(nullptr, path, deleted); }

}  // namespace sentry
