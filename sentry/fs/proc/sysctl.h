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
// EINVAL: no number, or not in [least, most].
Result<void> SetSysctl(std::atomic<uint32_t>& value, std::string_view text, uint32_t least, uint32_t most);

extern const ProcFileRow kMqueueRows[5];   // /proc/sys/fs/mqueue
extern const ProcFileRow kInotifyRows[3];  // /proc/sys/fs/inotify

}  // namespace sentry

#endif  // SENTRY_FS_PROC_SYSCTL_H_
