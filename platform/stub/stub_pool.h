// Gets stub processes from the template, a few ahead of need.
#ifndef PLATFORM_STUB_STUB_POOL_H_
#define PLATFORM_STUB_STUB_POOL_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "platform/stub/stub_process.h"
#include "platform/stub/template.h"

namespace platform::stub {

// Stubs that may live at once.
inline constexpr size_t kMaxStubs = 16384;

// Owns a template. Thread-safe. A request for a new stub is sent when one is
// taken, and its answer is read when the next is needed, so that the template
// works while nobody waits.
class StubPool {
 public:
  static base::Result<std::unique_ptr<StubPool>> Create(TemplateHandle handle, MemoryFds fds, StubMode mode);
  // One of another template (Platform::NewAddressSpaces); this one buries its stubs. EAGAIN, ESRCH as of Take.
  base::Result<std::unique_ptr<StubPool>> Branch(int place);
  ~StubPool();  // ends the template and the stubs that nobody took

  // EAGAIN: the host's limit of processes. ENOMEM: kMaxStubs. ESRCH: the template
  // is dead.
  base::Result<std::shared_ptr<StubProcess>> Take();

  // Ends `stub`. If no guest thread of it is left, without waiting for the host to
  // take it down (50 us): Reap does later.
  void Bury(std::shared_ptr<StubProcess> stub);
  // Reaps buried stubs that are dead by now; whether some are left.
  bool Reap();

  // Readable when a stub that was taken, of a branch too, has died unburied; TakeDeaths
  // makes it not so, StubProcess::Lost tells which.
  int deaths_fd() const { return deaths_->get(); }
  void TakeDeaths();

  // Polls POLLHUP when the template is dead.
  int control_fd() const { return template_.control.get(); }
  // How the template died, in words; for when control_fd has hung up.
  std::string TemplateDeathCause() const;

 private:
  static constexpr size_t kReady = 2;

  StubPool(TemplateHandle handle, MemoryFds fds, StubMode mode, std::shared_ptr<RequestPages> pages,
           std::shared_ptr<ThreadRegions> regions, std::shared_ptr<const base::UniqueFd> deaths);
  base::Result<void> SendRequest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  base::Result<NewStubReply> Receive(base::UniqueFd& socket, int flags) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Reads one answer into ready_. EAGAIN: none there and `flags` has MSG_DONTWAIT.
  base::Result<void> ReadReply(int flags) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Refill() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const TemplateHandle template_;
  const MemoryFds fds_;
  const StubMode mode_;
  const std::shared_ptr<RequestPages> pages_;
  const std::shared_ptr<ThreadRegions> regions_;  // null: kTraced
  // An epoll of the sockets of all stubs in use, those of all branches.
  const std::shared_ptr<const base::UniqueFd> deaths_;
  // Rank: kPlatformPool. Held while the template answers.
  base::RankedMutex<base::LockRank::kPlatformPool> mu_;
  std::vector<std::shared_ptr<StubProcess>> ready_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<StubProcess>> dying_ ABSL_GUARDED_BY(mu_);
  size_t outstanding_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace platform::stub

#endif  // PLATFORM_STUB_STUB_POOL_H_
