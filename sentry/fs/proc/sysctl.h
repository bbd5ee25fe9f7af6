// Numbers under /proc/sys that root may change.
#ifndef SENTRY_FS_PROC_SYSCTL_H_
#define SENTRY_FS_PROC_SYSCTL_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "sentry/fs/proc/proc_rows.h"

namespace sentry {

// "123\n", as a row's text.
Result<std::string> SysctlText(const std::atomic<uint32_t>& value);
Result<std::string> SysctlText(const std::atomic<uint64_t>& value);
// EINVAL: no number, or not in [least, most].
Result<void> SetSysctl(std::atomic<uint32_t>& value, std::string_view text, uint32_t least, uint32_t most);
Result<void> SetSysctl(std::atomic<uint64_t>& value, std::string_view text, uint64_t least, uint64_t most);

extern const ProcFileRow kMqueueRows[5];   // /proc/sys/fs/mqueue
extern const ProcFileRow kInotifyRows[3];  // /proc/sys/fs/inotify

// --- System V IPC (sysv_ipc.cc) ---
extern const ProcFileRow kSysvIpcRows[3];  // /proc/sysvipc
enum class SysvLimit : uint8_t { kMsgMax, kMsgMnb, kMsgMni, kSem, kShmAll, kShmMax, kShmMni, kShmRmidForced };
Result<std::string> SysvLimitText(const ProcRequest& r, SysvLimit which);
Result<void> SetSysvLimit(const ProcRequest& r, SysvLimit which, std::string_view text);
// Of /proc/sys/kernel.
template <SysvLimit kWhich>
constexpr ProcFileRow SysvRow(const char* name) {
  return {name, 0644, [](const ProcRequest& r) { return SysvLimitText(r, kWhich); },
          [](const ProcRequest& r, std::string_view text) { return SetSysvLimit(r, kWhich, text); }};
}

}  // namespace sentry

#endif  // SENTRY_FS_PROC_SYSCTL_H_
