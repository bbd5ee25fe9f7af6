#include "sentry/syscalls/process_args.h"

#include "sentry/syscalls/time_args.h"

namespace sentry {
namespace {
constexpr size_t kMaxBytes = 8 << 20;          // above the loader's own limit of 6 MiB
constexpr size_t kMaxStringBytes = 128 << 10;  // MAX_ARG_STRLEN
}  // namespace

Result<RefPtr<Task>> FindTaskOrSelf(Task& task, int32_t number) {
  RefPtr<Task> target = number == 0 ? RefPtr<Task>(&task) : task.FindTask(number);
  if (!target) return Errno::kESRCH;
  return target;
}

abi::Rusage ToRusage(const ThreadGroup::CpuTimes& times, uint64_t max_rss_bytes) {
  abi::Rusage usage{};
  usage.utime = NsToTimeval(times.user_ns);
  usage.stime = NsToTimeval(times.system_ns);
  usage.maxrss = static_cast<int64_t>(max_rss_bytes >> 10);
  return usage;
}

Result<std::vector<std::string>> ReadStringArray(Task& task, UserAddr array) {
  std::vector<std::string> strings;
  if (array.is_null()) return strings;
  size_t total = 0;
  while (true) {
    const uint64_t pointer = TRY(UserIn<uint64_t>(array + strings.size() * sizeof(uint64_t)).Read(task.mm()));
    if (pointer == 0) return strings;
    Result<std::string> string = CopyInString(task.mm(), UserAddr(pointer), kMaxStringBytes);
    if (!string.ok()) return string.Is(Errno::kENAMETOOLONG) ? Errno::kE2BIG : string.error();
    total += string->size() + 1 + sizeof(uint64_t);
    if (total > kMaxBytes) return Errno::kE2BIG;
    strings.push_back(std::move(string).value());
  }
}

}  // namespace sentry
