// epoll: the system call side of Linux's fs/eventpoll.c.
#include "sentry/vfs/epoll.h"

#include "sentry/abi/poll.h"
#include "sentry/kernel/block.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/poll.h"
#include "sentry/syscalls/time_args.h"

namespace sentry {
namespace {

// Linux's EP_MAX_EVENTS; and how many one call hands out here at most, which
// bounds what a guest can make us allocate.
constexpr int32_t kMaxEvents = INT32_MAX / static_cast<int32_t>(sizeof(abi::EpollEvent));
constexpr int32_t kMaxBatch = 1 << 14;

Result<RefPtr<EpollFile>> GetEpoll(Task& task, Fd fd) {
  RefPtr<EpollFile> epoll = FileCast<EpollFile>(TRY(task.fds().GetNoPath(fd.value)));
  if (!epoll) return Errno::kEINVAL;
  return epoll;
}

SyscallResult Wait(Task& task, Fd fd, UserAddr events, int32_t max, Deadline deadline) {
  if (max <= 0 || max > kMaxEvents) return Errno::kEINVAL;
  if (!MakeUserRange(events, static_cast<uint64_t>(max) * sizeof(abi::EpollEvent))) return Errno::kEFAULT;
  const RefPtr<EpollFile> epoll = TRY(GetEpoll(task, fd));
  base::WaitQueue* const queue = deadline == kNoWait ? nullptr : epoll->wait_queue();
  auto found = BlockUntil(task, queue, ~base::EventMask{0}, deadline, [&]() -> Result<std::vector<EpollEvent>> {
    std::vector<EpollEvent> ready = epoll->Collect(static_cast<size_t>(std::min(max, kMaxBatch)));
    if (ready.empty()) return Errno::kEAGAIN;
    return ready;
  });
  if (found.interrupted()) return Errno::kEINTR;
  if (!found.ok()) return 0;
  std::vector<abi::EpollEvent> out;
  out.reserve(found.value().size());
  for (const EpollEvent& e : found.value()) out.push_back({.events = e.events, .data = e.data});
  TRY(CopyOutFull(task.mm(), events, std::as_bytes(std::span(out))));
  return out.size();
}

Deadline FromMs(int32_t timeout_ms) {
  return timeout_ms < 0 ? Deadline() : PollDeadline(int64_t{timeout_ms} * 1'000'000);
}

}  // namespace

SyscallResult SysEpollCreate(Task& task, int32_t size) {
  if (size <= 0) return Errno::kEINVAL;
  return SysEpollCreate1(task, 0);
}

SyscallResult SysEpollCreate1(Task& task, uint32_t flags) {
  if ((flags & ~abi::kEpollCloExec) != 0) return Errno::kEINVAL;
  return InstallFd(task, EpollFile::Create(), ToCloseOnExec(flags));
}

SyscallResult SysEpollCtl(Task& task, Fd epoll_fd, int32_t operation, Fd fd, UserAddr event_addr) {
  EpollEvent event;
  if (operation != abi::kEpollCtlDel) {
    abi::EpollEvent raw;
    TRY(CopyInFull(task.mm(), event_addr, std::as_writable_bytes(std::span(&raw, 1))));
    event = {.events = raw.events, .data = raw.data};
  }
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(epoll_fd.value));
  const RefPtr<FileDescription> target = TRY(task.fds().GetNoPath(fd.value));
  if (!target->pollable()) return Errno::kEPERM;
  const RefPtr<EpollFile> epoll = FileCast<EpollFile>(file);
  if (!epoll || file == target) return Errno::kEINVAL;
  if (!task.creds().Has(Capability::kBlockSuspend)) event.events &= ~kEpollWakeup;
  switch (operation) {
    case abi::kEpollCtlAdd:
      return epoll->Add(*target, fd.value, event);
    case abi::kEpollCtlDel:
      return epoll->Remove(*target, fd.value);
    case abi::kEpollCtlMod:
      return epoll->Modify(*target, fd.value, event);
    default:
      return Errno::kEINVAL;
  }
}

SyscallResult SysEpollWait(Task& task, Fd epoll, UserAddr events, int32_t max, int32_t timeout_ms) {
  return Wait(task, epoll, events, max, FromMs(timeout_ms));
}

SyscallResult SysEpollPwait(Task& task, Fd epoll, UserAddr events, int32_t max, int32_t timeout_ms,
                            UserIn<abi::SignalSet> mask, Size mask_size) {
  TRY(ApplySignalMask(task, mask.addr(), mask_size.value));
  return Wait(task, epoll, events, max, FromMs(timeout_ms));
}

SyscallResult SysEpollPwait2(Task& task, Fd epoll, UserAddr events, int32_t max, UserIn<abi::Timespec> timeout,
                             UserIn<abi::SignalSet> mask, Size mask_size) {
  Deadline deadline;
  if (timeout) deadline = PollDeadline(TRY(TimespecToNs(TRY(timeout.Read(task.mm())))));
  TRY(ApplySignalMask(task, mask.addr(), mask_size.value));
  return Wait(task, epoll, events, max, deadline);
}

}  // namespace sentry
