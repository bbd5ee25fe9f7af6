// A process's descriptors. Analogous to Linux's struct files_struct.
#ifndef SENTRY_KERNEL_FD_TABLE_H_
#define SENTRY_KERNEL_FD_TABLE_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

enum class CloseOnExec : uint8_t { kNo, kYes };

class FdTable final : public base::RefCounted {
 public:
  // EBADF for what is not open, and for O_PATH descriptions where `GetNoPath`.
  Result<RefPtr<FileDescription>> Get(int32_t fd) const;        // any, O_PATH too
  Result<RefPtr<FileDescription>> GetNoPath(int32_t fd) const;  // EBADF for O_PATH (read, write, fchmod, ...)

  // The lowest free number >= min_fd and < limit (RLIMIT_NOFILE): EMFILE.
  Result<int32_t> Install(RefPtr<FileDescription> file, CloseOnExec cloexec, uint64_t limit, int32_t min_fd = 0);
  // EMFILE if Install would fail now: for calls that must not act in vain
  // (open with O_CREAT, accept), as Linux's get_unused_fd before the act.
  Result<void> CheckRoom(uint64_t limit);
  // Two at once or none (pipe, socketpair).
  Result<std::pair<int32_t, int32_t>> InstallPair(RefPtr<FileDescription> a, RefPtr<FileDescription> b,
                                                  CloseOnExec cloexec, uint64_t limit);
  // dup2, dup3: what stood at `fd` comes back and is closed by the caller.
  Result<RefPtr<FileDescription>> InstallAt(int32_t fd, RefPtr<FileDescription> file, CloseOnExec cloexec,
                                            uint64_t limit);
  // Takes a descriptor out; the caller runs Flush and drops POSIX locks
  // (kernel/close.h). EBADF.
  Result<RefPtr<FileDescription>> Remove(int32_t fd);
  std::vector<RefPtr<FileDescription>> RemoveRange(uint32_t first, uint32_t last);
  std::vector<RefPtr<FileDescription>> RemoveCloseOnExec();
  std::vector<RefPtr<FileDescription>> RemoveAll();
  Result<CloseOnExec> GetCloseOnExec(int32_t fd) const;
  Result<void> SetCloseOnExec(int32_t fd, CloseOnExec cloexec);
  void SetCloseOnExecRange(uint32_t first, uint32_t last);

  // How many tasks use the table. The last one to leave closes what is in it
  // (Task::SetFds does both); references of onlookers (/proc) do not count.
  void AddUser() { users_.fetch_add(1, std::memory_order_relaxed); }
  bool DropUser() { return users_.fetch_sub(1, std::memory_order_acq_rel) == 1; }  // true: it was the last
  int32_t users() const { return users_.load(std::memory_order_acquire); }

  // clone without CLONE_FILES.
  RefPtr<FdTable> Fork() const;
  // What is open, ascending, without a reference to any file (/proc/PID/fd).
  std::vector<int32_t> Numbers() const;
  // kMayRead | kMayWrite as it is open; nothing: not open.
  std::optional<uint32_t> Access(int32_t fd) const;
  // Open descriptors in ascending order (/proc/PID/fd).
  std::vector<std::pair<int32_t, RefPtr<FileDescription>>> List() const;

 private:
  struct Slot {
    RefPtr<FileDescription> file;
    CloseOnExec cloexec = CloseOnExec::kNo;
  };
  Result<int32_t> FindFree(int32_t min_fd, uint64_t limit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Put(int32_t fd, RefPtr<FileDescription> file, CloseOnExec cloexec) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  RefPtr<FileDescription> Take(size_t fd) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable base::RankedMutex<base::LockRank::kFdTable> mu_;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mu_);
  int32_t lowest_free_ ABSL_GUARDED_BY(mu_) = 0;  // none below is free
  std::atomic<int32_t> users_{0};
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_FD_TABLE_H_
