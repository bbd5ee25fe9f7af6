#include "platform/kvm/vcpu.h"

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "platform/kvm/layout.h"
#include "platform/kvm/ring0.h"
#include "platform/kvm/segments.h"

namespace platform::kvm {
namespace {

using sentry::arch::FpState;

constexpr uint64_t kCr0 = 0x80050033;  // PG AM WP NE ET MP PE
constexpr uint64_t kCr4Pae = 1 << 5, kCr4Osfxsr = 1 << 9, kCr4Osxmmexcpt = 1 << 10, kCr4Fsgsbase = 1 << 16,
                   kCr4Pcide = 1 << 17, kCr4Osxsave = 1 << 18, kCr4Smep = 1 << 20, kCr4Smap = 1 << 21;
constexpr uint64_t kEfer = 0xd01;  // NXE LMA LME SCE
constexpr uint32_t kMsrStar = 0xc0000081, kMsrLstar = 0xc0000082, kMsrCstar = 0xc0000083, kMsrSyscallMask = 0xc0000084;
constexpr uint64_t kSyscallMask = 0x257fd5;  // as Linux: all that a guest could have set
constexpr size_t kXstateBv = 512;            // of an XSAVE image: the components in it

}  // namespace

void InstallKickHandler() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  sigaction(kKickSignal, &action, nullptr);
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
  FillDescriptors(tables_.Host(gdt_));
  return base::Ok();
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
