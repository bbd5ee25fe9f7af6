// Calls that a filter leaves to another process (SECCOMP_RET_USER_NOTIF), and the
// descriptor by which that one answers. Analogous to Linux's struct notification and
// struct seccomp_knotif.
#ifndef SENTRY_KERNEL_SECCOMP_NOTIFIER_H_
#define SENTRY_KERNEL_SECCOMP_NOTIFIER_H_

#include <list>
#include <string>

#include "base/mutex.h"
#include "base/wait_queue.h"
#include "sentry/kernel/fd_table.h"
#include "sentry/kernel/seccomp/filter.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

class SeccompNotifier;
class Task;

// A call that waits. Owned by the task that makes it, which takes it off the list
// before it goes on or leaves.
struct SeccompCall {
  enum class State : uint8_t { kNew, kTaken, kAnswered };
  Task& task;
  const RefPtr<SeccompNotifier> notifier;
  const abi::SeccompData data;
  // Guarded by the notifier's lock.
  uint64_t id = 0;
  State state = State::kNew;
  abi::SeccompNotifResp answer = {};
};

class SeccompNotifier final : public SeccompSupervisor {
 public:
  // What can end a task's wait once its call was taken (WAIT_KILLABLE_RECV).
  enum class TakenWait : uint8_t { kInterruptible, kKillable };
  explicit SeccompNotifier(TakenWait taken_wait);

  // --- The filtered task ---
  // False: nobody listens.
  bool Add(SeccompCall& call);
  enum class Progress : uint8_t { kWaits, kWaitsKillable, kAnswered };
  Progress Look(const SeccompCall& call);
  // Off the list. False: the answer came first, or only a kill may end this wait.
  enum class Cause : uint8_t { kSignal, kKill };
  bool Withdraw(SeccompCall& call, Cause cause);
  abi::SeccompNotifResp TakeAnswer(SeccompCall& call);

  // --- The listener ---
  Result<abi::SeccompNotif> Receive();  // EAGAIN; ENOENT: no task is left that could call
  void PutBack(uint64_t id);            // it could not be handed over
  Result<void> Send(const abi::SeccompNotifResp& answer);
  Result<void> CheckId(uint64_t id);
  struct AddedFd {
    int32_t fd;
    RefPtr<FileDescription> replaced;  // may be null
    RefPtr<FdTable> table;             // where it was
  };
  Result<AddedFd> AddFd(const abi::SeccompNotifAddfd& request, RefPtr<FileDescription> file);
  void Close();  // calls that wait, and later ones, end in ENOSYS
  base::EventMask Readiness();
  base::WaitQueue& wait_queue() { return wait_queue_; }

  // --- SeccompSupervisor ---
  void NoTasksLeft() override;
  bool closed() const override;

 private:
  SeccompCall* FindLocked(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AnswerLocked(SeccompCall& call, const abi::SeccompNotifResp& answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const TakenWait taken_wait_;
  base::WaitQueue wait_queue_;
  // Rank kSeccomp: descriptors are put into a table under it, and tasks woken.
  mutable base::RankedMutex<base::LockRank::kSeccomp> mu_;
  std::list<SeccompCall*> calls_ ABSL_GUARDED_BY(mu_);
  uint64_t next_id_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool no_tasks_ ABSL_GUARDED_BY(mu_) = false;
};

class SeccompListener final : public FileDescription {
 public:
  static RefPtr<SeccompListener> Create(RefPtr<SeccompNotifier> notifier);

  SeccompNotifier& notifier() { return *notifier_; }
  base::EventMask Readiness(base::EventMask mask) override { return notifier_->Readiness() & mask; }
  base::WaitQueue* wait_queue() override { return &notifier_->wait_queue(); }
  static const void* Kind();
  const void* kind() const override { return Kind(); }

  SeccompListener(Path path, RefPtr<SeccompNotifier> notifier);

 private:
  ~SeccompListener() override;
  const RefPtr<SeccompNotifier> notifier_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_SECCOMP_NOTIFIER_H_
