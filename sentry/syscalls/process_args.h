// What several process calls share: option bits of wait, usage, string arrays.
#ifndef SENTRY_SYSCALLS_PROCESS_ARGS_H_
#define SENTRY_SYSCALLS_PROCESS_ARGS_H_

#include <string>
#include <vector>

#include "sentry/abi/resource.h"
#include "sentry/kernel/task.h"

namespace sentry {

// Options of wait4 and waitid (man 2 wait).
inline constexpr uint32_t kWNoHang = 1, kWUntraced = 2, kWExited = 4, kWContinued = 8, kWNoWait = 0x01000000;
inline constexpr uint32_t kWNoThread = 0x20000000, kWAll = 0x40000000, kWClone = 0x80000000;

// 0 is the caller. ESRCH.
Result<RefPtr<Task>> FindTaskOrSelf(Task& task, int32_t number);

abi::Rusage ToRusage(const ThreadGroup::CpuTimes& times, uint64_t max_rss_bytes);

// A null-terminated array of strings (argv, envp); null: empty. E2BIG past what
// execve could ever take, so a guest can't make us hold more.
Result<std::vector<std::string>> ReadStringArray(Task& task, UserAddr array);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_PROCESS_ARGS_H_
