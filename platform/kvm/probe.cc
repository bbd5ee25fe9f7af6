#include "platform/kvm/probe.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"

// The guest: loads a word, and makes a system call.
asm(R"(
  .pushsection .rodata
kvm_probe_code:
  mov (%rdi), %rbx
  mov $39, %eax
  syscall
kvm_probe_end:
  .popsection
)");
extern "C" const char kvm_probe_code[], kvm_probe_end[];

namespace platform::kvm {
namespace {

using sentry::kPageSize;
using sentry::arch::Registers;

constexpr uint64_t kCode = 0x400000, kData = 0x600000, kCall = 39;
constexpr uint64_t kFirst = 0x1122334455667788, kSecond = 0x8877665544332211;
constexpr MemoryProtection kReadExecute{.read = true, .execute = true};
constexpr MemoryProtection kRead{.read = true};

// Ends runs that take too long, again and again: one signal could come before a run.
class Alarm {
 public:
  Alarm() {
    sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = kKickSignal;
    event._sigev_un._tid = static_cast<int>(syscall(SYS_gettid));
    made_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
    constexpr itimerspec kTimes = {.it_interval = {0, 20'000'000}, .it_value = {0, 150'000'000}};
    if (made_) timer_settime(timer_, 0, &kTimes, nullptr);
  }
  ~Alarm() {
    if (made_) timer_delete(timer_);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

 private:
  timer_t timer_;
  bool made_;
};

class Trial {
 public:
  Trial(Vcpu& vcpu, const SpaceParts& parts, Traits& traits) : vcpu_(vcpu), parts_(parts), traits_(traits) {}

  Result<void> Run(std::string& why) {
    space_ = TRY(KvmAddressSpace::Create(parts_));
    for (uint64_t& page : pages_) page = TRY(parts_.tables.Allocate());
    std::memcpy(parts_.tables.Host(pages_[0]), kvm_probe_code, static_cast<size_t>(kvm_probe_end - kvm_probe_code));
    *parts_.tables.Entries(pages_[1]) = kFirst;
    *parts_.tables.Entries(pages_[2]) = kSecond;
    TRY(space_->MapFixed(kCode, {pages_[0], kPageSize}, kReadExecute));
    TRY(space_->MapFixed(kData, {pages_[1], kPageSize}, kRead));
    uint64_t loaded;
    if (!Go(loaded, why)) return Errno::kENOSYS;
    if (loaded != kFirst) {
      why = "guest code loads a wrong word";
      return Errno::kENOSYS;
    }
    traits_.ring0 = vcpu_.called_ring0();
    if (traits_.ring0) {
      // The word is elsewhere now, by a store to the page table alone.
      const MapOp gone{
          .kind = MapOp::Kind::kUnmap, .range = {UserAddr(kData), UserAddr(kData + kPageSize)}, .prot = {}};
      TRY(space_->Apply({&gone, 1}));
      TRY(space_->MapFixed(kData, {pages_[2], kPageSize}, kRead));
      if (!Go(loaded, why)) return Errno::kENOSYS;
      traits_.nested_paging = loaded == kSecond;
    }
    if (!traits_.nested_paging) parts_.tables.set_shadowed();
    space_.reset();
    parts_.tables.Free(pages_);
    return vcpu_.Reset();
  }

 private:
  bool Go(uint64_t& loaded, std::string& why) {
    const Alarm alarm;
    Registers regs = {};
    regs.rip = kCode;
    regs.rdi = kData;
    const Exit exit = vcpu_.Run(*space_, regs, [] { return false; });
    loaded = regs.rbx;
    if (exit.kind == Exit::Kind::kSyscall && regs.rax == kCall) return true;
    if (exit.kind == Exit::Kind::kBroken) {
      why = exit.cause;
    } else if (exit.kind == Exit::Kind::kNothing) {
      why = "guest code does not come to its system call in time";
    } else {
      why = absl::StrCat("guest code does not come to its system call: exception ", exit.vector, " at ",
                         absl::Hex(regs.rip), ", address ", absl::Hex(exit.addr));
    }
    return false;
  }

  Vcpu& vcpu_;
  const SpaceParts& parts_;
  Traits& traits_;
  std::unique_ptr<KvmAddressSpace> space_;
  uint64_t pages_[3] = {};
};

}  // namespace

Result<void> Probe(Vcpu& vcpu, const SpaceParts& parts, Traits& traits, std::string& why) {
  return Trial(vcpu, parts, traits).Run(why);
}

}  // namespace platform::kvm
