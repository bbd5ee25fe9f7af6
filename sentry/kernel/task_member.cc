// How a task is held at its safe points: the cgroup freezer, cpu.max.
#include "sentry/kernel/task_member.h"

#include "sentry/kernel/cgroup/tree.h"
#include "sentry/kernel/host_futex.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

CgroupMember::Times TaskMember::member_times() const {
  const ThreadGroup::CpuTimes times = task_.cpu_times();
  return {times.user_ns, times.system_ns};
}

// The bits first, then the look at where it is: it either sees them before it enters the guest, or we see it there.
void TaskMember::Hold(uint32_t bits) {
  uint32_t word = hold_.load(std::memory_order_relaxed);
  if ((word & kHoldBits) == bits) return;
  while (!hold_.compare_exchange_weak(word, ((word & ~kHoldBits) + kNudge) | bits, std::memory_order_seq_cst)) {
  }
  if (bits == 0) {
    HostFutexWakeOne(hold_);
  } else {
    task_.KickFromGuest();
  }
}

void TaskMember::Nudge() {
  if (!held()) return;
  hold_.fetch_add(kNudge, std::memory_order_seq_cst);
  HostFutexWakeOne(hold_);
}

void TaskMember::SleepOn(uint32_t word) { HostFutexWait(hold_, word, std::nullopt); }

void TaskMember::KillProcess() { (void)task_.group().SendSignal({.signo = abi::kSigKill, .code = abi::kSiKernel}); }

MemAccount* TaskMember::visible_account() const {
  const RefPtr<Nsproxy> nsproxy = task_.SharedNsproxy();
  return nsproxy ? nsproxy->cgroup->machine()->memory() : nullptr;
}

MemRelief TaskMember::RelieveMemory() { return task_.kernel().RelieveMemory(task_); }

void Task::KickFromGuest() {
  if (impl_->in_guest.load(std::memory_order_seq_cst)) context_->Kick();
}

// Own thread, at a safe point or where it slept: nothing of the guest's moves until it may go on.
void Task::StayHeld() {
  TaskMember& member = impl_->member;
  if (!member.held()) return;
  SwitchCpuMode(CpuMode::kSleep);
  context_->WillBlock();
  if ((member.word() & kHoldFrozen) != 0) state.store('S', std::memory_order_relaxed);
  while (member.held() && !killed()) {
    member.SetQuiet();
    kernel().cgroups().MemberChanged(member);
    for (uint32_t word = member.word(); TaskMember::Held(word) && !killed(); word = member.word()) {
      member.SleepOn(word);
    }
    // A new hold sees us busy or is seen by the loop; so does one that comes of our being busy again.
    member.SetBusy();
    if (member.watched()) kernel().cgroups().MemberWoke();
  }
  kernel().cgroups().MemberChanged(member);
  state.store('R', std::memory_order_relaxed);
  SwitchCpuMode(CpuMode::kSystem);
}

void Task::BecomeBusy() {
  impl_->member.SetBusy();
  if (impl_->member.watched()) [[unlikely]]
    kernel().cgroups().MemberWoke();
  StayHeld();
}

CgroupMember& Task::cgroup_member() const { return impl_->member; }

}  // namespace sentry
