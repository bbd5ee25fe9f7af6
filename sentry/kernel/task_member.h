// A task as its control group sees it: where it is, what holds it, whose memory it uses. Own to this room.
#ifndef SENTRY_KERNEL_TASK_MEMBER_H_
#define SENTRY_KERNEL_TASK_MEMBER_H_

#include <atomic>
#include <cstdint>

#include "sentry/kernel/cgroup/member.h"
#include "sentry/kernel/task.h"
#include "sentry/memfile/mem_account.h"

namespace sentry {

class TaskMember final : public CgroupMember, public MemCharger {
 public:
  explicit TaskMember(Task& task) : task_(task) {}

  Task& task() const { return task_; }
  bool held() const { return Held(word()); }
  uint32_t word() const { return hold_.load(std::memory_order_seq_cst); }
  static bool Held(uint32_t word) { return (word & kHoldBits) != 0; }
  // A held thread looks around: it was killed.
  void Nudge();
  // Until the next hold or Nudge after `word` was looked at.
  void SleepOn(uint32_t word);
  // Own thread. Quiet from here on, until SetBusy: what it does in between is nothing.
  void SetQuiet() { quiet_.store(true, std::memory_order_seq_cst); }
  void SetBusy() { quiet_.store(false, std::memory_order_seq_cst); }

  // --- CgroupMember ---
  int32_t member_tid() const override { return task_.tid(); }
  int32_t member_tgid() const override { return task_.tgid(); }
  Times member_times() const override;
  void Hold(uint32_t bits) override;
  bool quiet() const override { return quiet_.load(std::memory_order_seq_cst); }
  void KillProcess() override;

  // --- MemCharger ---
  MemAccount* mem_account() const override { return CgroupMember::mem_account(); }
  // The root of its cgroup namespace: a container's limit is its memory's size, that of a group inside is not.
  MemAccount* visible_account() const override;
  MemRelief RelieveMemory() override;

 private:
  // The word is CgroupHold bits, and above them a count of nudges.
  static constexpr uint32_t kHoldBits = 0xff, kNudge = 0x100;

  Task& task_;
  std::atomic<uint32_t> hold_{0};
  std::atomic<bool> quiet_{true};  // it has not begun yet
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_TASK_MEMBER_H_
