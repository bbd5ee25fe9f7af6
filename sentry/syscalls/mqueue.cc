// mq_open and its kin: Linux's ipc/mqueue.c.
#include "sentry/fs/mqueue/mqueue_fs.h"

#include <utility>

#include "sentry/kernel/block.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/time/clock.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/rooms.h"
#include "sentry/vfs/fs_types.h"

namespace sentry {
namespace {

MqueueNamespace& QueuesOf(Task& task) { return MqueuesOf(task.kernel(), task.vfs_context()); }

Result<RefPtr<MqueueFile>> GetQueue(Task& task, Fd fd) {
  RefPtr<MqueueFile> file = FileCast<MqueueFile>(TRY(task.fds().GetNoPath(fd.value)));
  if (!file) return Errno::kEBADF;
  return file;
}

Result<std::string> ReadName(Task& task, UserPath name) {
  std::string text = TRY(name.Read(task.mm()));
  if (text.empty()) return Errno::kENOENT;
  return text;
}

// Absolute, of CLOCK_REALTIME. EFAULT, EINVAL.
Result<Deadline> ReadTimeout(Task& task, UserAddr timeout) {
  if (timeout.is_null()) return Deadline();
  return DeadlineAtRealtime(TRY(TimespecToNs(TRY(UserIn<abi::Timespec>(timeout).Read(task.mm())))));
}

// Calls `attempt` until it is done; what was handed over in the moment of a signal or of
// the time-out counts.
template <typename Attempt>
Interruptible<int> WaitOnQueue(Task& task, MqueueFile& file, Mqueue::Waiter& waiter, base::EventMask mask,
                               Deadline deadline, Attempt attempt) {
  base::WaitQueue* const queue = file.nonblocking() ? nullptr : file.wait_queue();
  Interruptible<int> done = BlockUntil(task, queue, mask, deadline, attempt, Errno::kETIMEDOUT);
  if (!done.ok() && file.queue().Cancel(waiter) == Mqueue::Outcome::kDone) return 0;
  return done;
}

Mqueue::Wait WaitOf(const MqueueFile& file) { return file.nonblocking() ? Mqueue::Wait::kNever : Mqueue::Wait::kMay; }

class SignalNotification final : public MqueueNotification {
 public:
  SignalNotification(Task& task, const abi::SigEvent& event)
      : MqueueNotification(task.group().tgid(), event.notify, event.signo), group_(&task.group()), event_(event) {}

  void Deliver(const VfsContext& sender) override {
    if (event_.notify != abi::kSigEvSignal || event_.signo == 0) return;
    SigInfo info = {.signo = event_.signo, .code = abi::kSiMesgQ};
    info.u.kill.pid = sender.tgid;
    info.u.kill.uid = sender.creds->uid;
    info.u.kill.value = event_.value;
    (void)group_->SendSignal(info);
  }

 private:
  const RefPtr<ThreadGroup> group_;
  const abi::SigEvent event_;
};

// A notification by thread comes through a netlink socket, and there are none.
Errno ThreadNotificationError(Task& task, const abi::SigEvent& event) {
  std::byte cookie[abi::kNotifyCookieLength];
  if (!CopyInFull(task.mm(), UserAddr(event.value), cookie).ok()) return Errno::kEFAULT;
  const Result<RefPtr<FileDescription>> file = task.fds().GetNoPath(event.signo);
  if (!file.ok()) return file.error();
  const RefPtr<Inode> inode = (*file)->inode();
  return inode && inode->type() == abi::kSIfSock ? Errno::kEINVAL : Errno::kENOTSOCK;
}

}  // namespace

void RegisterMqueueFileSystem(Kernel& kernel) {
  FsTypes::Register("mqueue",
                    [&kernel](const VfsContext& ctx, std::string_view, std::string_view) -> Result<NewFileSystem> {
                      MqueueNamespace& queues = MqueuesOf(kernel, ctx);
                      return NewFileSystem{RefPtr<FileSystem>(&queues.fs()), queues.root()};
                    });
}

SyscallResult SysMqOpen(Task& task, UserPath name, OpenFlags flags, FileMode mode, UserAddr attr) {
  MqueueNamespace::NewQueue args = {.mode = mode.value, .attr = std::nullopt};
  args.byte_limit = task.group().soft_limit(RlimitKind::kMsgqueue);
  if (!attr.is_null()) args.attr = TRY(UserIn<abi::MqAttr>(attr).Read(task.mm()));
  const std::string text = TRY(ReadName(task, name));
  TRY(task.fds().CheckRoom(NofileLimit(task)));
  return InstallFd(task, TRY(QueuesOf(task).Open(task.vfs_context(), text, flags.value, args)), CloseOnExec::kYes);
}

SyscallResult SysMqUnlink(Task& task, UserPath name) {
  return QueuesOf(task).Unlink(task.vfs_context(), TRY(ReadName(task, name)));
}

SyscallResult SysMqTimedsend(Task& task, Fd fd, UserAddr message, Size size, uint32_t priority, UserAddr timeout) {
  const Deadline deadline = TRY(ReadTimeout(task, timeout));
  if (priority >= abi::kMqPrioMax) return Errno::kEINVAL;
  const RefPtr<MqueueFile> file = TRY(GetQueue(task, fd));
  if (!file->writable()) return Errno::kEBADF;
  Mqueue& queue = file->queue();
  if (size.value > static_cast<uint64_t>(queue.message_size())) return Errno::kEMSGSIZE;
  Mqueue::Waiter waiter;
  waiter.message = TRY(MqueueMessage::Create(priority, size.value));
  TRY(CopyInFull(task.mm(), message, waiter.message->bytes()));
  const VfsContext ctx = task.vfs_context();
  return WaitOnQueue(task, *file, waiter, base::kWritableEvents, deadline,
                     [&] { return queue.Send(ctx, waiter, WaitOf(*file)); });
}

SyscallResult SysMqTimedreceive(Task& task, Fd fd, UserAddr message, Size size, UserOut<uint32_t> priority,
                                UserAddr timeout) {
  const Deadline deadline = TRY(ReadTimeout(task, timeout));
  const RefPtr<MqueueFile> file = TRY(GetQueue(task, fd));
  if (!file->readable()) return Errno::kEBADF;
  Mqueue& queue = file->queue();
  if (size.value < static_cast<uint64_t>(queue.message_size())) return Errno::kEMSGSIZE;
  Mqueue::Waiter waiter;
  TRY(WaitOnQueue(task, *file, waiter, base::kReadableEvents, deadline,
                  [&] { return queue.Receive(waiter, WaitOf(*file)); }));
  // As Linux: a message that can't be handed over is lost.
  if (priority) TRY(priority.Write(task.mm(), waiter.message->priority()));
  TRY(CopyOutFull(task.mm(), message, waiter.message->bytes()));
  return static_cast<int64_t>(waiter.message->bytes().size());
}

SyscallResult SysMqNotify(Task& task, Fd fd, UserAddr event) {
  RefPtr<MqueueNotification> notification;
  if (!event.is_null()) {
    const auto given = TRY(UserIn<abi::SigEvent>(event).Read(task.mm()));
    const bool signals = given.notify == abi::kSigEvSignal;
    if (!signals && given.notify != abi::kSigEvNone && given.notify != abi::kSigEvThread) return Errno::kEINVAL;
    if (signals && (given.signo < 0 || given.signo > abi::kSigMax)) return Errno::kEINVAL;
    if (given.notify == abi::kSigEvThread) return ThreadNotificationError(task, given);
    notification = MakeRef<SignalNotification>(task, given);
  }
  const RefPtr<MqueueFile> file = TRY(GetQueue(task, fd));
  return file->queue().SetNotification(task.group().tgid(), std::move(notification));
}

SyscallResult SysMqGetsetattr(Task& task, Fd fd, UserAddr fresh, UserAddr old) {
  abi::MqAttr set = {};
  if (!fresh.is_null()) set = TRY(UserIn<abi::MqAttr>(fresh).Read(task.mm()));
  constexpr int64_t kNonBlock = abi::kONonBlock;
  if ((set.flags & ~kNonBlock) != 0) return Errno::kEINVAL;
  const RefPtr<MqueueFile> file = TRY(GetQueue(task, fd));
  abi::MqAttr before = file->queue().attributes();
  const uint32_t flags = file->flags();
  before.flags = flags & abi::kONonBlock;
  if (!fresh.is_null()) file->SetStatusFlags((flags & ~abi::kONonBlock) | static_cast<uint32_t>(set.flags));
  if (old.is_null()) return 0;
  return UserOut<abi::MqAttr>(old).Write(task.mm(), before);
}

}  // namespace sentry
