// A task's mode and filters. Analogous to Linux's struct seccomp.
#ifndef SENTRY_KERNEL_SECCOMP_TASK_SECCOMP_H_
#define SENTRY_KERNEL_SECCOMP_TASK_SECCOMP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "sentry/kernel/seccomp/filter.h"

namespace sentry {

class Task;
struct SeccompCall;

// Changed under the group's signal lock: by the task itself, or by another thread
// that brings all to its own filters (TSYNC). Read by the task without.
class TaskSeccomp {
 public:
  enum class Mode : uint8_t { kDisabled, kStrict, kFilter };
  TaskSeccomp();
  ~TaskSeccomp();

  Mode mode() const { return mode_.load(std::memory_order_acquire); }
  bool active() const { return mode() != Mode::kDisabled; }
  // Whether what a call of this number answers may be answered again without asking
  // the filters.
  bool AnswersStand(uint64_t number) const {
    if (!active()) [[likely]]
      return true;
    const SeccompFilter* const filter = filter_.load(std::memory_order_acquire);
    return mode() == Mode::kFilter && filter != nullptr && filter->AlwaysAllows(number);
  }

 private:
  friend class Task;

  void SetFilter(base::RefPtr<SeccompFilter> filter);
  base::RefPtr<SeccompFilter> filter() const { return base::RefPtr<SeccompFilter>(filter_.load()); }

  std::atomic<Mode> mode_{Mode::kDisabled};
  // One reference. What is replaced is always an ancestor of what replaces it, so the
  // task's own look needs no reference of its own.
  std::atomic<SeccompFilter*> filter_{nullptr};
  // Another thread's TSYNC gave it its no_new_privs; to be taken over at the next call.
  std::atomic<bool> takes_no_new_privs_{false};
  // Own thread: the call that a supervisor decides.
  std::unique_ptr<SeccompCall> call_;
};

// For the runtime, on a task that does not run yet (InitProcess::before_start): what a
// container's configuration asks for. `flags`: SECCOMP_FILTER_FLAG_LOG, SPEC_ALLOW.
// EINVAL; ENOMEM.
Result<void> InstallSeccompProgram(Task& task, std::span<const abi::SockFilter> program, uint64_t flags);

}  // namespace sentry

#endif  // SENTRY_KERNEL_SECCOMP_TASK_SECCOMP_H_
