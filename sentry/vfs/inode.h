// A file, whatever its names. Analogous to Linux's struct inode with its
// inode_operations. File systems derive from it; vfs calls it.
//
// Permission checks, read-only mounts, name lengths and the order of errors are
// vfs's (operations.cc); an Inode does the work. Directory calls come with the
// directory's lock held (dir_mu()), as Linux's i_rwsem.
#ifndef SENTRY_VFS_INODE_H_
#define SENTRY_VFS_INODE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "base/wait_queue.h"
#include "sentry/mm/mappable.h"
#include "sentry/vfs/attributes.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/file_state.h"

namespace sentry {

class FileDescription;
class Inode;

// A mounted file system's own part: Linux's struct super_block.
class FileSystem : public base::RefCounted {
 public:
  // An anonymous device number (major 0), as Linux's get_anon_bdev; none comes twice.
  static uint64_t NewDevice();
  explicit FileSystem(std::string type_name, uint64_t device = NewDevice())
      : type_name_(std::move(type_name)), device_(device) {}
  ~FileSystem() override = default;

  const std::string& type_name() const { return type_name_; }  // "tmpfs", as in /proc/mounts
  uint64_t device() const { return device_; }                  // st_dev
  // Who mounted it was root of this one (Linux's s_user_ns).
  const UserNamespace& user_ns() const { return *user_ns_; }
  void SetUserNs(RefPtr<UserNamespace> ns) { user_ns_ = std::move(ns); }  // before it is known to anybody
  // What stands in the first column of /proc/mounts, and its options.
  virtual std::string source() const { return type_name_; }
  virtual std::string options() const { return ""; }
  virtual Result<abi::Statfs> StatFs(const VfsContext& ctx) = 0;
  virtual Result<void> Sync() { return Ok(); }
  // mount(2) with MS_REMOUNT and options. EINVAL: of an option, or one that can't change.
  virtual Result<void> Reconfigure(const VfsContext& ctx, std::string_view options);
  // Whether names found once may be trusted (see Inode::Revalidate).
  // Mounts that there are of it; with the last one its watches end (inotify.h).
  std::atomic<uint32_t> mounts{0};
  // Serialises cross-directory renames (s_vfs_rename_mutex).
  base::RankedMutex<base::LockRank::kRename>& rename_mu() { return rename_mu_; }

 private:
  const std::string type_name_;
  const uint64_t device_;
  RefPtr<UserNamespace> user_ns_ = UserNamespace::Initial();
  base::RankedMutex<base::LockRank::kRename> rename_mu_;
};

struct CreateArgs {
  uint32_t mode = 0;  // type (S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR) and bits, umask applied
  uint32_t uid = 0;   // owner: the caller's fsuid; gid by the directory's set-gid bit
  uint32_t gid = 0;
  uint64_t rdev = 0;
};

// Where a symbolic link leads: text, or (magic links of proc) an object.
using LinkTarget = std::variant<std::string, Path>;

class Inode : public Mappable {
 public:
  explicit Inode(RefPtr<FileSystem> fs, RefPtr<SharedFileState> shared = nullptr)
      : fs_(std::move(fs)), shared_(std::move(shared)) {}
  ~Inode() override = default;

  FileSystem& fs() const { return *fs_; }
  // The type never changes: S_IFREG, S_IFDIR, ...
  virtual uint32_t type() const = 0;
  bool is_dir() const { return type() == abi::kSIfDir; }
  bool is_regular() const { return type() == abi::kSIfReg; }
  bool is_symlink() const { return type() == abi::kSIfLnk; }

  virtual Result<Attributes> GetAttributes(const VfsContext& ctx) = 0;
  virtual Result<void> SetAttr(const VfsContext& ctx, const SetAttributes& set);  // default EPERM
  // May `ctx` access with `mask` (kMayRead | kMayWrite | kMayExec)? The default
  // is Linux's generic_permission on GetAttributes.
  virtual Result<void> CheckPermission(const VfsContext& ctx, uint32_t mask);

  // --- Directories (default ENOTDIR / EPERM) ---
  // The child's inode, or ENOENT.
  virtual Result<RefPtr<Inode>> Lookup(const VfsContext& ctx, std::string_view name);
  // A hint before Lookup: the caller is about to walk `names` from here. A
  // remote file system may fetch them in one message.
  virtual void PrefetchWalk(const VfsContext& ctx, std::span<const std::string_view> names);
  // Whether a cached child (inode null: known not to exist) still holds. Called
  // without dir_mu(). Most file systems can always say yes.
  virtual bool Revalidate(const VfsContext& ctx, std::string_view name, Inode* child);
  // Makes a file of args.mode's type; EEXIST was checked by vfs in its cache
  // and by Lookup.
  virtual Result<RefPtr<Inode>> Create(const VfsContext& ctx, std::string_view name, const CreateArgs& args);
  virtual Result<RefPtr<Inode>> Symlink(const VfsContext& ctx, std::string_view name, std::string_view target,
                                        const CreateArgs& args);
  virtual Result<void> Link(const VfsContext& ctx, std::string_view name, Inode& target);
  virtual Result<void> Unlink(const VfsContext& ctx, std::string_view name, Inode& child);
  virtual Result<void> Rmdir(const VfsContext& ctx, std::string_view name, Inode& child);  // ENOTEMPTY here
  // Both directories are of this file system and locked. `replaced` may be null.
  virtual Result<void> Rename(const VfsContext& ctx, std::string_view old_name, Inode& child, Inode& new_dir,
                              std::string_view new_name, Inode* replaced, uint32_t flags);
  // False where a name that is not there can't be made either (proc): ENOENT
  // for every attempt, whatever the caller may do.
  virtual bool may_create() const { return true; }
  // An unnamed regular file (O_TMPFILE); default EOPNOTSUPP.
  virtual Result<RefPtr<Inode>> CreateTemporary(const VfsContext& ctx, const CreateArgs& args);

  // --- Symbolic links (default EINVAL) ---
  virtual Result<std::string> ReadLink(const VfsContext& ctx);
  virtual Result<LinkTarget> FollowLink(const VfsContext& ctx);  // default: ReadLink

  // --- Opening ---
  // `path` names this inode (through any mount); flags are open(2)'s, without
  // O_CREAT, O_EXCL, O_TRUNC: a truncation is a SetAttr that follows. Fifos, sockets and
  // device nodes of any file system are opened by vfs itself through
  // SpecialFiles (special_files.h), not here.
  virtual Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) = 0;

  // --- Extended attributes (default EOPNOTSUPP) ---
  virtual Result<std::string> GetXattr(const VfsContext& ctx, std::string_view name);
  virtual Result<void> SetXattr(const VfsContext& ctx, std::string_view name, std::string_view value, int flags);
  virtual Result<void> RemoveXattr(const VfsContext& ctx, std::string_view name);
  virtual Result<std::vector<std::string>> ListXattr(const VfsContext& ctx);

  // Held by vfs around directory operations (Linux's i_rwsem of a directory).
  base::RankedMutex<base::LockRank::kDirectory>& dir_mu() { return dir_mu_; }

  FileState& state() { return shared_ ? shared_->state() : own_; }
  const FileState& state() const { return shared_ ? shared_->state() : own_; }
  const void* identity() const override { return &state(); }
  FileLocks& locks() { return state().locks(); }
  FileLocks* locks_if_any() { return state().locks_if_any(); }
  InodeWatches* watches() const { return state().watches(); }
  InodeWatches& MakeWatches() { return state().MakeWatches(); }
  RefPtr<base::RefCounted> attachment() { return state().attachment(); }
  RefPtr<base::RefCounted> AttachIfNone(RefPtr<base::RefCounted> fresh) {
    return state().AttachIfNone(std::move(fresh));
  }
  Result<void> GetWriteAccess() { return state().GetWriteAccess(); }
  void PutWriteAccess() { state().PutWriteAccess(); }
  Result<void> DenyWriteAccess() { return state().DenyWriteAccess(); }
  void AllowWriteAccess() { state().AllowWriteAccess(); }

 private:
  const RefPtr<FileSystem> fs_;
  base::RankedMutex<base::LockRank::kDirectory> dir_mu_;
  const RefPtr<SharedFileState> shared_;  // null: own_
  FileState own_;
};

}  // namespace sentry

#endif  // SENTRY_VFS_INODE_H_
