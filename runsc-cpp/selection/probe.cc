#include "runsc-cpp/selection/probe.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <span>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "platform/platform.h"
#include "platform/stub/template.h"

// The guest. It gets kData in rdi.
asm(R"(
  .pushsection .rodata
probe_code:
  mov $39, %eax
  syscall
probe_after_call:
  mov %rax, (%rdi)
  mov (%rdi), %rbx
  mov $40, %eax
  syscall
probe_after_second_call:
probe_spin:
  movl $1, 8(%rdi)
  jmp probe_spin
probe_loop:
  mov $39, %eax
  syscall
  jmp probe_loop
probe_end:
  .popsection
)");
extern "C" const char probe_code[], probe_after_call[], probe_after_second_call[], probe_spin[], probe_loop[],
    probe_end[];

namespace runsc {
namespace {

using base::Errno;
using base::Result;
using platform::MapOp;
using sentry::kPageSize;
using sentry::MemoryProtection;
using sentry::UserAddr;
using sentry::arch::Registers;

constexpr uint64_t kCode = 0x400000, kData = 0x600000;
constexpr uint64_t kMinusEnosys = -uint64_t{ENOSYS};
constexpr uint64_t kFirstCall = 39, kSecondCall = 40, kAnswer = 0x1234567887654321;
constexpr uint64_t kFileSize = 2 * kPageSize;
constexpr MemoryProtection kReadExecute{.read = true, .execute = true};
// Many short runs, for the best of them is the one that nobody disturbed.
constexpr int kRuns = 10, kCallsPerRun = 200;
constexpr uint64_t kMeasureNs = 50'000'000;

uint64_t AddressOf(const char* label) { return kCode + static_cast<uint64_t>(label - probe_code); }

uint64_t NowNs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

absl::Status Wrong(absl::string_view words) { return absl::FailedPreconditionError(words); }

// `event` is none that was hoped for: in words.
absl::Status Unexpected(const platform::Event& event, absl::string_view hope) {
  if (const auto* dead = std::get_if<platform::DeadEvent>(&event)) return Wrong(dead->cause);
  constexpr absl::string_view kNames[] = {"a system call", "a page fault", "an exception", "a kick", "a death"};
  return Wrong(absl::StrCat(kNames[event.index()], " came where ", hope, " should"));
}

// What a system call leaves alone: all but rax, rcx, r11 and rip.
constexpr uint64_t Registers::*kKept[] = {&Registers::r15, &Registers::r14, &Registers::r13, &Registers::r12,
                                          &Registers::rbp, &Registers::rbx, &Registers::r10, &Registers::r9,
                                          &Registers::r8,  &Registers::rdx, &Registers::rsi, &Registers::rdi,
                                          &Registers::rsp};

class Probe {
 public:
  absl::StatusOr<uint64_t> Run(const PlatformChoice& candidate, int device, std::string& remark) {
    if (absl::Status s = SetUp(candidate, device); !s.ok()) return s;
    remark = platform_->info().remark;
    absl::Status s = CheckCall();
    if (s.ok()) s = CheckFault();
    if (s.ok()) s = CheckKick();
    absl::StatusOr<uint64_t> answer = s.ok() ? Measure() : absl::StatusOr<uint64_t>(s);
    context_->Release();
    return answer;
  }

  Probe() = default;
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe() {
    if (memory_ != nullptr) munmap(memory_, kFileSize);
  }

 private:
  absl::Status SetUp(const PlatformChoice& candidate, int device) {
    if (absl::Status s = MakeMemory(); !s.ok()) return s;
    PlatformParts parts;
    parts.memory = {{file_.get(), std::as_writable_bytes(std::span(memory_, kFileSize))}};
    parts.device = device;
    if (candidate.stubs) {
      Result<platform::stub::TemplateHandle> stub_template = platform::stub::StartTemplate(file_.get(), -1);
      if (!stub_template.ok()) return PlatformError("start the stub template", stub_template.error());
      parts.stub_template = *std::move(stub_template);
    }
    absl::StatusOr<std::unique_ptr<platform::Platform>> made = candidate.create(std::move(parts));
    if (!made.ok()) return made.status();
    platform_ = *std::move(made);
    Result<std::unique_ptr<platform::AddressSpace>> space = platform_->NewAddressSpace();
    if (!space.ok()) return PlatformError("make an address space", space.error());
    space_ = *std::move(space);
    Result<std::unique_ptr<platform::Context>> context = platform_->NewContext();
    if (!context.ok()) return PlatformError("make a context", context.error());
    context_ = *std::move(context);
    return Map(kCode, 0, kReadExecute);
  }

  absl::Status MakeMemory() {
    file_.reset(memfd_create("memory", MFD_CLOEXEC));
    if (!file_ || ftruncate(file_.get(), kFileSize) != 0) return PlatformError("make a memory file", base::HostErrno());
    void* const view = mmap(nullptr, kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    if (view == MAP_FAILED) return PlatformError("map a memory file", base::HostErrno());
    memory_ = static_cast<char*>(view);
    std::memcpy(memory_, probe_code, probe_end - probe_code);
    return absl::OkStatus();
  }

  absl::Status Map(uint64_t addr, uint64_t offset, MemoryProtection prot) {
    const MapOp op = {
        MapOp::Kind::kMap, {UserAddr(addr), UserAddr(addr + kPageSize)}, prot, file_.get(), offset, false};
    const Result<void> applied = space_->Apply({&op, 1});
    if (applied.ok()) return absl::OkStatus();
    if (const std::optional<std::string> cause = space_->Lost()) return Wrong(*cause);
    return PlatformError("map a page", applied.error());
  }

  // Until something that is no stray preemption.
  platform::Event Switch() {
    platform::Event event = context_->Switch(*space_, regs_);
    while (std::holds_alternative<platform::PreemptedEvent>(event)) event = context_->Switch(*space_, regs_);
    return event;
  }

  absl::Status ExpectCall(uint64_t number, const char* behind, const Registers& before) {
    const platform::Event event = Switch();
    if (!std::holds_alternative<platform::SyscallEvent>(event)) return Unexpected(event, "a system call");
    const bool kept = std::ranges::all_of(kKept, [&](auto field) { return regs_.*field == before.*field; });
    if (!kept || regs_.orig_rax != number || regs_.rax != kMinusEnosys || regs_.rip != AddressOf(behind)) {
      return Wrong("a system call comes with wrong registers");
    }
    return absl::OkStatus();
  }

  absl::Status CheckCall() {
    uint64_t pattern = 0x0101010101010101;
    for (auto field : kKept) regs_.*field = pattern += 0x0101010101010101;
    regs_.rdi = kData;
    regs_.rip = kCode;
    regs_.eflags = 0x202;
    return ExpectCall(kFirstCall, probe_after_call, Registers(regs_));
  }

  // The guest stores the call's result where nothing is mapped yet.
  absl::Status CheckFault() {
    regs_.rax = kAnswer;
    const platform::Event event = Switch();
    const auto* fault = std::get_if<platform::FaultEvent>(&event);
    if (fault == nullptr) return Unexpected(event, "a page fault");
    const bool right = fault->addr.value == kData && fault->access.write && regs_.rip == AddressOf(probe_after_call);
    if (!right) return Wrong("a page fault comes with a wrong address or access");
    if (absl::Status s = Map(kData, kPageSize, sentry::kProtReadWrite); !s.ok()) return s;
    Registers want = regs_;
    want.rbx = kAnswer;
    if (absl::Status s = ExpectCall(kSecondCall, probe_after_second_call, want); !s.ok()) return s;
    if (*Word(0) != kAnswer) return Wrong("what the guest writes is not in the memory file");
    return absl::OkStatus();
  }

  absl::Status CheckKick() {
    const std::atomic_ref<uint64_t> spinning(*Word(8));
    std::thread kicker([&] {
      while (spinning.load() == 0) usleep(50);
      context_->Kick();
    });
    regs_.rip = AddressOf(probe_spin);
    const platform::Event event = context_->Switch(*space_, regs_);
    spinning = 1;  // should the guest not have come that far
    kicker.join();
    if (!std::holds_alternative<platform::PreemptedEvent>(event)) return Unexpected(event, "a kick");
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Measure() {
    regs_.rip = AddressOf(probe_loop);
    const uint64_t begin = NowNs();
    uint64_t best = UINT64_MAX;
    for (int run = 0; run < kRuns && NowNs() - begin < kMeasureNs; ++run) {
      const uint64_t start = NowNs();
      for (int i = 0; i < kCallsPerRun; ++i) {
        const platform::Event event = Switch();
        if (!std::holds_alternative<platform::SyscallEvent>(event)) return Unexpected(event, "a system call");
        if (regs_.orig_rax != kFirstCall) return Wrong("a system call comes with wrong registers");
        regs_.rax = 0;
      }
      best = std::min(best, (NowNs() - start) / kCallsPerRun);
    }
    return best;
  }

  uint64_t* Word(size_t offset) { return reinterpret_cast<uint64_t*>(memory_ + kPageSize + offset); }

  // In the order of their making.
  base::UniqueFd file_;
  char* memory_ = nullptr;
  std::unique_ptr<platform::Platform> platform_;
  std::unique_ptr<platform::AddressSpace> space_;
  std::unique_ptr<platform::Context> context_;
  Registers regs_ = {};
};

}  // namespace

absl::StatusOr<uint64_t> ProbePlatform(const PlatformChoice& candidate, int device, std::string& remark) {
  return Probe().Run(candidate, device, remark);
}

}  // namespace runsc
