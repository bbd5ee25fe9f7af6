// System V IPC: what there is, and its limits.
#include <algorithm>
#include <charconv>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sentry/fs/proc/sysctl.h"
#include "sentry/kernel/ipc/messages.h"
#include "sentry/kernel/ipc/semaphores.h"
#include "sentry/kernel/ipc/shared_memory.h"

namespace sentry {

namespace {

constexpr uint32_t kMost = INT32_MAX;

Result<std::string> SemaphoresText(const ProcRequest& r) {
  return r.view.Semaphores(r.ctx).Text(*r.opened_by().user_ns);
}

Result<std::string> MessagesText(const ProcRequest& r) {
  return r.view.Messages(r.ctx).Text(*r.opened_by().user_ns, r.view.pid_ns());
}

Result<std::string> SharedMemoryText(const ProcRequest& r) {
  return r.view.SharedMemory(r.ctx).Text(*r.opened_by().user_ns, r.view.pid_ns());
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

std::string SemText(const SemaphoreLimits& limits) {
  return absl::StrCat(limits.per_set.load(), "\t", limits.in_all.load(), "\t", limits.per_call.load(), "\t",
                      limits.sets.load(), "\n");
}

// As many as there are; the others stay.
Result<void> SetSem(SemaphoreLimits& limits, std::string_view text) {
  const std::vector<int32_t> numbers = TRY(Numbers(text));
  std::atomic<int32_t>* const all[] = {&limits.per_set, &limits.in_all, &limits.per_call, &limits.sets};
  for (size_t i = 0; i < std::min(numbers.size(), std::size(all)); ++i) {
    if (all[i] == &limits.sets && (numbers[i] < 0 || numbers[i] > abi::kIpcMni)) return Errno::kERANGE;
    *all[i] = numbers[i];
  }
  return Ok();
}

// `fn` (the limit, the highest that it may be) of each that is one number; not of kSem.
template <typename Fn>
auto WithNumber(const ProcRequest& r, SysvLimit which, Fn fn) {
  switch (which) {
    case SysvLimit::kMsgMax:
      return fn(r.view.Messages(r.ctx).limits.message_bytes, kMost);
    case SysvLimit::kMsgMnb:
      return fn(r.view.Messages(r.ctx).limits.queue_bytes, kMost);
    case SysvLimit::kMsgMni:
      return fn(r.view.Messages(r.ctx).limits.queues, uint32_t{abi::kIpcMni});
    case SysvLimit::kShmAll:
      return fn(r.view.SharedMemory(r.ctx).limits.pages, UINT64_MAX);
    case SysvLimit::kShmMax:
      return fn(r.view.SharedMemory(r.ctx).limits.segment_bytes, UINT64_MAX);
    case SysvLimit::kShmMni:
      return fn(r.view.SharedMemory(r.ctx).limits.segments, uint32_t{abi::kIpcMni});
    case SysvLimit::kSem:
    case SysvLimit::kShmRmidForced:
      break;
  }
  return fn(r.view.SharedMemory(r.ctx).limits.rmid_forced, uint32_t{1});
}

}  // namespace

const ProcFileRow kSysvIpcRows[3] = {
    {"msg", 0444, MessagesText}, {"sem", 0444, SemaphoresText}, {"shm", 0444, SharedMemoryText}};

Result<std::string> SysvLimitText(const ProcRequest& r, SysvLimit which) {
  if (which == SysvLimit::kSem) return SemText(r.view.Semaphores(r.ctx).limits);
  return WithNumber(r, which, [](const auto& value, auto) { return SysctlText(value); });
}

Result<void> SetSysvLimit(const ProcRequest& r, SysvLimit which, std::string_view text) {
  if (which == SysvLimit::kSem) return SetSem(r.view.Semaphores(r.ctx).limits, text);
  TRY(WithNumber(r, which, [&](auto& value, auto most) { return SetSysctl(value, text, 0, most); }));
  if (which == SysvLimit::kShmRmidForced) r.view.SharedMemory(r.ctx).RetireOrphans();
  return Ok();
}

}  // namespace sentry
