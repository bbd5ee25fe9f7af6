// epoll(7): an interest list and a list of what is ready. Analogous to Linux's
// fs/eventpoll.c.
//
// An entry is keyed by (description, descriptor number) and does not hold the
// description: when that dies it takes its entries out (FileDescription::
// LastRefDropped), so an entry found under the core's lock points to a live
// object.
#ifndef SENTRY_VFS_EPOLL_H_
#define SENTRY_VFS_EPOLL_H_

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/wait_queue.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

inline constexpr uint32_t kEpollExclusive = 1u << 28, kEpollWakeup = 1u << 29, kEpollOneShot = 1u << 30,
                          kEpollEt = 1u << 31;

struct EpollEvent {
  uint32_t events = 0;
  uint64_t data = 0;
};

// The state behind an epoll description, kept alive by entries of dying files.
class EpollCore final : public base::RefCounted {
 public:
  EpollCore() = default;

  // EEXIST, ENOENT, EINVAL (EPOLLEXCLUSIVE rules), ENOSPC.
  Result<void> Add(FileDescription& file, int32_t fd, EpollEvent event);
  Result<void> Modify(FileDescription& file, int32_t fd, EpollEvent event);
  Result<void> Remove(FileDescription& file, int32_t fd);
  // Events that hold now, at most `max`; none: wait on queue().
  std::vector<EpollEvent> Collect(size_t max);
  bool AnyReady();
  base::WaitQueue& queue() { return queue_; }

  void FileGone(FileDescription& file);
  void Clear();  // the epoll itself goes
  std::string FdInfo();
  // The epolls among its entries, for the search for circles.
  std::vector<RefPtr<FileDescription>> NestedEpolls();

 private:
  class Item;
  using Key = std::pair<FileDescription*, int32_t>;
  static constexpr size_t kMaxItems = 1 << 20;

  ~EpollCore() override;
  void PushReady(Item& item);
  void DropItem(Item& item);
  std::vector<RefPtr<Item>> PopReady(size_t max);
  // What `item` reports now; also whether its entry still stands.
  bool Report(Item& item, uint32_t events, std::vector<EpollEvent>& out);

  // Rank kEpoll. Held over registering with a file's wait queue, never over
  // Readiness, which takes locks of earlier ranks (a terminal's).
  base::RankedMutex<base::LockRank::kEpoll> mu_;
  std::map<Key, RefPtr<Item>> items_ ABSL_GUARDED_BY(mu_);

  // Taken under other objects' wait queue locks, hence a leaf.
  base::RankedMutex<base::LockRank::kLeaf> ready_mu_;
  std::list<RefPtr<Item>> ready_ ABSL_GUARDED_BY(ready_mu_);
  base::WaitQueue queue_;
};

class EpollFile final : public FileDescription {
 public:
  static RefPtr<EpollFile> Create();
  static const void* Kind();
  const void* kind() const override { return Kind(); }

  // epoll_ctl(2). EINVAL: itself. EPERM: a file that can't be polled. ELOOP:
  // epolls that watch each other in a circle, or nested deeper than five.
  Result<void> Add(FileDescription& file, int32_t fd, EpollEvent event);
  Result<void> Modify(FileDescription& file, int32_t fd, EpollEvent event);
  Result<void> Remove(FileDescription& file, int32_t fd);
  EpollCore& core() { return *core_; }
  // epoll_wait(2) without the wait: wait_queue() tells when to try again.
  std::vector<EpollEvent> Collect(size_t max) { return core_->Collect(max); }

  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return &core_->queue(); }
  std::string FdInfo() override { return core_->FdInfo(); }

 protected:
  void LastRefDropped() override;

 private:
  template <typename T, typename... Args>
  friend RefPtr<T> base::MakeRef(Args&&... args);
  explicit EpollFile(Path path);
  ~EpollFile() override;
  const RefPtr<EpollCore> core_;
  // The longest chain of epolls that watch this one; under the nesting lock. It
  // only grows, which errs towards ELOOP.
  int height_ = 0;
};

}  // namespace sentry

#endif  // SENTRY_VFS_EPOLL_H_
