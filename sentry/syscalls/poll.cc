// poll, ppoll: Linux's fs/select.c.
#include "sentry/syscalls/poll.h"

#include "sentry/abi/poll.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/time_args.h"

namespace sentry {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr uint32_t kAlways = abi::kPollErr | abi::kPollHup;

// The guest's array and the entries of those of its members that are open.
struct PollSet {
  std::vector<abi::PollFd> fds;
  std::vector<PollEntry> entries;
  std::vector<uint32_t> index;  // entry -> member
  size_t invalid = 0;
};

Result<PollSet> ReadSet(Task& task, UserAddr addr, uint32_t count) {
  PollSet set;
  if (count > NofileLimit(task)) return Errno::kEINVAL;
  set.fds = TRY(UserIn<abi::PollFd>(addr).ReadArray(task.mm(), count));
  for (uint32_t i = 0; i < count; ++i) {
    abi::PollFd& p = set.fds[i];
    p.revents = 0;
    if (p.fd < 0) continue;
    Result<RefPtr<FileDescription>> file = task.fds().GetNoPath(p.fd);
    if (!file.ok()) {
      p.revents = abi::kPollNval;
      ++set.invalid;
      continue;
    }
    set.entries.push_back({.file = std::move(*file), .wanted = static_cast<uint16_t>(p.events) | kAlways});
    set.index.push_back(i);
  }
  return set;
}

// Restart::kSys: interrupted; the caller knows how its call goes on.
SyscallResult DoPoll(Task& task, UserAddr addr, uint32_t count, Deadline deadline) {
  PollSet set = TRY(ReadSet(task, addr, count));
  const size_t ready = TRY(WaitForAny(task, set.entries, set.invalid > 0 ? Deadline(kNoWait) : deadline));
  for (size_t i = 0; i < set.entries.size(); ++i) {
    set.fds[set.index[i]].revents = static_cast<int16_t>(set.entries[i].ready);
  }
  TRY(UserOut<abi::PollFd>(addr).WriteArray(task.mm(), set.fds));
  return ready + set.invalid;
}

bool Interrupted(const SyscallResult& result) {
  return result.error_if() != nullptr && result.error_if()->restart_if() != nullptr;
}

SyscallResult PollUntil(Task& task, UserAddr addr, uint32_t count, Deadline deadline) {
  const SyscallResult result = DoPoll(task, addr, count, deadline);
  if (!Interrupted(result)) return result;
  task.restart_block = PollRestart{.fds = addr, .count = count, .deadline = deadline};
  return Restart::kBlock;
}

}  // namespace

SyscallResult RestartPoll(Task& task, const PollRestart& restart) {
  return PollUntil(task, restart.fds, restart.count, restart.deadline);
}

SyscallResult SysPoll(Task& task, UserAddr fds, uint32_t count, int32_t timeout_ms) {
  return PollUntil(task, fds, count, timeout_ms < 0 ? Deadline() : PollDeadline(timeout_ms * kNsPerMs));
}

SyscallResult SysPpoll(Task& task, UserAddr fds, uint32_t count, UserInOut<abi::Timespec> timeout,
                       UserIn<abi::SignalSet> mask, Size mask_size) {
  Deadline deadline;
  if (timeout) deadline = PollDeadline(TRY(TimespecToNs(TRY(timeout.Read(task.mm())))));
  TRY(ApplySignalMask(task, mask.addr(), mask_size.value));
  const SyscallResult result = DoPoll(task, fds, count, deadline);
  const bool told = TellTimeLeft(task, deadline, timeout, NsToTimespec);
  if (!Interrupted(result)) return result;
  return told ? SyscallResult(Restart::kNoHand) : Errno::kEINTR;
}

}  // namespace sentry
