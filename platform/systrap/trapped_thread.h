// One trapped stub thread: whose turn it is, and the guest's registers in the frame
// on its signal stack.
#ifndef PLATFORM_SYSTRAP_TRAPPED_THREAD_H_
#define PLATFORM_SYSTRAP_TRAPPED_THREAD_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "platform/stub/stub_process.h"
#include "platform/systrap/region.h"
#include "platform/systrap/spin_policy.h"
#include "sentry/arch/amd64/registers.h"

namespace platform::systrap {

// Sent to a stub thread to end its Switch.
inline constexpr int kKickSignal = 23;  // SIGURG, as trap_entry.S has it

// A thread that does not answer a kick for so many checks of kCheckMs is killed. (A
// loaded host may keep one from its processor for some of them.)
inline constexpr int kCheckMs = 100;
inline constexpr int kKickChecks = 20;

// What a signal of the host's told, read once.
struct Trap {
  int signo;                         // or EVENT_CALL: the rest means nothing then
  int code;                          // si_code
  uint64_t addr;                     // SIGSYS: where the call was made
  int32_t syscall;                   // SIGSYS: its number
  uint32_t arch;                     // SIGSYS: AUDIT_ARCH_*
  uint64_t error_code, number, cr2;  // faults: the processor's
};

// All calls but Kick come from the host thread that runs the context. Between a true
// Await and the next Resume it is the sentry's turn.
class TrappedThread {
 public:
  // Makes a thread in `stub`, which tells of itself by a first trap. ESRCH: the stub
  // is dead, or the thread did not tell while `kicked` was set.
  static base::Result<std::unique_ptr<TrappedThread>> Start(std::shared_ptr<stub::StubProcess> stub,
                                                            const std::atomic<bool>& kicked);
  // Ends the thread, and the whole stub if it is not waiting for us.
  ~TrappedThread();

  pid_t tid() const { return thread_.tid; }
  const std::shared_ptr<stub::StubProcess>& stub() const { return stub_; }

  // Waits for its turn, asleep. False: nothing came for kCheckMs, see Exists.
  bool Await();
  // Waits awake, for `ticks` at most and while `go_on()`; says why it ended. A gap of
  // `gap` ticks between two looks is somebody else's use of this CPU.
  enum class Spin { kCame, kInVain, kDisturbed };
  template <typename F>
  Spin AwaitAwake(uint64_t ticks, uint64_t gap, F go_on);
  // How long the stub waits awake for its turn; 0: it sleeps at once, or now.
  void SetStubSpin(uint64_t ticks) { words_.spin.store(static_cast<uint32_t>(ticks), std::memory_order_relaxed); }
  bool Exists() const;

  // Reads the trap and the guest's registers (orig_rax -1). False: what the guest left
  // there is no frame.
  bool Read(Trap& trap, sentry::arch::Registers& regs);
  bool GetFpState(sentry::arch::FpState& out);

  // Of a call: the rip that a return from it has in `regs`. (The thread may have to go
  // on elsewhere, behind its call.)
  void set_call_rip(uint64_t rip) { call_rip_ = rip; }

  // Calls that the stub answers by itself, by number; below kMaxAnswers.
  static constexpr uint32_t kMaxAnswers = REGION_MAX_ANSWERS;
  void SetAnswer(uint32_t number, uint64_t value) { Answer(number).store(value + 1, std::memory_order_relaxed); }
  void ClearAnswer(uint32_t number) { Answer(number).store(0, std::memory_order_seq_cst); }

  // Of a thread that stopped in a trampoline: rcx before it.
  uint64_t site_rcx() const { return words_.site_rcx.load(std::memory_order_relaxed); }

  // Give the turn: the guest runs with `regs`, and with `fp` unless it is null.
  bool Resume(const sentry::arch::Registers& regs, const sentry::arch::FpState* fp);
  // The same with what it had, after a trap that was none of the guest's.
  void ResumeUnchanged();

  // Keep the guest from running, now and at its next Resume; and again let it.
  void Kick();
  void ClearKick() { words_.kick.store(0, std::memory_order_seq_cst); }

 private:
  TrappedThread(std::shared_ptr<stub::StubProcess> stub, stub::GuestThread thread);
  // Where the words are in the stub; the thread's GS while the guest has none.
  uint64_t Self() const { return thread_.region_address + REGION_WORDS; }
  void GiveTurn(uint32_t command);
  std::atomic_ref<uint64_t> Answer(uint32_t number) const {
    return std::atomic_ref(reinterpret_cast<uint64_t*>(thread_.region + REGION_ANSWERS)[number]);
  }
  void ReadCall(sentry::arch::Registers& regs);
  // Whether `regs` differs from what a call left in rax only.
  bool IsReturn(const sentry::arch::Registers& regs) const;
  // A call has no frame until it is needed. False: the stub is dead or spoilt.
  bool EnsureFrame();
  // The sentry's view of [offset in frame_, + size); empty: no frame lies there.
  std::span<std::byte> FpFrame(uint64_t address) const;

  const std::shared_ptr<stub::StubProcess> stub_;
  const stub::GuestThread thread_;
  RegionWords& words_;
  std::byte* frame_ = nullptr;  // ucontext, in our mapping of the region; checked
  uint64_t fpstate_ = 0;        // its address in the stub, as the frame has it; not checked
  bool our_turn_ = false;
  bool from_syscall_ = false;  // the frame is one of SIGSYS, resumed as such
  bool in_call_ = false;       // no frame: it waits in CallEntry
  CallRegisters call_ = {};    // what it had there
  uint64_t call_fs_base_ = 0, call_rip_ = 0;
};

template <typename F>
TrappedThread::Spin TrappedThread::AwaitAwake(uint64_t ticks, uint64_t gap, F go_on) {
  const uint64_t start = TscClock::Now();
  for (uint64_t last = start;;) {
    if (words_.turn.load(std::memory_order_acquire) == 1) {
      our_turn_ = true;
      return Spin::kCame;
    }
    _mm_pause();
    const uint64_t now = TscClock::Now();
    if (now - last > gap) return Spin::kDisturbed;
    if (now - start > ticks || !go_on()) return Spin::kInVain;
    last = now;
  }
}

}  // namespace platform::systrap

#endif  // PLATFORM_SYSTRAP_TRAPPED_THREAD_H_
