// The system call layer's entry: table look-up, counters, strace.
#ifndef SENTRY_SYSCALLS_DISPATCHER_H_
#define SENTRY_SYSCALLS_DISPATCHER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/dispatch.h"

namespace sentry {

class TableDispatcher final : public SyscallDispatcher {
 public:
  struct Options {
    bool strace = false;
  };
  explicit TableDispatcher(Options options) : options_(options) {}

  SyscallResult Dispatch(Task& task) override;

  // How often each missing (or unknown) call was asked for, most first.
  std::vector<std::pair<std::string, uint64_t>> Unimplemented() const;

 private:
  static constexpr size_t kMaxNumber = 512;
  SyscallResult Missing(Task& task, uint64_t number, const SyscallRow* row);
  SyscallResult Steady(Task& task, const SyscallRow& row, const SyscallArgs& args);
  SyscallResult Traced(Task& task, const SyscallRow& row, const SyscallArgs& args);

  const Options options_;
  // One counter a number; the last for numbers past the table. Independent.
  std::array<std::atomic<uint64_t>, kMaxNumber + 1> missing_{};
};

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_DISPATCHER_H_
