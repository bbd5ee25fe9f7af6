#include "platform/kvm/machine.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "sentry/arch/amd64/registers.h"
#include "sentry/usermem/user_addr.h"

namespace platform::kvm {
namespace {

using base::MutexLock;

constexpr int kApiVersion = 12;
struct Capability {
  int number;
  const char* name;
};
constexpr Capability kNeeded[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    {KVM_CAP_XCRS, "KVM_CAP_XCRS"},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
    {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
    {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
    {KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM"},
};
constexpr int kNeededSync = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;

// Of DropShadows: two pages where no other slot is.
constexpr uint64_t kDropGpa = uint64_t{3} << 30;

struct HiddenBit {
  uint32_t leaf;
  uint32_t kvm_cpuid_entry2::*reg;
  int bit;
};
// What a guest of the kernel can't use, or must not know of.
constexpr HiddenBit kHidden[] = {
    {1, &kvm_cpuid_entry2::ecx, 3},            // MONITOR
    {1, &kvm_cpuid_entry2::ecx, 5},            // VMX
    {1, &kvm_cpuid_entry2::ecx, 15},           // PDCM
    {7, &kvm_cpuid_entry2::ecx, 3},            // PKU
    {7, &kvm_cpuid_entry2::ecx, 5},            // WAITPKG
    {7, &kvm_cpuid_entry2::ecx, 7},            // CET shadow stacks
    {7, &kvm_cpuid_entry2::ebx, 2},            // SGX
    {7, &kvm_cpuid_entry2::edx, 22},           // AMX: bf16, tile, int8
    {7, &kvm_cpuid_entry2::edx, 24},           //
    {7, &kvm_cpuid_entry2::edx, 25},           //
    {0x80000001, &kvm_cpuid_entry2::ecx, 2},   // SVM
    {0x80000001, &kvm_cpuid_entry2::ecx, 15},  // LWP
};

// EMFILE: no more of them.
Result<base::UniqueFd> MoveToRange(base::UniqueFd fd) {
  base::UniqueFd moved(fcntl(fd.get(), F_DUPFD_CLOEXEC, kFirstFd));
  if (!moved || moved.get() >= kFirstFd + kFdCount) return Errno::kEMFILE;
  return moved;
}

Result<base::UniqueFd> Make(int fd, unsigned long request, unsigned long argument) {
  int made;
  do {
    made = ioctl(fd, request, argument);
  } while (made < 0 && errno == EINTR);
  if (made < 0) return base::HostErrno();
  return MoveToRange(base::UniqueFd(made));
}

}  // namespace

Result<std::unique_ptr<Machine>> Machine::Create(int device, std::string& why) {
  const auto lacks = [&](auto what) {
    why = absl::StrCat("the host's KVM lacks ", what);
    return Errno::kENOSYS;
  };
  const int version = ioctl(device, KVM_GET_API_VERSION, 0);
  if (version < 0) {
    why = "/dev/kvm is no KVM device (something else was put in its place)";
    return Errno::kENOSYS;
  }
  if (version != kApiVersion) return lacks("its stable interface");
  for (const Capability& cap : kNeeded) {
    if (ioctl(device, KVM_CHECK_EXTENSION, cap.number) <= 0) return lacks(cap.name);
  }
  if ((ioctl(device, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & kNeededSync) != kNeededSync) {
    return lacks("KVM_CAP_SYNC_REGS");
  }
  std::unique_ptr<Machine> m(new Machine());
  TRY(m->ReadCpuid(device));
  const int run_size = ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_size < static_cast<int>(sizeof(kvm_run))) return lacks("a whole struct kvm_run");
  m->run_size_ = static_cast<size_t>(run_size);
  m->fd_ = TRY(Make(device, KVM_CREATE_VM, 0));
  const int xsave_size = ioctl(m->fd(), KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
  m->xsave_size_ = std::max(static_cast<size_t>(std::max(xsave_size, 0)), kSmallXsave);
  const int slots = ioctl(m->fd(), KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
  m->max_slots_ = slots > 0 ? static_cast<uint32_t>(slots) : 32;
  return m;
}

Result<void> Machine::ReadCpuid(int device) {
  cpuid_ = std::make_unique<Cpuid>();
  if (ioctl(device, kGetSupportedCpuid, cpuid_.get()) != 0) return base::HostErrno();
  uint32_t width = 36;
  for (uint32_t i = 0; i < cpuid_->count; i++) {
    kvm_cpuid_entry2& e = cpuid_->entries[i];
    if (e.function == 0x80000008) width = e.eax & 0xff;
    if (e.function == 0xd && e.index == 0) {
      xsave_features_ = sentry::arch::FpStateFeatures() & (uint64_t{e.edx} << 32 | e.eax);
    }
    for (const HiddenBit& h : kHidden) {
      if (e.function == h.leaf && e.index == 0) e.*h.reg &= ~(1u << h.bit);
    }
  }
  gpa_end_ = uint64_t{1} << width;
  return base::Ok();
}

bool Machine::Supports(uint32_t leaf, uint32_t kvm_cpuid_entry2::*reg, int bit) const {
  for (uint32_t i = 0; i < cpuid_->count; i++) {
    const kvm_cpuid_entry2& e = cpuid_->entries[i];
    if (e.function == leaf && e.index == 0) return ((e.*reg >> bit) & 1) != 0;
  }
  return false;
}

Result<void> Machine::SetSlot(uint32_t slot, uint64_t gpa, void* host, uint64_t size, uint32_t flags) const {
  kvm_userspace_memory_region region = {slot, flags, gpa, size, reinterpret_cast<uint64_t>(host)};
  int rc;
  do {
    rc = ioctl(fd(), KVM_SET_USER_MEMORY_REGION, &region);
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) return base::HostErrno();
  return base::Ok();
}

Result<void> Machine::AddSlot(uint64_t gpa, void* host, uint64_t size, bool writable) {
  MutexLock lock(mu_);
  if (slots_ == max_slots_ || gpa + size > gpa_end_) return Errno::kENOMEM;
  TRY(SetSlot(slots_, gpa, host, size, writable ? 0 : KVM_MEM_READONLY));
  slots_++;
  return base::Ok();
}

// Taking a slot away does it for the whole VM, whatever was in the slot: KVM can't tell
// which of its shadow pages the guest's tables there led to. (KVM_X86_QUIRK_SLOT_ZAP_ALL,
// which is on unless switched off.) Tens of microseconds.
void Machine::DropShadows() {
  alignas(sentry::kPageSize) static std::byte page[sentry::kPageSize];
  MutexLock lock(mu_);
  // A VM that can't do this would let guests see each other's memory.
  CHECK(SetSlot(0, kDropGpa, page, sizeof page, KVM_MEM_READONLY).ok());
  CHECK(SetSlot(0, kDropGpa, page, 0, 0).ok());
  drops_.fetch_add(1, std::memory_order_relaxed);
}

Result<base::UniqueFd> Machine::NewVcpu(uint32_t id) { return Make(fd(), KVM_CREATE_VCPU, id); }

}  // namespace platform::kvm
