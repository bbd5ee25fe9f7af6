#include "platform/kvm/vcpu.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "platform/kvm/exceptions.h"
#include "platform/kvm/layout.h"
#include "platform/kvm/ring0.h"

namespace platform::kvm {
namespace {

using sentry::arch::FpState;
using sentry::arch::Registers;

constexpr uint64_t kCr0 = 0x80050033;  // PG AM WP NE ET MP PE
constexpr uint64_t kCr4Pae = 1 << 5, kCr4Osfxsr = 1 << 9, kCr4Osxmmexcpt = 1 << 10, kCr4Fsgsbase = 1 << 16,
                   kCr4Pcide = 1 << 17, kCr4Osxsave = 1 << 18, kCr4Smep = 1 << 20, kCr4Smap = 1 << 21;
constexpr uint64_t kEfer = 0xd01;  // NXE LMA LME SCE
constexpr uint32_t kMsrTsc = 0x10, kMsrStar = 0xc0000081, kMsrLstar = 0xc0000082, kMsrCstar = 0xc0000083,
                   kMsrSyscallMask = 0xc0000084;
constexpr uint64_t kSyscallMask = 0x257fd5;  // as Linux: all that a guest could have set
constexpr uint64_t kGuestFlags = 0x254dd5;   // CF PF AF ZF SF TF DF OF NT RF AC ID
constexpr uint64_t kResumeFlag = 0x10000;
constexpr uint64_t kFlagsFixed = 0x202;  // IF and the bit that is always set
constexpr uint64_t kNoSyscall = ~uint64_t{0};
constexpr uint64_t kKeepTranslations = uint64_t{1} << 63;  // of a value for CR3
constexpr uint64_t kCpuSegment = 0x0040f50000000000;       // as Linux has it
constexpr uint64_t kDr6Initial = 0xffff0ff0;
constexpr size_t kXstateBv = 512;  // of an XSAVE image: the components in it

constexpr uint8_t kSyscallCode[] = {0x0f, 0x05};

kvm_segment CodeSegment(uint16_t selector) {
  const bool is_32 = selector == USER_CS32;
  kvm_segment s = {};
  s.limit = 0xffffffff;
  s.selector = selector;
  s.type = 11;
  s.present = s.s = s.g = 1;
  s.dpl = selector & 3;
  s.l = !is_32;
  s.db = is_32;
  return s;
}

// A null selector makes none. Guests may have readable code in a data segment, too.
kvm_segment DataSegment(uint64_t selector, uint64_t base = 0) {
  const uint64_t index = selector & ~uint64_t{7};
  const bool is_code = index == (USER_CS & ~7) || index == (USER_CS32 & ~7);
  kvm_segment s = {};
  s.base = base;
  s.limit = 0xffffffff;
  s.selector = static_cast<uint16_t>(selector);
  s.type = is_code ? 11 : 3;
  s.s = s.g = s.db = 1;
  s.dpl = selector == KERNEL_SS ? 0 : 3;
  s.present = selector > 3;
  s.unusable = selector <= 3;
  return s;
}

// What a guest can have loaded; of anything else nothing is left.
uint64_t DataSelector(uint64_t selector) {
  const uint64_t lowest = selector | 3;
  const bool is_ours = lowest == USER_SS || lowest == USER_CS || lowest == USER_CS32 || lowest == CPU_SELECTOR;
  return is_ours ? selector : selector & 3;
}

uint64_t UserCs(const Registers& regs) { return regs.cs == USER_CS32 ? USER_CS32 : USER_CS; }

bool HasErrorCode(uint8_t vector) {
  constexpr uint32_t kWithCode = 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;
  return ((kWithCode >> vector) & 1) != 0;
}

uint64_t GateLow(uint64_t handler, int dpl) {
  constexpr uint64_t kInterruptGate = 0x8e, kIst = 1;
  return (handler & 0xffff) | uint64_t{KERNEL_CS} << 16 | kIst << 32 |
         (kInterruptGate | static_cast<uint64_t>(dpl) << 5) << 40 | (handler >> 16 & 0xffff) << 48;
}

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

void InstallKickHandler() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  sigaction(kKickSignal, &action, nullptr);
}

void FillSharedPages(std::byte* text, std::byte* idt) {
  std::memcpy(text, ring0_text, static_cast<size_t>(ring0_end - ring0_text));
  auto* const gates = reinterpret_cast<uint64_t*>(idt);
  for (uint64_t v = 0; v < VECTOR_COUNT; v++) {
    const uint64_t handler = TextAddress(ring0_vectors) + v * VECTOR_SIZE;
    const bool for_guests = v == 3 || v == 4;  // int3, into
    gates[2 * v] = GateLow(handler, for_guests ? 3 : 0);
    gates[2 * v + 1] = handler >> 32;
  }
}

Result<std::unique_ptr<Vcpu>> Vcpu::Create(Machine& machine, Tables& tables, const SharedPages& shared, uint32_t index,
                                           const Traits& traits) {
  std::unique_ptr<Vcpu> v(new Vcpu(machine, tables, index, traits));
  v->fd_ = TRY(machine.NewVcpu(index));
  void* const run = mmap(nullptr, machine.run_size(), PROT_READ | PROT_WRITE, MAP_SHARED, v->fd_.get(), 0);
  if (run == MAP_FAILED) return base::HostErrno();
  v->run_ = static_cast<kvm_run*>(run);
  TRY(v->MakePages(shared));
  if (ioctl(v->fd_.get(), kSetCpuid, &machine.cpuid()) != 0) return base::HostErrno();
  kvm_xcrs xcrs = {};
  xcrs.nr_xcrs = 1;
  xcrs.xcrs[0].value = machine.xsave_features();
  if (ioctl(v->fd_.get(), KVM_SET_XCRS, &xcrs) != 0) return base::HostErrno();
  TRY(v->Reset());
  return v;
}

Vcpu::~Vcpu() {
  if (run_ != nullptr) munmap(run_, machine_.run_size());
}

Result<void> Vcpu::MakePages(const SharedPages& shared) {
  constexpr uint64_t kPresent = 1, kWrite = 2, kAccessed = 0x20, kDirty = 0x40, kNoExecute = uint64_t{1} << 63;
  uint64_t tables[2];
  for (uint64_t* page : {&ring0_, &tables[0], &tables[1], &gdt_, &stack_, &answers_}) *page = TRY(tables_.Allocate());
  constexpr uint64_t kTable = kPresent | kWrite | kAccessed, kData = kPresent | kAccessed | kNoExecute;
  tables_.Entries(ring0_)[510] = tables[0] | kTable;
  tables_.Entries(tables[0])[0] = tables[1] | kTable;
  uint64_t* const pages = tables_.Entries(tables[1]);
  pages[0] = shared.text | kPresent | kAccessed;
  pages[1] = shared.idt | kData;
  pages[2] = gdt_ | kData;
  pages[3] = stack_ | kData | kWrite | kDirty;
  pages[4] = answers_ | kData;
  uint64_t* const gdt = &At<uint64_t>(RING0_GDT);
  const uint64_t tss = Ring0Address(RING0_TSS);
  gdt[KERNEL_CS / 8] = 0x00af9b000000ffff;
  gdt[KERNEL_SS / 8] = 0x00cf93000000ffff;
  gdt[USER_CS32 / 8] = 0x00cffb000000ffff;
  gdt[USER_SS / 8] = 0x00cff3000000ffff;
  gdt[USER_CS / 8] = 0x00affb000000ffff;
  gdt[TSS_SELECTOR / 8] = 0x67 | (tss & 0xffffff) << 16 | uint64_t{0x8b} << 40 | (tss >> 24 & 0xff) << 56;
  gdt[TSS_SELECTOR / 8 + 1] = tss >> 32;
  const uint64_t stack_end = Ring0Address(RING0_STACK_END);
  std::memcpy(&At<std::byte>(RING0_TSS + 4), &stack_end, 8);     // RSP0
  std::memcpy(&At<std::byte>(RING0_TSS + 0x24), &stack_end, 8);  // IST1
  At<uint16_t>(RING0_TSS + 0x66) = 0x68;                         // no I/O permission map
  return base::Ok();
}

template <typename T>
T& Vcpu::At(int64_t address) const {
  const uint64_t page = address >= RING0_ANSWERS ? answers_ : address >= RING0_STACK ? stack_ : gdt_;
  return *reinterpret_cast<T*>(tables_.Host(page) + (static_cast<uint64_t>(address) & 0xfff));
}

Result<void> Vcpu::Reset() {
  kvm_sregs s;
  if (ioctl(fd_.get(), KVM_GET_SREGS, &s) != 0) return base::HostErrno();
  using Entry = kvm_cpuid_entry2;
  const auto has = [this](uint32_t leaf, uint32_t Entry::*reg, int bit) { return machine_.Supports(leaf, reg, bit); };
  s.cr0 = kCr0;
  s.cr3 = 0;
  s.cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave;
  if (has(7, &Entry::ebx, 0)) s.cr4 |= kCr4Fsgsbase;
  if (has(7, &Entry::ebx, 7)) s.cr4 |= kCr4Smep;
  if (has(7, &Entry::ebx, 20)) s.cr4 |= kCr4Smap;
  if (traits_.ring0 && traits_.nested_paging && has(1, &Entry::ecx, 17)) {
    s.cr4 |= kCr4Pcide;
    tag_count_ = kTags;
  }
  s.efer = kEfer;
  s.cs = CodeSegment(USER_CS);
  s.ss = DataSegment(USER_SS);
  s.ds = s.es = s.fs = s.gs = DataSegment(0);
  s.idt.base = Ring0Address(RING0_IDT);
  s.idt.limit = VECTOR_COUNT * 16 - 1;
  s.gdt.base = Ring0Address(RING0_GDT);
  s.gdt.limit = CPU_SELECTOR | 7;
  s.tr = {};
  s.tr.base = Ring0Address(RING0_TSS);
  s.tr.limit = 0x67;
  s.tr.selector = TSS_SELECTOR;
  s.tr.type = 11;
  s.tr.present = 1;
  s.ldt = {};
  s.ldt.unusable = 1;
  std::memset(s.interrupt_bitmap, 0, sizeof s.interrupt_bitmap);
  kvm_vcpu_events events = {};
  if (ioctl(fd_.get(), KVM_SET_VCPU_EVENTS, &events) != 0) return base::HostErrno();
  if (ioctl(fd_.get(), KVM_SET_SREGS, &s) != 0) return base::HostErrno();
  Msrs msrs;
  msrs.Add(kMsrStar, uint64_t{KERNEL_CS} << 32 | uint64_t{USER_CS32} << 48);
  msrs.Add(kMsrLstar, TextAddress(ring0_text));
  msrs.Add(kMsrCstar, TextAddress(ring0_compat));
  msrs.Add(kMsrSyscallMask, kSyscallMask);
  const int set = ioctl(fd_.get(), kSetMsrs, &msrs);
  if (set != static_cast<int>(msrs.count)) return set < 0 ? base::HostErrno() : Errno::kENOSYS;
  // The host's own time stamps, so that its vDSO is right in the guest.
  uint64_t offset = 0;
  kvm_device_attr attr = {};
  attr.group = KVM_VCPU_TSC_CTRL;
  attr.attr = KVM_VCPU_TSC_OFFSET;
  attr.addr = reinterpret_cast<uint64_t>(&offset);
  host_tsc_ = ioctl(fd_.get(), KVM_SET_DEVICE_ATTR, &attr) == 0;
  run_->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
  run_->s.regs.sregs = s;
  root_of_.store(0, std::memory_order_seq_cst);
  for (Tag& tag : tags_) tag = {};
  broken_ = false;
  return base::Ok();
}

// --- Into the guest -------------------------------------------------------------

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
  bool dirty = root_of_.load(std::memory_order_seq_cst) == 0;
  // With a new CR3 the host drops the translations of all.
  if (dirty) s.cr3 = cr3_;
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
  At<uint64_t>(RING0_GDT + (CPU_SELECTOR & ~7)) = kCpuSegment | (cpu & 0xfff);
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
  exits_.fetch_add(1, std::memory_order_relaxed);
  Exit exit = Decode(error, regs);
  if (exit.kind == Exit::Kind::kBroken) broken_ = true;
  if (!traits_.ring0 && exit.kind == Exit::Kind::kException) AsByHardware(space, exit, regs);
  return exit;
}

// Of the sequence above: the run is over for Expel and Forget.
void Vcpu::Leave() {
  running_in_.store(0, std::memory_order_seq_cst);
  runs_ended_.fetch_add(1, std::memory_order_seq_cst);
  if (waiters_.load(std::memory_order_seq_cst) == 0) return;
  syscall(SYS_futex, &runs_ended_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
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

// --- Out of the guest -----------------------------------------------------------

Exit Vcpu::Decode(int error, Registers& regs) {
  const kvm_sregs& s = run_->s.regs.sregs;
  const kvm_regs& r = run_->s.regs.regs;
  if (error == 0 && run_->exit_reason != KVM_EXIT_HLT) return BrokenExit();
  if (error != 0 && error != EINTR && error != EAGAIN && error != EFAULT) {
    return {.kind = Exit::Kind::kBroken, .cause = absl::StrFormat("KVM_RUN: %s", strerror(error))};
  }
  Exit exit{.kind = Exit::Kind::kNothing};
  if ((s.cs.selector & 3) == 0) {
    exit = DecodeRing0(regs);
  } else {
    regs = ToRegisters(r, s, regs);
    regs.rip = r.rip;
    regs.eflags = r.rflags;
    regs.cs = s.cs.selector;
    regs.ss = s.ss.selector;
  }
  if (error == 0) return exit;
  // On the way into an exception: the instruction will come to it again.
  DropPending(exit);
  if (error != EFAULT || exit.kind != Exit::Kind::kNothing) return exit;
  if ((s.cs.selector & 3) == 0) return {.kind = Exit::Kind::kBroken, .cause = "ring 0 lost a page"};
  exit.kind = Exit::Kind::kNoPage;
  if (run_->exit_reason == kExitMemoryFault) {
    MemoryFaultExit fault;
    std::memcpy(&fault, &run_->padding, sizeof fault);
    exit.addr = fault.gpa;
  }
  return exit;
}

// The guest's registers are those of the processor but rip, rsp, flags and selectors,
// which may be in a frame.
Registers Vcpu::ToRegisters(const kvm_regs& r, const kvm_sregs& s, const Registers& before) {
  Registers regs = before;
  regs.rax = r.rax, regs.rbx = r.rbx, regs.rcx = r.rcx, regs.rdx = r.rdx;
  regs.rsi = r.rsi, regs.rdi = r.rdi, regs.rbp = r.rbp, regs.rsp = r.rsp;
  regs.r8 = r.r8, regs.r9 = r.r9, regs.r10 = r.r10, regs.r11 = r.r11;
  regs.r12 = r.r12, regs.r13 = r.r13, regs.r14 = r.r14, regs.r15 = r.r15;
  regs.fs_base = s.fs.base, regs.gs_base = s.gs.base;
  regs.ds = s.ds.selector, regs.es = s.es.selector, regs.fs = s.fs.selector, regs.gs = s.gs.selector;
  regs.orig_rax = kNoSyscall;
  return regs;
}

// In the registers of a `syscall` just made.
Exit Vcpu::CallExit(Registers& regs) {
  regs.rip = regs.rcx;
  regs.eflags = regs.r11;
  return {.kind = Exit::Kind::kSyscall};
}

Exit Vcpu::DecodeRing0(Registers& regs) {
  const kvm_sregs& s = run_->s.regs.sregs;
  const kvm_regs& r = run_->s.regs.regs;
  const uint64_t vectors = TextAddress(ring0_vectors);
  if (r.rip >= vectors && r.rip < vectors + VECTOR_COUNT * VECTOR_SIZE) {
    return DecodeVector(static_cast<uint8_t>((r.rip - vectors) / VECTOR_SIZE), regs);
  }
  return DecodePlace(r.rip, ToRegisters(r, s, regs), regs);
}

// `now`: the registers at a place of ring 0's text that is no handler.
Exit Vcpu::DecodePlace(uint64_t place, const Registers& now, Registers& regs) {
  if (place >= TextAddress(ring0_text) && place <= TextAddress(ring0_call_exit) + 1) {
    regs = now;
    regs.cs = USER_CS;
    regs.ss = USER_SS;
    const bool answered = place == TextAddress(ring0_sysret);
    const Exit exit = CallExit(regs);
    return answered ? Exit{.kind = Exit::Kind::kNothing} : exit;
  }
  if (place >= TextAddress(ring0_compat) && place <= TextAddress(ring0_compat) + 1) {
    regs = now;
    regs.rip = static_cast<uint32_t>(now.rcx) - sizeof kSyscallCode;
    regs.eflags = now.r11;
    regs.cs = USER_CS32;
    regs.ss = USER_SS;
    return {.kind = Exit::Kind::kException, .vector = kGeneralProtection};
  }
  if (place >= TextAddress(ring0_resume_cr3) && place <= TextAddress(ring0_resume)) {
    // It did not come to the guest; nor, perhaps, to CR3.
    tag_->generation = 0;
    return {.kind = Exit::Kind::kNothing};
  }
  return {.kind = Exit::Kind::kBroken, .cause = absl::StrFormat("ring 0 stopped at %#x", place)};
}

Exit Vcpu::DecodeVector(uint8_t vector, Registers& regs) {
  const kvm_sregs& s = run_->s.regs.sregs;
  const kvm_regs& r = run_->s.regs.regs;
  uint64_t frame[6] = {};  // error code, rip, cs, flags, rsp, ss
  const size_t skip = HasErrorCode(vector) ? 0 : 1;
  const size_t size = sizeof frame - skip * 8;
  if (r.rsp < Ring0Address(RING0_STACK) || r.rsp > Ring0Address(RING0_STACK_END) - size) {
    return {.kind = Exit::Kind::kBroken, .cause = absl::StrFormat("ring 0 has its stack at %#x", r.rsp)};
  }
  std::memcpy(frame + skip, &At<std::byte>(static_cast<int64_t>(r.rsp)), size);
  Registers now = ToRegisters(r, s, regs);
  now.rsp = frame[4];
  if ((frame[2] & 3) == 0) {
    // `mov %ss` lets a debug exception of its own come first in ring 0. Linux drops it,
    // too.
    if (vector == kDebug) return DecodePlace(frame[1], now, regs);
    return {.kind = Exit::Kind::kBroken, .cause = absl::StrFormat("exception %d in ring 0 at %#x", vector, frame[1])};
  }
  regs = now;
  regs.rip = frame[1];
  regs.cs = frame[2];
  regs.eflags = frame[3];
  regs.ss = frame[5];
  Exit exit{.kind = Exit::Kind::kException, .vector = vector, .error_code = static_cast<uint32_t>(frame[0])};
  if (vector == kPageFault) exit.addr = s.cr2;
  if (vector == kDebug) exit.trap_bits = TakeTrapBits();
  return exit;
}

// Where the host plays ring 0, some things end otherwise.
void Vcpu::AsByHardware(const KvmAddressSpace& space, Exit& exit, Registers& regs) {
  // A `syscall` is a fault of the instruction fetch at its entry; as is a jump there, which
  // has no `syscall` behind it.
  uint8_t code[2];
  const uint64_t entry = TextAddress(ring0_text);
  if (exit.vector == kPageFault && exit.addr == entry && regs.rip == entry) {
    if (space.Read(regs.rcx - sizeof code, code, sizeof code) && std::equal(code, code + sizeof code, kSyscallCode)) {
      exit = CallExit(regs);
    }
    return;
  }
  // `int n` without a gate is taken for an instruction that there is not; now and then int3
  // is, too.
  constexpr uint8_t kInt = 0xcd, kInt3 = 0xcc;
  if (exit.vector != kInvalidOpcode || !space.Read(regs.rip, code, 1)) return;
  if (code[0] == kInt3) {
    exit.vector = kBreakpoint;
    regs.rip++;
    regs.eflags &= ~kResumeFlag;
  } else if (code[0] == kInt && space.Read(regs.rip + 1, code + 1, 1)) {
    const bool has_gate = code[1] == kBreakpoint || code[1] == kOverflow;
    exit.vector = has_gate ? code[1] : kGeneralProtection;
    exit.error_code = has_gate ? 0 : code[1] * 8u + 2;
    if (has_gate) {
      regs.rip += sizeof code;
      regs.eflags &= ~kResumeFlag;
    }
  }
}

uint32_t Vcpu::TakeTrapBits() {
  kvm_debugregs debug = {};
  if (ioctl(fd_.get(), KVM_GET_DEBUGREGS, &debug) != 0) return 0;
  const auto bits = static_cast<uint32_t>(debug.dr6);
  debug.dr6 = kDr6Initial;
  (void)ioctl(fd_.get(), KVM_SET_DEBUGREGS, &debug);
  return bits;
}

void Vcpu::DropPending(Exit& exit) {
  kvm_vcpu_events events;
  if (ioctl(fd_.get(), KVM_GET_VCPU_EVENTS, &events) != 0) return;
  if (!events.exception.injected && !events.exception.pending) return;
  const uint8_t vector = events.exception.nr;
  events.exception = {};
  events.flags = 0;
  if (ioctl(fd_.get(), KVM_SET_VCPU_EVENTS, &events) != 0) return;
  // A trap would not come again.
  if (vector == kDebug && exit.kind == Exit::Kind::kNothing) {
    exit = {.kind = Exit::Kind::kException, .vector = kDebug, .trap_bits = TakeTrapBits()};
  }
}

Exit Vcpu::BrokenExit() const {
  const auto words = [&]() -> std::string {
    switch (run_->exit_reason) {
      case KVM_EXIT_SHUTDOWN:
        return "a triple fault";
      case KVM_EXIT_FAIL_ENTRY:
        return absl::StrFormat("no entry (hardware reason %#x)", run_->fail_entry.hardware_entry_failure_reason);
      case KVM_EXIT_INTERNAL_ERROR:
        return absl::StrFormat("an internal error of KVM (%d)", run_->internal.suberror);
      case KVM_EXIT_MMIO:
        return absl::StrFormat("an access to no memory, at %#x", run_->mmio.phys_addr);
      default:
        return absl::StrFormat("KVM exit %d", run_->exit_reason);
    }
  };
  return {.kind = Exit::Kind::kBroken,
          .cause = absl::StrFormat("its virtual CPU stopped: %s, rip %#x, CPL %d", words(), run_->s.regs.regs.rip,
                                   run_->s.regs.sregs.cs.selector & 3)};
}

bool Vcpu::called_ring0() const { return run_->s.regs.regs.rip == TextAddress(ring0_call_exit) + 1; }

// --- Floating point -------------------------------------------------------------

Result<void> Vcpu::GetFpState(FpState& out) {
  std::vector<std::byte> image(machine_.xsave_size());
  const unsigned long request = machine_.xsave_size() > kSmallXsave ? kGetXsave2 : kGetXsave;
  if (ioctl(fd_.get(), request, image.data()) != 0) return base::HostErrno();
  std::memcpy(out.data(), image.data(), std::min(image.size(), out.size()));
  out.Sanitize();
  return base::Ok();
}

Result<void> Vcpu::SetFpState(const FpState& state) {
  std::vector<std::byte> image(machine_.xsave_size());
  std::memcpy(image.data(), state.data(), std::min(image.size(), state.size()));
  // A guest on this host may have fewer than the host.
  uint64_t present;
  std::memcpy(&present, image.data() + kXstateBv, sizeof present);
  present &= machine_.xsave_features();
  std::memcpy(image.data() + kXstateBv, &present, sizeof present);
  if (ioctl(fd_.get(), kSetXsave, image.data()) != 0) return base::HostErrno();
  return base::Ok();
}

// --- Answers --------------------------------------------------------------------

void Vcpu::SetAnswer(uint32_t number, uint64_t value) {
  std::atomic_ref(At<uint64_t>(ANSWER_VALUES + int64_t{8} * number)).store(value, std::memory_order_relaxed);
  std::atomic_ref(At<uint8_t>(RING0_ANSWERS + int64_t{number})).store(1, std::memory_order_release);
}

void Vcpu::ClearAnswer(uint32_t number) {
  std::atomic_ref(At<uint8_t>(RING0_ANSWERS + int64_t{number})).store(0, std::memory_order_seq_cst);
}

}  // namespace platform::kvm
