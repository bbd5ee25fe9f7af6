// System V IPC: what there is, and its limits.
#include <algorithm>
#include <charconv>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sentry/fs/proc/sysctl.h"
#include "sentry/kernel/ipc/messages.h"
#include "sentry/kernel/ipc/semaphores.h"

namespace sentry {

namespace {

constexpr uint32_t kMost = INT32_MAX;

Result<std::string> SemaphoresText(const ProcRequest& r) {
  return r.view.Semaphores(r.ctx).Text(*r.opened_by().user_ns);
}

Result<std::string> MessagesText(const ProcRequest& r) {
  return r.view.Messages(r.ctx).Text(*r.opened_by().user_ns, r.view.pid_ns());
}

// Numbers between white space. EINVAL: something else, or none.
Result<std::vector<int32_t>> Numbers(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n";
  std::vector<int32_t> numbers;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    if (text.empty()) break;
    const std::string_view word = text.substr(0, text.find_first_of(kSpace));
    int32_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || end != word.data() + word.size()) return Errno::kEINVAL;
    numbers.push_back(number);
    text.remove_prefix(word.size());
  }
  if (numbers.empty()) return Errno::kEINVAL;
  return numbers;
}

}  // namespace

const ProcFileRow kSysvIpcRows[2] = {{"msg", 0444, MessagesText}, {"sem", 0444, SemaphoresText}};

Result<std::string> MsgMaxText(const ProcRequest& r) { return SysctlText(r.view.Messages(r.ctx).limits.message_bytes); }
Result<std::string> MsgMnbText(const ProcRequest& r) { return SysctlText(r.view.Messages(r.ctx).limits.queue_bytes); }
Result<std::string> MsgMniText(const ProcRequest& r) { return SysctlText(r.view.Messages(r.ctx).limits.queues); }

Result<void> SetMsgMax(const ProcRequest& r, std::string_view text) {
  return SetSysctl(r.view.Messages(r.ctx).limits.message_bytes, text, 0, kMost);
}
Result<void> SetMsgMnb(const ProcRequest& r, std::string_view text) {
  return SetSysctl(r.view.Messages(r.ctx).limits.queue_bytes, text, 0, kMost);
}
Result<void> SetMsgMni(const ProcRequest& r, std::string_view text) {
  return SetSysctl(r.view.Messages(r.ctx).limits.queues, text, 0, abi::kIpcMni);
}

Result<std::string> SemText(const ProcRequest& r) {
  const SemaphoreLimits& limits = r.view.Semaphores(r.ctx).limits;
  return absl::StrCat(limits.per_set.load(), "\t", limits.in_all.load(), "\t", limits.per_call.load(), "\t",
                      limits.sets.load(), "\n");
}

// As many as there are; the others stay.
Result<void> SetSem(const ProcRequest& r, std::string_view text) {
  SemaphoreLimits& limits = r.view.Semaphores(r.ctx).limits;
  const std::vector<int32_t> numbers = TRY(Numbers(text));
  std::atomic<int32_t>* const all[] = {&limits.per_set, &limits.in_all, &limits.per_call, &limits.sets};
  if (numbers.size() >= 4 && (numbers[3] < 0 || numbers[3] > abi::kIpcMni)) return Errno::kERANGE;
  for (size_t i = 0; i < std::min(numbers.size(), std::size(all)); ++i) *all[i] = numbers[i];
  return Ok();
}

}  // namespace sentry
