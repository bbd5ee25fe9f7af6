// seccomp(2), PR_SET_SECCOMP, and the ioctls of a listener (man 2 seccomp_unotify).
// Checks in the order of Linux's kernel/seccomp.c.
#include "sentry/syscalls/seccomp.h"

#include <cstring>
#include <utility>

#include "sentry/kernel/block.h"
#include "sentry/kernel/close.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"

namespace sentry {
namespace {

SyscallResult SetModeStrict(Task& task, uint32_t flags, UserAddr arg) {
  if (flags != 0 || !arg.is_null()) return Errno::kEINVAL;
  return task.SetSeccompStrict();
}

Result<void> CheckFlags(uint32_t flags) {
  if ((flags & ~abi::kSeccompFilterAllFlags) != 0) return Errno::kEINVAL;
  const bool listens = (flags & abi::kSeccompFilterNewListener) != 0;
  // Both give a positive number back, unless TSYNC says ESRCH instead of the thread.
  if (listens && (flags & abi::kSeccompFilterTsync) != 0 && (flags & abi::kSeccompFilterTsyncEsrch) == 0) {
    return Errno::kEINVAL;
  }
  if ((flags & abi::kSeccompFilterWaitKillable) != 0 && !listens) return Errno::kEINVAL;
  return Ok();
}

Result<BpfProgram> ReadProgram(Task& task, UserAddr arg) {
  const abi::SockFprog program = TRY(UserIn<abi::SockFprog>(arg).Read(task.mm()));
  if (program.len == 0 || program.len > abi::kBpfMaxInstructions) return Errno::kEINVAL;
  if (!task.creds().no_new_privs && !task.creds().Has(Capability::kSysAdmin)) return Errno::kEACCES;
  return BpfProgram::Create(TRY(UserIn<abi::SockFilter>(UserAddr(program.filter)).ReadArray(task.mm(), program.len)));
}

// 0, or the thread that could not follow, as flags want to hear of it.
Result<int32_t> Attach(Task& task, RefPtr<SeccompFilter> filter, uint32_t flags) {
  using Sync = Task::SeccompSync;
  const Sync sync = (flags & abi::kSeccompFilterTsync) != 0 ? Sync::kAllThreads : Sync::kThisThread;
  const int32_t failed = TRY(task.AttachSeccompFilter(std::move(filter), sync));
  if (failed != 0 && (flags & abi::kSeccompFilterTsyncEsrch) != 0) return Errno::kESRCH;
  return failed;
}

SyscallResult AttachWithListener(Task& task, BpfProgram program, SeccompFilter::Log log, uint32_t flags) {
  using TakenWait = SeccompNotifier::TakenWait;
  const bool killable = (flags & abi::kSeccompFilterWaitKillable) != 0;
  auto notifier = MakeRef<SeccompNotifier>(killable ? TakenWait::kKillable : TakenWait::kInterruptible);
  RefPtr<SeccompFilter> filter = TRY(SeccompFilter::Create(std::move(program), log, notifier));
  // The number comes first: once the filter stands there is no way back.
  const int32_t fd = TRY(InstallFd(task, SeccompListener::Create(std::move(notifier)), CloseOnExec::kYes));
  const Result<int32_t> attached = Attach(task, std::move(filter), flags);
  if (attached.ok()) return fd;
  Result<RefPtr<FileDescription>> file = task.fds().Remove(fd);
  if (file.ok()) CloseFile(task, std::move(*file));
  return attached.error();
}

SyscallResult SetModeFilter(Task& task, uint32_t flags, UserAddr arg) {
  TRY(CheckFlags(flags));
  BpfProgram program = TRY(ReadProgram(task, arg));
  const auto log = (flags & abi::kSeccompFilterLog) != 0 ? SeccompFilter::Log::kYes : SeccompFilter::Log::kNo;
  if ((flags & abi::kSeccompFilterNewListener) != 0) return AttachWithListener(task, std::move(program), log, flags);
  return Attach(task, TRY(SeccompFilter::Create(std::move(program), log)), flags);
}

SyscallResult GetActionAvail(Task& task, uint32_t flags, UserAddr arg) {
  if (flags != 0) return Errno::kEINVAL;
  switch (TRY(UserIn<uint32_t>(arg).Read(task.mm()))) {
    case abi::kSeccompRetKillProcess:
    case abi::kSeccompRetKillThread:
    case abi::kSeccompRetTrap:
    case abi::kSeccompRetErrno:
    case abi::kSeccompRetUserNotif:
    case abi::kSeccompRetTrace:
    case abi::kSeccompRetLog:
    case abi::kSeccompRetAllow:
      return 0;
    default:
      return Errno::kEOPNOTSUPP;
  }
}

SyscallResult GetNotifSizes(Task& task, uint32_t flags, UserAddr arg) {
  if (flags != 0) return Errno::kEINVAL;
  const abi::SeccompNotifSizes sizes = {sizeof(abi::SeccompNotif), sizeof(abi::SeccompNotifResp),
                                        sizeof(abi::SeccompData)};
  return UserOut<abi::SeccompNotifSizes>(arg).Write(task.mm(), sizes);
}

// --- The listener's ioctls ---

SyscallResult Receive(Task& task, SeccompNotifier& notifier, UserAddr arg) {
  constexpr abi::SeccompNotif kZero = {};
  // So that the struct can grow.
  const abi::SeccompNotif old = TRY(UserIn<abi::SeccompNotif>(arg).Read(task.mm()));
  if (memcmp(&old, &kZero, sizeof old) != 0) return Errno::kEINVAL;
  // O_NONBLOCK says nothing here.
  Interruptible<abi::SeccompNotif> call =
      BlockUntil(task, &notifier.wait_queue(), base::kEventIn, std::nullopt, [&] { return notifier.Receive(); });
  if (!call.ok()) return call.error();
  const Result<void> told = UserOut<abi::SeccompNotif>(arg).Write(task.mm(), call.value());
  if (!told.ok()) notifier.PutBack(call.value().id);
  return told;
}

SyscallResult Send(Task& task, SeccompNotifier& notifier, UserAddr arg) {
  const abi::SeccompNotifResp answer = TRY(UserIn<abi::SeccompNotifResp>(arg).Read(task.mm()));
  if ((answer.flags & ~abi::kSeccompNotifFlagContinue) != 0) return Errno::kEINVAL;
  if (answer.flags != 0 && (answer.error != 0 || answer.val != 0)) return Errno::kEINVAL;
  return notifier.Send(answer);
}

SyscallResult AddFd(Task& task, SeccompNotifier& notifier, uint32_t request, UserAddr arg) {
  const uint32_t size = (request & abi::kIoctlSizeMask) >> 16;
  abi::SeccompNotifAddfd add = {};
  if (size < sizeof add || size >= kPageSize) return Errno::kEINVAL;
  TRY(CopyInExtensible(task, arg, size, sizeof add, std::as_writable_bytes(std::span(&add, 1))));
  const bool sets = (add.flags & abi::kSeccompAddfdSetfd) != 0;
  if ((add.newfd_flags & ~abi::kOCloExec) != 0) return Errno::kEINVAL;
  if ((add.flags & ~(abi::kSeccompAddfdSetfd | abi::kSeccompAddfdSend)) != 0) return Errno::kEINVAL;
  if (add.newfd != 0 && !sets) return Errno::kEINVAL;
  RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(static_cast<int32_t>(add.srcfd)));
  SeccompNotifier::AddedFd added = TRY(notifier.AddFd(add, std::move(file)));
  if (added.replaced) CloseFileOfTable(task, *added.table, std::move(added.replaced));
  return added.fd;
}

SyscallResult CheckId(Task& task, SeccompNotifier& notifier, UserAddr arg) {
  return notifier.CheckId(TRY(UserIn<uint64_t>(arg).Read(task.mm())));
}

}  // namespace

SyscallResult SeccompIoctl(Task& task, SeccompListener& listener, uint32_t request, UserAddr arg) {
  SeccompNotifier& notifier = listener.notifier();
  switch (request) {
    case abi::kSeccompIoctlRecv:
      return Receive(task, notifier, arg);
    case abi::kSeccompIoctlSend:
      return Send(task, notifier, arg);
    case abi::kSeccompIoctlIdValid:
    case abi::kSeccompIoctlIdValidWrongDir:
      return CheckId(task, notifier, arg);
    case abi::kSeccompIoctlSetFlags:
      // SYNC_WAKE_UP is a hint for the scheduler, which is the host's.
      return (arg.value & ~abi::kSeccompFdSyncWakeUp) != 0 ? SyscallResult(Errno::kEINVAL) : SyscallResult(0);
    default:
      break;
  }
  if ((request & ~abi::kIoctlSizeMask) == (abi::kSeccompIoctlAddfd & ~abi::kIoctlSizeMask)) {
    return AddFd(task, notifier, request, arg);
  }
  return Errno::kEINVAL;
}

SyscallResult SysSeccomp(Task& task, uint32_t operation, uint32_t flags, UserAddr arg) {
  switch (operation) {
    case abi::kSeccompSetModeStrict:
      return SetModeStrict(task, flags, arg);
    case abi::kSeccompSetModeFilter:
      return SetModeFilter(task, flags, arg);
    case abi::kSeccompGetActionAvail:
      return GetActionAvail(task, flags, arg);
    case abi::kSeccompGetNotifSizes:
      return GetNotifSizes(task, flags, arg);
    default:
      return Errno::kEINVAL;
  }
}

SyscallResult PrctlSetSeccomp(Task& task, uint64_t mode, UserAddr program) {
  switch (mode) {
    case abi::kSeccompModeStrict:
      return SetModeStrict(task, 0, UserAddr());
    case abi::kSeccompModeFilter:
      return SetModeFilter(task, 0, program);
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace sentry
