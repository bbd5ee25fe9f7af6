#include "sentry/fs/proc/sysctl.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "sentry/abi/mqueue.h"
#include "sentry/vfs/inotify.h"

namespace sentry {

Result<std::string> SysctlText(const std::atomic<uint32_t>& value) { return absl::StrCat(value.load(), "\n"); }
Result<std::string> SysctlText(const std::atomic<uint64_t>& value) { return absl::StrCat(value.load(), "\n"); }

namespace {

template <typename Number>
Result<void> Set(std::atomic<Number>& value, std::string_view text, Number least, Number most) {
  constexpr std::string_view kSpace = " \t\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  if (error != std::errc() || rest.find_first_not_of(kSpace) != rest.npos) return Errno::kEINVAL;
  if (number < least || number > most) return Errno::kEINVAL;
  value.store(number, std::memory_order_relaxed);
  return Ok();
}

}  // namespace

Result<void> SetSysctl(std::atomic<uint32_t>& value, std::string_view text, uint32_t least, uint32_t most) {
  return Set(value, text, least, most);
}
Result<void> SetSysctl(std::atomic<uint64_t>& value, std::string_view text, uint64_t least, uint64_t most) {
  return Set(value, text, least, most);
}

namespace {

template <std::atomic<uint32_t> InotifyLimits::*kLimit>
constexpr ProcFileRow InotifyRow(const char* name) {
  return {name, 0644, [](const ProcRequest&) { return SysctlText(InotifyLimits::Get().*kLimit); },
          [](const ProcRequest&, std::string_view text) {
            return SetSysctl(InotifyLimits::Get().*kLimit, text, 0, InotifyLimits::kMost);
          }};
}

template <MqueueLimit kLimit, uint32_t kLeast, uint32_t kMost>
constexpr ProcFileRow MqueueRow(const char* name) {
  return {name, 0644, [](const ProcRequest& r) { return SysctlText(r.view.Mqueue(r.ctx, kLimit)); },
          [](const ProcRequest& r, std::string_view text) {
            return SetSysctl(r.view.Mqueue(r.ctx, kLimit), text, kLeast, kMost);
          }};
}

constexpr uint32_t kMsgMost = abi::kHardMsgMax, kMsgsizeMost = abi::kHardMsgsizeMax;

}  // namespace

const ProcFileRow kMqueueRows[5] = {
    MqueueRow<MqueueLimit::kMsgDefault, 1, kMsgMost>("msg_default"),
    MqueueRow<MqueueLimit::kMsgMax, 1, kMsgMost>("msg_max"),
    MqueueRow<MqueueLimit::kMsgsizeDefault, 128, kMsgsizeMost>("msgsize_default"),
    MqueueRow<MqueueLimit::kMsgsizeMax, 128, kMsgsizeMost>("msgsize_max"),
    MqueueRow<MqueueLimit::kQueuesMax, 0, INT32_MAX>("queues_max"),
};

const ProcFileRow kInotifyRows[3] = {
    InotifyRow<&InotifyLimits::max_queued_events>("max_queued_events"),
    InotifyRow<&InotifyLimits::max_user_instances>("max_user_instances"),
    InotifyRow<&InotifyLimits::max_user_watches>("max_user_watches"),
};

}  // namespace sentry
