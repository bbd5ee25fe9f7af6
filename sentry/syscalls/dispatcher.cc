#include "sentry/syscalls/dispatcher.h"

#include <algorithm>

#include "base/log.h"
#include "sentry/syscalls/strace.h"

namespace sentry {

SyscallResult TableDispatcher::Dispatch(Task& task) {
  const arch::Registers& regs = task.regs();
  // An int, in Linux: the upper half of rax says nothing.
  const auto number = static_cast<uint64_t>(int64_t{static_cast<int32_t>(regs.orig_rax)});
  const SyscallRow* row = FindSyscall(number);
  if (row == nullptr || row->call == nullptr) [[unlikely]]
    return Missing(task, number, row);
  const SyscallArgs args = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
  if (options_.strace) [[unlikely]]
    return Traced(task, *row, args);
  if (row->steady) return Steady(task, *row, args);
  return row->call(task, args);
}

SyscallResult TableDispatcher::Steady(Task& task, const SyscallRow& row, const SyscallArgs& args) {
  const uint32_t generation = task.context().answers_generation();
  SyscallResult result = row.call(task, args);
  const uint64_t* const value = result.value_if();
  // Filters would not be asked any more. (One that comes now changes the generation.)
  if (value != nullptr && task.seccomp_state().AnswersStand(row.number)) {
    task.context().RememberAnswer(row.number, *value, generation);
  }
  return result;
}

SyscallResult TableDispatcher::Missing(Task& task, uint64_t number, const SyscallRow* row) {
  const uint64_t before = missing_[std::min<uint64_t>(number, kMaxNumber)].fetch_add(1, std::memory_order_relaxed);
  if (before == 0) {
    LOG(kInfo, "[%d] system call %s (%d) is not implemented", task.tid(), row != nullptr ? row->name : "unknown",
        static_cast<int64_t>(number));
  }
  const Errno error = row != nullptr ? row->missing_errno : Errno::kENOSYS;
  if (options_.strace) {
    StraceLine(task, absl::StrFormat("%s(...) = -1 %s (not implemented)", row != nullptr ? row->name : "unknown",
                                     base::ErrnoName(error)));
  }
  return error;
}

SyscallResult TableDispatcher::Traced(Task& task, const SyscallRow& row, const SyscallArgs& args) {
  std::string line = row.name;
  line += '(';
  row.print(task, args, line);
  line += ')';
  // A call that may not return is shown at its start.
  if (std::string_view(row.name).starts_with("exit") || std::string_view(row.name).starts_with("execve")) {
    StraceLine(task, line + " ...");
  }
  SyscallResult result = row.call(task, args);
  StraceLine(task, line + StraceResult(result));
  return result;
}

std::vector<std::pair<std::string, uint64_t>> TableDispatcher::Unimplemented() const {
  std::vector<std::pair<std::string, uint64_t>> out;
  for (size_t i = 0; i <= kMaxNumber; ++i) {
    const uint64_t count = missing_[i].load(std::memory_order_relaxed);
    if (count == 0) continue;
    const SyscallRow* row = i < kMaxNumber ? FindSyscall(i) : nullptr;
    out.emplace_back(row != nullptr ? row->name : absl::StrFormat("unknown(%d)", i), count);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

}  // namespace sentry
