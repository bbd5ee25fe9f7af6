// What becomes of a filtered task's call. Linux's __secure_computing.
#include <algorithm>
#include <optional>

#include "base/log.h"
#include "sentry/kernel/seccomp/notifier.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/kernel/time/clock.h"

namespace sentry {

using base::MutexLock;
using base::RefPtr;

namespace {

constexpr uint32_t kMaxErrno = 4095;

// Linux's mode1_syscalls: read, write, exit, rt_sigreturn.
bool StrictAllows(int32_t number) { return number == 0 || number == 1 || number == 60 || number == 15; }

const char* NameOf(uint32_t action) {
  switch (action) {
    case abi::kSeccompRetKillThread:
      return "kill_thread";
    case abi::kSeccompRetTrap:
      return "trap";
    case abi::kSeccompRetErrno:
      return "errno";
    case abi::kSeccompRetUserNotif:
      return "user_notif";
    case abi::kSeccompRetTrace:
      return "trace";
    case abi::kSeccompRetLog:
      return "log";
    default:
      return "kill_process";
  }
}

// Guests decide how often: 10 lines in 5 s are enough, as of Linux's printk_ratelimit.
bool MayLog() {
  constexpr int64_t kWindowNs = 5'000'000'000;
  constexpr int kLines = 10;
  static base::RankedMutex<base::LockRank::kLeaf> mu;
  static int64_t start = 0;
  static int lines = 0;
  const int64_t now = MonotonicNow();
  MutexLock lock(mu);
  if (now - start > kWindowNs) start = now, lines = 0;
  return ++lines <= kLines;
}

void LogAction(const Task& task, uint32_t action, int32_t number) {
  if (!MayLog()) return;
  LOG(kInfo, "[%d] seccomp: %s: system call %d of %s", task.tid(), NameOf(action), number, task.name());
}

// By default Linux logs what kills, and RET_LOG; and what a filter with the flag does.
void MaybeLog(const Task& task, const SeccompFilter::Verdict& verdict, int32_t number) {
  const uint32_t action = verdict.answer & abi::kSeccompRetActionFull;
  const bool kills = static_cast<int32_t>(action) <= static_cast<int32_t>(abi::kSeccompRetKillThread);
  if (kills || action == abi::kSeccompRetLog || verdict.match->log()) LogAction(task, action, number);
}

}  // namespace

std::optional<RunState> Task::CheckSeccomp() {
  if (seccomp_.takes_no_new_privs_.load(std::memory_order_relaxed)) [[unlikely]]
    TakeOverNoNewPrivs();
  const auto number = static_cast<int32_t>(regs_.orig_rax);
  if (seccomp_.mode() == TaskSeccomp::Mode::kStrict) {
    if (StrictAllows(number)) return std::nullopt;
    LogAction(*this, abi::kSeccompRetKillThread, number);
    impl_->exit_status = {.signo = abi::kSigKill};
    return RunExit{};
  }
  const SeccompFilter& filter = *seccomp_.filter_.load(std::memory_order_acquire);
  if (filter.AlwaysAllows(static_cast<uint32_t>(number))) [[likely]]
    return std::nullopt;
  const abi::SeccompData data = {.nr = number,
                                 .arch = abi::kAuditArchX8664,
                                 .instruction_pointer = regs_.rip,
                                 .args = {regs_.rdi, regs_.rsi, regs_.rdx, regs_.r10, regs_.r8, regs_.r9}};
  const SeccompFilter::Verdict verdict = filter.Run(data);
  if (verdict.match == nullptr) return std::nullopt;
  MaybeLog(*this, verdict, number);
  return Obey(verdict, data);
}

std::optional<RunState> Task::Obey(const SeccompFilter::Verdict& verdict, const abi::SeccompData& data) {
  const uint32_t value = verdict.answer & abi::kSeccompRetData;
  switch (verdict.answer & abi::kSeccompRetActionFull) {
    case abi::kSeccompRetErrno:
      return AfterSyscall(-static_cast<int64_t>(std::min(value, kMaxErrno)));
    case abi::kSeccompRetTrap:
      return TrapSyscall(verdict.answer, data);
    case abi::kSeccompRetTrace:
      return AfterSyscall(Errno::kENOSYS);  // there is no tracer
    case abi::kSeccompRetUserNotif:
      return AskSupervisor(*verdict.match, data);
    case abi::kSeccompRetLog:
      return std::nullopt;
    default:
      return DieOfSyscall(verdict.answer, data);
  }
}

RunState Task::TrapSyscall(uint32_t answer, const abi::SeccompData& data) {
  // The handler sees the registers that the call was made with.
  regs_.rax = regs_.orig_rax;
  regs_.orig_rax = UINT64_MAX;
  SigInfo info = {.signo = abi::kSigSys, .code = abi::kSysSeccomp};
  info.error = static_cast<int32_t>(answer & abi::kSeccompRetData);
  info.u.sys.call_addr = data.instruction_pointer;
  info.u.sys.syscall = data.nr;
  info.u.sys.arch = data.arch;
  ForceSignal(info);
  return RunInterrupted{};
}

// RET_KILL_THREAD of the last thread ends the process as a signal does.
RunState Task::DieOfSyscall(uint32_t answer, const abi::SeccompData&) {
  bool alone;
  {
    MutexLock lock(group_->signal_mu_);
    alone = group_->exit_->live == 1;
  }
  const bool thread_only = (answer & abi::kSeccompRetActionFull) == abi::kSeccompRetKillThread && !alone;
  impl_->exit_status = {.signo = abi::kSigSys};
  if (!thread_only) group_->Exit({.signo = abi::kSigSys});
  return RunExit{};
}

// creds_ is the own thread's to change, so TSYNC leaves it to this one. In time: it
// can't do a thing before its next call.
void Task::TakeOverNoNewPrivs() {
  seccomp_.takes_no_new_privs_.store(false, std::memory_order_relaxed);
  if (creds_->no_new_privs) return;
  RefPtr<Credentials> creds = base::MakeRef<Credentials>(*creds_);
  creds->no_new_privs = true;
  SetCreds(std::move(creds));
}

// --- User notification -------------------------------------------------------

RunState Task::AskSupervisor(const SeccompFilter& filter, const abi::SeccompData& data) {
  RefPtr<SeccompNotifier> notifier(static_cast<SeccompNotifier*>(filter.supervisor()));
  if (!notifier) return AfterSyscall(Errno::kENOSYS);
  seccomp_.call_.reset(new SeccompCall{.task = *this, .notifier = notifier, .data = data});
  if (notifier->Add(*seccomp_.call_)) return RunSeccompWait{};
  seccomp_.call_.reset();
  return AfterSyscall(Errno::kENOSYS);
}

RunState Task::Step(RunSeccompWait) {
  SeccompCall& call = *seccomp_.call_;
  SeccompNotifier& notifier = *call.notifier;
  while (true) {
    PrepareToSleep();
    const SeccompNotifier::Progress progress = notifier.Look(call);
    if (progress == SeccompNotifier::Progress::kAnswered) break;
    const bool killable = progress == SeccompNotifier::Progress::kWaitsKillable;
    const SleepKind kind = killable ? SleepKind::kKillable : SleepKind::kInterruptible;
    if (SleepAs(kind, std::nullopt) != WakeReason::kInterrupted) continue;
    using Cause = SeccompNotifier::Cause;
    if (!notifier.Withdraw(call, killed() ? Cause::kKill : Cause::kSignal)) continue;
    seccomp_.call_.reset();
    return AfterSyscall(Restart::kSys);
  }
  const abi::SeccompNotifResp answer = notifier.TakeAnswer(call);
  seccomp_.call_.reset();
  if ((answer.flags & abi::kSeccompNotifFlagContinue) != 0) {
    return AfterSyscall(kernel().dispatcher().Dispatch(*this));
  }
  return AfterSyscall(answer.error != 0 ? int64_t{answer.error} : answer.val);
}

}  // namespace sentry
