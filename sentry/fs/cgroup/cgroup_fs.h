// The file system "cgroup2": the kernel's control groups as directories.
#ifndef SENTRY_FS_CGROUP_CGROUP_FS_H_
#define SENTRY_FS_CGROUP_CGROUP_FS_H_

#include <vector>

#include "sentry/kernel/cgroup/tree.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

// What it asks of the kernel's process table. Numbers are as the caller sees them.
class CgroupProcesses {
 public:
  virtual ~CgroupProcesses() = default;
  // The threads of process `pid` (0: the caller's), or thread `pid` alone; ESRCH. Called with the tree locked, too.
  // `keep` gets references, to be dropped without the lock.
  enum class Which : uint8_t { kProcess, kThread };
  virtual Result<std::vector<CgroupMember*>> Find(const VfsContext& ctx, int32_t pid, Which which,
                                                  std::vector<RefPtr<base::RefCounted>>& keep) = 0;
  // The caller's number for thread `id` of the first pid namespace; 0: it sees none.
  virtual int32_t NumberOf(const VfsContext& ctx, int32_t id) = 0;
  // The root of the caller's cgroup namespace.
  virtual RefPtr<Cgroup> NamespaceRoot(const VfsContext& ctx) = 0;
};

struct CgroupMount {
  RefPtr<FileSystem> fs;
  RefPtr<Dentry> root;
};
// Shows `root` and what is below it. `processes` outlives the file system and every file of it.
CgroupMount NewCgroupFs(CgroupProcesses& processes, RefPtr<Cgroup> root);

// The group that an open directory is (CLONE_INTO_CGROUP). EBADF: of no such file system.
Result<RefPtr<Cgroup>> CgroupOf(const RefPtr<FileDescription>& file);
// Whether a process of `from` may become, or have a child, one of `to`: who may write cgroup.procs there and in the
// nearest group above both. EACCES.
Result<void> MayEnterCgroup(const Credentials& creds, const Cgroup& from, const Cgroup& to);

}  // namespace sentry

#endif  // SENTRY_FS_CGROUP_CGROUP_FS_H_
