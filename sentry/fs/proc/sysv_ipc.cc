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

Result<void> SetShmRmidForced(SharedMemoryNamespace& memory, std::string_view text) {
  TRY(SetSysctl(memory.limits.rmid_forced, text, 0, 1));
  memory.RetireOrphans();
  return Ok();
}

}  // namespace

const ProcFileRow kSysvIpcRows[3] = {
    {"msg", 0444, MessagesText}, {"sem", 0444, SemaphoresText}, {"shm", 0444, SharedMemoryText}};

Result<std::string> SysvLimitText(const ProcRequest& r, SysvLimit which) {
  switch (which) {
    case SysvLimit::kMsgMax:
      return SysctlText(r.view.Messages(r.ctx).limits.message_bytes);
    case SysvLimit::kMsgMnb:
      return SysctlText(r.view.Messages(r.ctx).limits.queue_bytes);
    case SysvLimit::kMsgMni:
      return SysctlText(r.view.Messages(r.ctx).limits.queues);
    case SysvLimit::kSem:
      return SemText(r.view.Semaphores(r.ctx).limits);
    case SysvLimit::kShmAll:
      return SysctlText(r.view.SharedMemory(r.ctx).limits.pages);
    case SysvLimit::kShmMax:
      return SysctlText(r.view.SharedMemory(r.ctx).limits.segment_bytes);
    case SysvLimit::kShmMni:
      return SysctlText(r.view.SharedMemory(r.ctx).limits.segments);
    case SysvLimit::kShmRmidForced:
      break;
  }
  return SysctlText(r.view.SharedMemory(r.ctx).limits.rmid_forced);
}

Result<void> SetSysvLimit(const ProcRequest& r, SysvLimit which, std::string_view text) {
  switch (which) {
    case SysvLimit::kMsgMax:
      return SetSysctl(r.view.Messages(r.ctx).limits.message_bytes, text, 0, kMost);
    case SysvLimit::kMsgMnb:
      return SetSysctl(r.view.Messages(r.ctx).limits.queue_bytes, text, 0, kMost);
    case SysvLimit::kMsgMni:
      return SetSysctl(r.view.Messages(r.ctx).limits.queues, text, 0, abi::kIpcMni);
    case SysvLimit::kSem:
      return SetSem(r.view.Semaphores(r.ctx).limits, text);
    case SysvLimit::kShmAll:
      return SetSysctl(r.view.SharedMemory(r.ctx).limits.pages, text, 0, UINT64_MAX);
    case SysvLimit::kShmMax:
      return SetSysctl(r.view.SharedMemory(r.ctx).limits.segment_bytes, text, 0, UINT64_MAX);
    case SysvLimit::kShmMni:
      return SetSysctl(r.view.SharedMemory(r.ctx).limits.segments, text, 0, abi::kIpcMni);
    case SysvLimit::kShmRmidForced:
      break;
  }
  return SetShmRmidForced(r.view.SharedMemory(r.ctx), text);
}

}  // namespace sentry
