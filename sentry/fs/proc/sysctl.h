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

// --- sysv_ipc.cc ---
extern const ProcFileRow kSysvIpcRows[2];  // /proc/sysvipc
// /proc/sys/kernel/{msgmax,msgmnb,msgmni,sem}.
Result<std::string> MsgMaxText(const ProcRequest& r);
Result<std::string> MsgMnbText(const ProcRequest& r);
Result<std::string> MsgMniText(const ProcRequest& r);
Result<std::string> SemText(const ProcRequest& r);
Result<void> SetMsgMax(const ProcRequest& r, std::string_view text);
Result<void> SetMsgMnb(const ProcRequest& r, std::string_view text);
Result<void> SetMsgMni(const ProcRequest& r, std::string_view text);
Result<void> SetSem(const ProcRequest& r, std::string_view text);

}  // namespace sentry

#endif  // SENTRY_FS_PROC_SYSCTL_H_
