// The walk itself, one component at a time; for path_walk.cc and open.cc, whose
// last component has rules of its own. Analogous to Linux's struct nameidata.
#ifndef SENTRY_VFS_PATH_WALKER_H_
#define SENTRY_VFS_PATH_WALKER_H_

#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/path_walk.h"

namespace sentry {

class PathWalker {
 public:
  // kRoot: there is no component; at() is the place ("/", or a magic link's
  // object).
  struct Last {
    std::string_view name;
    ParentWalk::Last kind = ParentWalk::Last::kRoot;
    bool trailing_slash = false;
  };

  // `ctx` outlives the walker.
  PathWalker(const VfsContext& ctx, WalkFlags flags) : ctx_(ctx), flags_(flags) {}

  // `path` outlives the walker. ENOENT: empty; ENAMETOOLONG; ENOTDIR; EXDEV.
  Result<void> Start(const Path& start, std::string_view path);
  // Walks up to the last component. at() is then its directory, which may be
  // searched.
  Result<Last> ToLast();
  // The last component's dentry, perhaps negative; at() stays.
  Result<RefPtr<Dentry>> LookupLast(const Last& last);
  // Steps to a child of at(), and through what is mounted there.
  Result<void> Enter(RefPtr<Dentry> child);
  // Steps to ".", ".." or nowhere.
  Result<void> EnterDots(const Last& last);
  // Turns into the symbolic link `link`, the last component; ToLast comes next.
  Result<void> FollowLast(Dentry& link);
  // RESOLVE_BENEATH and RESOLVE_IN_ROOT: the end must lie below the start (a
  // rename may have moved it out under the walk). EXDEV.
  Result<void> CheckScope() const;

  const Path& at() const { return at_; }
  // A component had a slash behind it in last place: the end must be a directory.
  bool must_be_directory() const { return must_be_directory_; }
  void RequireDirectory() { must_be_directory_ = true; }

 private:
  enum class Place : uint8_t { kMiddle, kTrailing };

  Result<void> StepMiddle(std::string_view name);
  Result<RefPtr<Dentry>> Lookup(std::string_view name);
  Result<void> Follow(Dentry& link, Place place);
  Result<void> MayFollow(Dentry& link) const;
  Result<void> JumpTo(Path target);
  Result<void> JumpToRoot();
  Result<void> EnterParent();
  Result<void> CrossMounts();
  void Announce(std::string_view name);

  const VfsContext& ctx_;
  const WalkFlags flags_;
  Path root_;
  Path at_;
  std::string_view rest_;                // of the text being walked
  std::vector<std::string_view> saved_;  // rests of the texts around it
  std::list<std::string> texts_;         // of links; the views point into them
  int links_ = 0;
  size_t announced_ = 0;  // components ahead that PrefetchWalk was told of
  bool must_be_directory_ = false;
};

}  // namespace sentry

#endif  // SENTRY_VFS_PATH_WALKER_H_
