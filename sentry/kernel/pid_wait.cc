// wait4 and waitid: which children a caller may ask for, and what it is told.
#include <utility>

#include "sentry/abi/sched.h"
#include "sentry/kernel/pid_table.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

using base::MutexLock;

Task::WaitOutcome PidTable::DescribeLocked(const ThreadGroup& child) const {
  Task::WaitOutcome out;
  const ThreadGroup* const parent = child.family_->parent;
  out.pid = child.pid().NumberIn(parent ? parent->pid_ns() : *root_);
  if (const RefPtr<Task> leader = child.leader()) {
    if (const RefPtr<Credentials> creds = leader->SharedCreds()) out.uid = creds->uid;  // the kernel's
  }
  out.times = child.cpu_times();
  out.max_rss = child.max_rss();
  return out;
}

bool PidTable::MatchesLocked(const Task& caller, const ThreadGroup& child, const Task::WaitArgs& args) const {
  using Which = Task::WaitArgs::Which;
  if (args.which == Which::kPid && child.tgid() != args.id) return false;
  if (args.which == Which::kProcessGroup) {
    const ProcessGroup* pg = child.family_->process_group.get();
    if (!pg || pg->id != args.id) return false;
  }
  if ((args.options & abi::kWNoThread) && child.family_->parent_task != &caller) return false;
  // "Clone children" end with another signal than SIGCHLD.
  const bool is_clone = child.family_->exit_signal != abi::kSigChld;
  const bool want_clone = (args.options & abi::kWClone) != 0;
  return (args.options & abi::kWAll) || is_clone == want_clone;
}

// Whether `child` has something to tell of the kinds that were asked for.
bool PidTable::TakeReportLocked(ThreadGroup& child, const Task::WaitArgs& args, Task::WaitOutcome& out) {
  ThreadGroup::Family& family = *child.family_;
  const bool keep = (args.options & abi::kWNoWait) != 0;
  if (family.zombie) {
    if (!(args.options & abi::kWExited)) return false;
    const ExitStatus status = child.exit_status();
    out = DescribeLocked(child);
    out.code = status.signo == 0 ? abi::kCldExited : status.core ? abi::kCldDumped : abi::kCldKilled;
    out.status = status.signo ? status.signo : status.code;
    out.wait_status = status.ToWaitStatus();
    return true;
  }
  if ((args.options & abi::kWStopped) && family.stop_report != 0) {
    out = DescribeLocked(child);
    out.code = abi::kCldStopped;
    out.status = family.stop_report;
    out.wait_status = (family.stop_report << 8) | 0x7f;
    if (!keep) family.stop_report = 0;
    return true;
  }
  if ((args.options & abi::kWContinued) && family.continue_report) {
    out = DescribeLocked(child);
    out.code = abi::kCldContinued;
    out.status = abi::kSigCont;
    out.wait_status = 0xffff;
    if (!keep) family.continue_report = false;
    return true;
  }
  return false;
}

Result<Task::WaitOutcome> PidTable::TryWait(Task& caller, const Task::WaitArgs& args) {
  ThreadGroup& parent = caller.group();
  RefPtr<ThreadGroup> reaped;
  Task::WaitOutcome out;
  {
    MutexLock lock(mu_);
    bool any = false;
    ThreadGroup* found = nullptr;
    for (const RefPtr<ThreadGroup>& child : parent.family_->children) {
      if (!MatchesLocked(caller, *child, args)) continue;
      any = true;
      if (!TakeReportLocked(*child, args, out)) continue;
      found = child.get();
      break;
    }
    if (!any) return Errno::kECHILD;
    if (!found) return Errno::kEAGAIN;
    if (!found->family_->zombie || (args.options & abi::kWNoWait)) return out;
    reaped = ReleaseLocked(*found);
  }
  const ThreadGroup::CpuTimes below = reaped->children_cpu_times();
  parent.FoldChildTimes(
      {.user_ns = out.times.user_ns + below.user_ns, .system_ns = out.times.system_ns + below.system_ns},
      std::max(out.max_rss, reaped->children_max_rss()));
  return out;
}

}  // namespace sentry
