// A filter in the tree of filters: each task points at its newest, which points at
// the one before. Analogous to Linux's struct seccomp_filter.
//
// Owner: the tasks and filters that point at it. Nothing changes once a task has it.
#ifndef SENTRY_KERNEL_SECCOMP_FILTER_H_
#define SENTRY_KERNEL_SECCOMP_FILTER_H_

#include <atomic>
#include <bitset>
#include <cstdint>

#include "base/ref_ptr.h"
#include "sentry/kernel/seccomp/bpf.h"

namespace sentry {

// Where calls wait that a filter leaves to another process (notifier.h).
class SeccompSupervisor : public base::RefCounted {
 public:
  // No task has the filter any more.
  virtual void NoTasksLeft() = 0;
  // Nobody listens any more.
  virtual bool closed() const = 0;
};

class SeccompFilter final : public base::RefCounted {
 public:
  enum class Log : uint8_t { kNo, kYes };
  // ENOMEM: the programs of all tasks together would have too much memory.
  static Result<base::RefPtr<SeccompFilter>> Create(BpfProgram program, Log log,
                                                    base::RefPtr<SeccompSupervisor> supervisor = nullptr);

  // Puts it before `older` (may be null), for a caller that alone has it. ENOMEM: the
  // way to the oldest would be longer than Linux allows.
  Result<void> Link(base::RefPtr<SeccompFilter> older);

  struct Verdict {
    uint32_t answer;             // SECCOMP_RET_*
    const SeccompFilter* match;  // whose it is; null: all allow
  };
  // The answer of lowest action, the newest filter's among equals.
  Verdict Run(const abi::SeccompData& data) const;
  // Whether all of them allow this call of x86-64 whatever its arguments are. Cheap.
  bool AlwaysAllows(uint64_t number) const { return number < kCachedCalls && always_allowed_[number]; }

  bool IsOrDescendsFrom(const SeccompFilter* ancestor) const;
  int32_t count() const { return count_; }  // up to the oldest
  bool log() const { return log_ == Log::kYes; }
  SeccompSupervisor* supervisor() const { return supervisor_.get(); }
  // A supervisor who still listens, here or in an older one.
  bool HasLiveSupervisor() const;

  // Tasks that point here, apart from references: with the last one on a way, the
  // supervisors on it learn that nobody will call.
  void AddUser() { users_.fetch_add(1, std::memory_order_relaxed); }
  void DropUser();

  SeccompFilter(BpfProgram program, Log log, base::RefPtr<SeccompSupervisor> supervisor);

 private:
  static constexpr size_t kCachedCalls = 512;
  ~SeccompFilter() override;

  const BpfProgram program_;
  const Log log_;
  const base::RefPtr<SeccompSupervisor> supervisor_;
  base::RefPtr<SeccompFilter> older_;
  size_t path_length_;  // as Linux sums them, this one's included
  int32_t count_ = 1;
  std::bitset<kCachedCalls> always_allowed_;
  // Tasks and newer filters that are in use. Only ever grows from 1 and up.
  std::atomic<uint32_t> users_{0};
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_SECCOMP_FILTER_H_
