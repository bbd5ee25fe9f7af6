// Into the guest.
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "platform/kvm/layout.h"
#include "platform/kvm/ring0.h"
#include "platform/kvm/segments.h"
#include "platform/kvm/vcpu.h"

namespace platform::kvm {
namespace {

using sentry::arch::Registers;

constexpr uint64_t kGuestFlags = 0x254dd5;                 // CF PF AF ZF SF TF DF OF NT RF AC ID
constexpr uint64_t kFlagsFixed = 0x202;                    // IF and the bit that is always set
constexpr uint64_t kKeepTranslations = uint64_t{1} << 63;  // of a value for CR3

int Tid() {
  thread_local const int tid = static_cast<int>(syscall(SYS_gettid));
  return tid;
}

// Kicks go to the thread that runs the virtual CPU; all it takes is that they come.
void OpenForKicks() {
  thread_local const bool open = [] {
    sigset_t kick;
    sigemptyset(&kick);
    sigaddset(&kick, kKickSignal);
    pthread_sigmask(SIG_UNBLOCK, &kick, nullptr);
    return true;
  }();
  (void)open;
}

}  // namespace

Vcpu::Tag* Vcpu::TagOf(KvmAddressSpace& space) {
  Tag* tag = std::find_if(tags_, tags_ + tag_count_, [&](const Tag& t) { return t.space == space.id(); });
  if (tag == tags_ + tag_count_) {
    const Result<uint64_t> root = space.Root(index_, ring0_);
    if (!root.ok()) return nullptr;
    tag = std::min_element(tags_, tags_ + tag_count_, [](const Tag& a, const Tag& b) { return a.used < b.used; });
    *tag = {.space = space.id(), .root = *root};
  }
  tag->used = ++uses_;
  return tag;
}

bool Vcpu::Prepare(KvmAddressSpace& space, const Registers& regs) {
  if (broken_ && !Reset().ok()) return false;
  OpenForKicks();
  tag_ = TagOf(space);
  if (tag_ == nullptr) return false;
  tid_.store(Tid(), std::memory_order_relaxed);
  running_in_.store(space.id(), std::memory_order_seq_cst);
  // From here on Expel and Forget wait for this run.
  const uint64_t generation = space.generation();
  const bool stale = std::exchange(tag_->generation, generation) != generation;
  cr3_ = tag_->root | (tag_count_ > 1 ? static_cast<uint64_t>(tag_ - tags_) + 1 : 0);

  kvm_sregs& s = run_->s.regs.sregs;
  // The host has not taken those of a run that was cancelled.
  bool dirty = (run_->kvm_dirty_regs & KVM_SYNC_X86_SREGS) != 0;
  if (root_of_.load(std::memory_order_seq_cst) == 0) {
    // With a new CR3 the host drops the translations of all.
    s.cr3 = cr3_;
    dirty = true;
  }
  const auto set = [&](kvm_segment& have, uint64_t selector, uint64_t base) {
    if (have.selector == selector && have.base == base) return;
    have = DataSegment(selector, base);
    dirty = true;
  };
  set(s.ds, DataSelector(regs.ds), s.ds.base);
  set(s.es, DataSelector(regs.es), s.es.base);
  set(s.fs, DataSelector(regs.fs), regs.fs_base);
  set(s.gs, DataSelector(regs.gs), regs.gs_base);
  const auto cpu = static_cast<uint64_t>(sched_getcpu());
  At<uint64_t>(RING0_GDT + (CPU_SELECTOR & ~7)) = CpuDescriptor(cpu);
  kvm_regs& r = run_->s.regs.regs;
  r = {.rax = regs.rax,
       .rbx = regs.rbx,
       .rcx = regs.rcx,
       .rdx = regs.rdx,
       .rsi = regs.rsi,
       .rdi = regs.rdi,
       .rsp = regs.rsp,
       .rbp = regs.rbp,
       .r8 = regs.r8,
       .r9 = regs.r9,
       .r10 = regs.r10,
       .r11 = regs.r11,
       .r12 = regs.r12,
       .r13 = regs.r13,
       .r14 = regs.r14,
       .r15 = regs.r15,
       .rip = regs.rip,
       .rflags = (regs.eflags & kGuestFlags) | kFlagsFixed};
  if (traits_.ring0) {
    dirty |= ResumeInRing0(regs, stale);
  } else {
    s.cr3 = cr3_;
    s.cs = CodeSegment(static_cast<uint16_t>(UserCs(regs)));
    s.ss = DataSegment(USER_SS);
    dirty = true;
  }
  run_->kvm_dirty_regs = KVM_SYNC_X86_REGS | (dirty ? KVM_SYNC_X86_SREGS : 0);
  return true;
}

// Starts in ring 0, which goes on to ring 3. True: that takes other segments.
bool Vcpu::ResumeInRing0(const Registers& regs, bool stale) {
  kvm_sregs& s = run_->s.regs.sregs;
  kvm_regs& r = run_->s.regs.regs;
  uint64_t* const frame = &At<uint64_t>(FRAME_RIP);
  frame[0] = r.rip;
  frame[1] = UserCs(regs);
  frame[2] = r.rflags;
  frame[3] = r.rsp;
  frame[4] = USER_SS;
  At<uint64_t>(FRAME_CR3) = cr3_ | (tag_count_ > 1 && !stale ? kKeepTranslations : 0);
  At<uint64_t>(FRAME_RAX) = r.rax;
  r.rip = TextAddress(stale || s.cr3 != cr3_ ? ring0_resume_cr3 : ring0_resume);
  r.rsp = Ring0Address(FRAME_RIP);
  r.rflags = 2;
  if (s.cs.selector == KERNEL_CS) return false;
  s.cs = CodeSegment(KERNEL_CS);
  s.ss = DataSegment(KERNEL_SS);
  return true;
}

Exit Vcpu::Enter(KvmAddressSpace& space, Registers& regs) {
  run_->exit_reason = KVM_EXIT_UNKNOWN;
  const int error = ioctl(fd_.get(), KVM_RUN, 0) == 0 ? 0 : errno;
  run_->immediate_exit = 0;
  if (run_->s.regs.sregs.cr3 == cr3_) root_of_.store(space.id(), std::memory_order_seq_cst);
  Leave();
  Exit exit = Decode(error, regs);
  if (exit.kind == Exit::Kind::kBroken) broken_ = true;
  if (!traits_.ring0) AsByHardware(space, exit, regs);
  return exit;
}

// Prepared, but not entered: nothing of it has come to the processor.
void Vcpu::Cancel() {
  tag_->generation = 0;
  Leave();
}

// Of the sequence above: the run is over for Expel and Forget.
void Vcpu::Leave() {
  running_in_.store(0, std::memory_order_seq_cst);
  runs_ended_.fetch_add(1, std::memory_order_seq_cst);
  if (waiters_.load(std::memory_order_seq_cst) == 0) return;
  syscall(SYS_futex, &runs_ended_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void Vcpu::TakeOver() {
  // Of a run that was cancelled: as the processor has them, they come back.
  run_->kvm_dirty_regs = 0;
  run_->immediate_exit = 1;
  (void)ioctl(fd_.get(), KVM_RUN, 0);
  run_->immediate_exit = 0;
}

void Vcpu::Interrupt() {
  run_->immediate_exit = 1;
  syscall(SYS_tgkill, getpid(), tid_.load(std::memory_order_relaxed), kKickSignal);
}

void Vcpu::AwaitEndOfRun(uint32_t ended) {
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  while (runs_ended_.load(std::memory_order_seq_cst) == ended) {
    Interrupt();
    constexpr timespec kAgain = {0, 1'000'000};
    syscall(SYS_futex, &runs_ended_, FUTEX_WAIT_PRIVATE, ended, &kAgain, nullptr, 0);
  }
  waiters_.fetch_sub(1, std::memory_order_seq_cst);
}

void Vcpu::Expel(const KvmAddressSpace& space) {
  const uint32_t ended = runs_ended_.load(std::memory_order_seq_cst);
  if (running_in_.load(std::memory_order_seq_cst) == space.id()) AwaitEndOfRun(ended);
}

void Vcpu::Forget(const KvmAddressSpace& space) {
  uint64_t id = space.id();
  if (!root_of_.compare_exchange_strong(id, 0, std::memory_order_seq_cst)) return;
  // A run that began from its root may not have left it yet.
  const uint32_t ended = runs_ended_.load(std::memory_order_seq_cst);
  if (running_in_.load(std::memory_order_seq_cst) != 0) AwaitEndOfRun(ended);
}

}  // namespace platform::kvm
