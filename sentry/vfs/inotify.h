// Who is told of what happens to files (man 7 inotify). Analogous to Linux's
// fs/notify/inotify: an Inotify is a group, an InotifyWatch a mark.
//
// An Inotify holds its watches; a watch holds its inode. An inode lists the watches
// on it without holding them: whoever ends one takes it off both.
#ifndef SENTRY_VFS_INOTIFY_H_
#define SENTRY_VFS_INOTIFY_H_

#include <atomic>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/wait_queue.h"
#include "sentry/abi/inotify.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

class Inotify;

// /proc/sys/fs/inotify.
struct InotifyLimits {
  static InotifyLimits& Get();
  // Each is independent of all others.
  std::atomic<uint32_t> max_user_instances{128};
  std::atomic<uint32_t> max_user_watches{65536};
  std::atomic<uint32_t> max_queued_events{16384};
  // What they may be set to: all that they bound is the sentry's memory.
  static constexpr uint32_t kMost = 1 << 20;
};

// What happened to an inode, or to a name in it.
struct InodeEvent {
  uint32_t mask;               // IN_*, IN_ISDIR
  std::string_view name = {};  // of a child
  uint32_t cookie = 0;
  bool of_unlinked = false;  // through a file that no name leads to any more
};

struct InotifyWatch final : public base::RefCounted {
  InotifyWatch(Inotify& i, RefPtr<Inode> n) : instance(i), inode(std::move(n)) {}
  Inotify& instance;  // which lives while this is listed
  const RefPtr<Inode> inode;
  int32_t wd = -1;  // set once, before it is listed
  // Under the inode's InodeWatches lock.
  uint32_t mask = 0;  // what is reported, and IN_EXCL_UNLINK, IN_ONESHOT
  bool listed = false;
};

// The watches on one file; as long-lived as its state.
class InodeWatches {
 public:
  // Whether any watch is there at all, on any inode.
  static bool AnyWhere() { return count_.load(std::memory_order_relaxed) != 0; }

  // Queues the event for whom it interests, and ends watches that were for one event.
  void Tell(const InodeEvent& event);
  // Linux's inotify_update_watch. `dentry` is how the inode was found. EEXIST
  // (IN_MASK_CREATE), ENOSPC (limits).
  Result<int32_t> Add(Inotify& instance, const RefPtr<Dentry>& dentry, uint32_t mask);
  // Each that is ended queues `last_event` if it is watched for, and IN_IGNORED last.
  void End(InotifyWatch& watch, uint32_t last_event = 0);
  // Tells all of `last_event`, and ends them.
  void EndAll(uint32_t last_event);
  // Ends `watch` silently: its instance is about to go.
  void Drop(InotifyWatch& watch);

  // The name of `dentry` is gone: the cache need not keep it for us.
  void Unanchor(const Dentry& dentry);
  void SetGone() { gone_.store(true, std::memory_order_relaxed); }
  bool gone() const { return gone_.load(std::memory_order_relaxed); }
  // For /proc/PID/fdinfo.
  uint32_t MaskOf(const InotifyWatch& watch);

 private:
  static std::atomic<uint32_t> count_;
  void TakeOffLocked(size_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellLastLocked(InotifyWatch& watch, uint32_t last_event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool AnchoredLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t IndexLocked(const InotifyWatch& watch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RecalculateLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Rank kInodeWatches: events go into the instances' queues under it, so that nothing
  // comes behind IN_IGNORED.
  base::RankedMutex<base::LockRank::kInodeWatches> mu_;
  std::vector<RefPtr<InotifyWatch>> watches_ ABSL_GUARDED_BY(mu_);
  // Keeps the name in the cache, so that who walks there finds this same inode.
  RefPtr<Dentry> anchor_ ABSL_GUARDED_BY(mu_);
  std::atomic<uint32_t> interest_{0};  // of all watches together: most events are not for anybody
  std::atomic<bool> gone_{false};      // the last name was removed
};

class Inotify final : public FileDescription {
 public:
  // EINVAL (flags), EMFILE (max_user_instances of the caller).
  static Result<RefPtr<FileDescription>> Create(const VfsContext& ctx, uint32_t flags);

  // inotify_add_watch(2) but for the path.
  Result<int32_t> AddWatch(const Path& path, uint32_t mask);
  Result<void> RemoveWatch(int32_t wd);  // EINVAL

  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) override;
  Result<int64_t> Seek(const VfsContext&, int64_t, int) override { return 0; }  // as Linux's noop_llseek
  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return &wait_queue_; }
  Result<uint64_t> Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) override;
  std::string FdInfo() override;
  static const void* Kind();
  const void* kind() const override { return Kind(); }

  // For InodeWatches, under its lock.
  Result<void> Enter(const RefPtr<InotifyWatch>& watch);  // ENOSPC
  void Leave(const InotifyWatch& watch);
  void Queue(int32_t wd, const InodeEvent& event);

  // All watches of a file system that is not mounted any more: IN_UNMOUNT.
  static void FileSystemGone(const FileSystem& fs);

  // What a user has, apart from how much he may have.
  struct UserCounts final : public base::RefCounted {
    std::atomic<uint32_t> instances{0}, watches{0};
  };
  Inotify(Path path, uint32_t flags, RefPtr<UserCounts> user);

 protected:
  void LastRefDropped() override;

 private:
  struct Event {
    int32_t wd;
    uint32_t mask;
    uint32_t cookie;
    std::string name;
    size_t size() const;  // as read(2) gives it
  };
  struct Registry;
  static Registry& TheRegistry();
  ~Inotify() override;
  std::vector<RefPtr<InotifyWatch>> WatchesOf(const FileSystem* fs);  // null: all
  static void WriteTo(const Event& event, std::span<std::byte> out);
  void PushLocked(Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Event PopLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const RefPtr<UserCounts> user_;
  base::WaitQueue wait_queue_;
  base::RankedMutex<base::LockRank::kInotify> mu_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mu_);
  bool overflowed_ ABSL_GUARDED_BY(mu_) = false;  // the queue tells of it already
  std::map<int32_t, RefPtr<InotifyWatch>> watches_ ABSL_GUARDED_BY(mu_);
  int32_t last_wd_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sentry

#endif  // SENTRY_VFS_INOTIFY_H_
