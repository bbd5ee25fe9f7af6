// One stub process, as the sentry sees it: its keeper and its life.
#ifndef PLATFORM_STUB_STUB_PROCESS_H_
#define PLATFORM_STUB_STUB_PROCESS_H_

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "platform/platform.h"
#include "platform/stub/layout.h"
#include "platform/stub/slots.h"
#include "platform/stub/thread_regions.h"

namespace platform::stub {

// The keepers' request pages, all in one mapping, and which are free.
class RequestPages {
 public:
  static base::Result<std::shared_ptr<RequestPages>> Create(int requests_fd);
  ~RequestPages();
  // ENOMEM: too many stubs.
  base::Result<uint32_t> TakeSlot() { return slots_.Take(base::Errno::kENOMEM); }
  void GiveSlot(uint32_t slot) { slots_.Give(slot); }
  KeeperRequest* page(uint32_t slot) const { return base_ + slot; }

 private:
  explicit RequestPages(KeeperRequest* base);
  KeeperRequest* const base_;
  Slots slots_;
};

// How a child of ours ended, in words ("was killed by signal 9"); it stays a
// zombie. Waits a moment for a death under way; nullopt: it lives on.
std::optional<std::string> ChildDeath(pid_t pid);

// The memory files, by the sentry's numbers; the stub has its own.
struct MemoryFds {
  int small_fd = -1;
  int large_fd = -1;
};

// A guest thread of a stub, and where its region is (kTrapped): in the stub, and as
// the sentry sees it.
struct GuestThread {
  pid_t tid = -1;
  uint64_t region_address = 0;
  std::byte* region = nullptr;
};

// Owned by its address space, shared with the contexts that have a thread in it.
// The last owner reaps it. Thread-safe.
class StubProcess {
 public:
  // `regions` is null for traced stubs; else `first_region` is the first thread's.
  StubProcess(pid_t pid, base::UniqueFd socket, uint32_t slot, std::shared_ptr<RequestPages> pages, MemoryFds fds,
              std::shared_ptr<ThreadRegions> regions, uint32_t first_region);
  ~StubProcess();

  // AddressSpace::Apply.
  base::Result<void> Apply(std::span<const MapOp> ops);
  // A new thread: waiting in pause() in stub text for the caller to trace it, or
  // trapped, about to tell of itself in its region. ESRCH: the stub is dead; EAGAIN:
  // too many threads. ThreadGone is called when it is.
  base::Result<GuestThread> NewThread();
  void ThreadGone(const GuestThread& thread);

  // A region's worth of memory (kTrapped), zeroed, mapped at `address` for execution;
  // as the sentry sees it, for writing.
  base::Result<std::byte*> MapCode(uint64_t address);

  pid_t pid() const { return pid_; }
  // Ends the process. It stays a zombie, so that its number stays ours.
  void Kill();
  // Reaps it if it is dead and no context has a thread in it. The last owner's.
  bool TryReap();
  bool has_threads() const { return threads_.load(std::memory_order_acquire) > 0; }
  bool killed() const { return killed_.load(std::memory_order_relaxed); }
  // Has `epoll_fd` tell, once, of its death. False: it is dead already.
  bool WatchDeath(int epoll_fd);
  void UnwatchDeath(int epoll_fd);
  // AddressSpace::Lost.
  std::optional<std::string> Lost() const;
  // Why it is gone, in words.
  std::string DeathCause() const;

 private:
  enum class Answer { kStatus, kValue };
  // Has the keeper run the first `count` ops of the request page.
  base::Result<uint32_t> Call(size_t count, Answer answer, std::span<const int> donated)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  base::Result<void> ApplySome(std::span<const MapOp>& ops) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  base::Result<void> SendDonated(std::span<const int> fds) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MoveKeeperHere() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of a thread to be: maps a region where none is free. 0 without regions.
  base::Result<size_t> TakeRegion() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Maps a new slot; who asks keeps it in mind for the end.
  base::Result<uint32_t> MapSlot(uint64_t address, int prot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // One whose thread has ended, if there is.
  std::optional<size_t> TakeFreeRegion() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  GuestThread ThreadAt(pid_t tid, size_t region) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  base::Result<void> ReadHello() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool ReadExactly(void* out, size_t size);
  bool HasHungUp() const;

  const pid_t pid_;
  const base::UniqueFd socket_;
  const uint32_t slot_;
  const std::shared_ptr<RequestPages> pages_;
  const MemoryFds fds_;
  const std::shared_ptr<ThreadRegions> regions_;
  std::atomic<bool> killed_ = false;  // alone: tells Kill from a death by others

  // Threads handed out and not given back.
  std::atomic<int> threads_ = 0;
  bool reaped_ = false;  // the last owner's

  // Rank: kPlatform. One request at a time; held while the keeper works, which
  // never waits for the guest.
  base::RankedMutex<base::LockRank::kPlatform> mu_;
  KeeperRequest* const request_;
  bool broken_ ABSL_GUARDED_BY(mu_) = false;
  bool greeted_ ABSL_GUARDED_BY(mu_) = false;
  pid_t first_thread_ ABSL_GUARDED_BY(mu_) = 0;  // 0: taken
  int keeper_cpu_ ABSL_GUARDED_BY(mu_) = -1;
  // Slots of the regions that the stub has mapped, in their order there, and which of
  // them no thread should have any more. They stay the stub's while it lives: an ended
  // thread's siblings may still write there.
  struct FreeRegion {
    size_t region;
    pid_t last;  // was told to end; 0: there was none
  };
  std::vector<uint32_t> region_slots_ ABSL_GUARDED_BY(mu_);
  std::vector<FreeRegion> free_regions_ ABSL_GUARDED_BY(mu_);
  std::vector<uint32_t> code_slots_ ABSL_GUARDED_BY(mu_);
};

}  // namespace platform::stub

#endif  // PLATFORM_STUB_STUB_PROCESS_H_
