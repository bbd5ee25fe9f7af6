// Round trips of the ptrace platform. README.md has the figures.
#include <benchmark/benchmark.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>

#include "platform/platform.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub/template.h"

namespace platform {
namespace {

constexpr uint64_t kCode = 0x400000, kData = 0x600000;
constexpr char kSyscallLoop[] = "\x0f\x05\xeb\xfc";  // 1: syscall; jmp 1b
constexpr char kLoad[] = "\x48\x8b\x07\xeb\xfb";     // 1: mov (%rdi), %rax; jmp 1b
constexpr MemoryProtection kReadExec{.read = true, .execute = true};

struct Guest {
  explicit Guest(const char* code) {
    fd = memfd_create("memory", MFD_CLOEXEC);
    [[maybe_unused]] int r = ftruncate(fd, 1 << 20);
    r = static_cast<int>(pwrite(fd, code, 8, 0));
    stub::TemplateHandle handle = stub::StartTemplate(fd, -1).value();
    platform = ptrace::Create({fd, -1, std::move(handle), nullptr}).value();
    as = platform->NewAddressSpace().value();
    context = platform->NewContext().value();
    Map(*as, kCode, 0, kReadExec);
    regs.rip = kCode;
    regs.eflags = 0x202;
    regs.rdi = kData;
  }
  ~Guest() {
    context.reset();
    as.reset();
    platform.reset();
    close(fd);
  }
  void Map(AddressSpace& space, uint64_t addr, uint64_t offset, MemoryProtection prot) {
    const MapOp op = {MapOp::Kind::kMap, {UserAddr(addr), UserAddr(addr + 4096)}, prot, fd, offset};
    (void)space.Apply({&op, 1});
  }
  void Unmap(uint64_t addr) {
    const MapOp op = {MapOp::Kind::kUnmap, {UserAddr(addr), UserAddr(addr + 4096)}, {}};
    (void)as->Apply({&op, 1});
  }

  int fd;
  std::unique_ptr<Platform> platform;
  std::unique_ptr<AddressSpace> as;
  std::unique_ptr<Context> context;
  sentry::arch::Registers regs = {};
};

void BM_Syscall(benchmark::State& state) {
  Guest guest(kSyscallLoop);
  for (auto _ : state) {
    guest.context->Switch(*guest.as, guest.regs);
    guest.regs.rax = 39;
  }
}
BENCHMARK(BM_Syscall)->UseRealTime();

// As BM_Syscall, with all registers changed, as after a signal's delivery.
void BM_SyscallAllRegisters(benchmark::State& state) {
  Guest guest(kSyscallLoop);
  for (auto _ : state) {
    guest.context->Switch(*guest.as, guest.regs);
    guest.regs.rax = 39;
    guest.regs.rbx++, guest.regs.rdx++, guest.regs.rsi++, guest.regs.r8++, guest.regs.r12++;
  }
}
BENCHMARK(BM_SyscallAllRegisters)->UseRealTime();

// A fault that the caller answers with nothing: the bare round trip.
void BM_Fault(benchmark::State& state) {
  Guest guest(kLoad);
  for (auto _ : state) guest.context->Switch(*guest.as, guest.regs);
}
BENCHMARK(BM_Fault)->UseRealTime();

void BM_FaultMapUnmap(benchmark::State& state) {
  Guest guest(kLoad);
  for (auto _ : state) {
    guest.context->Switch(*guest.as, guest.regs);
    guest.Map(*guest.as, kData, 4096, sentry::kProtReadWrite);
    guest.Unmap(kData);
  }
}
BENCHMARK(BM_FaultMapUnmap)->UseRealTime();

void BM_ApplyMap(benchmark::State& state) {
  Guest guest(kSyscallLoop);
  for (auto _ : state) guest.Map(*guest.as, kData, 4096, sentry::kProtReadWrite);
}
BENCHMARK(BM_ApplyMap)->UseRealTime();

// The same from a thread that shares its CPU with the stub, as tasks do.
void BM_ApplyMapFromTracer(benchmark::State& state) {
  Guest guest(kSyscallLoop);
  guest.context->Switch(*guest.as, guest.regs);
  for (auto _ : state) guest.Map(*guest.as, kData, 4096, sentry::kProtReadWrite);
}
BENCHMARK(BM_ApplyMapFromTracer)->UseRealTime();

// A new process up to its first system call, and its end.
void BM_NewSpaceRunDestroy(benchmark::State& state) {
  Guest guest(kSyscallLoop);
  for (auto _ : state) {
    std::unique_ptr<AddressSpace> as = guest.platform->NewAddressSpace().value();
    std::unique_ptr<Context> context = guest.platform->NewContext().value();
    guest.Map(*as, kCode, 0, kReadExec);
    guest.regs.rip = kCode;
    context->Switch(*as, guest.regs);
    context->Release();
  }
}
BENCHMARK(BM_NewSpaceRunDestroy)->UseRealTime();

void BM_NewThreadRunRelease(benchmark::State& state) {
  Guest guest(kSyscallLoop);
  for (auto _ : state) {
    guest.context->Switch(*guest.as, guest.regs);
    guest.context->Release();
  }
}
BENCHMARK(BM_NewThreadRunRelease)->UseRealTime();

}  // namespace
}  // namespace platform
