// Round trips of each platform, side by side. docs/benchmarks.md has the figures.
#include <benchmark/benchmark.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "platform/conformance_factories.h"

namespace platform {
namespace {

using std::string_view_literals::operator""sv;

constexpr uint64_t kCode = 0x400000, kData = 0x600000, kFileSize = 64 << 20;
constexpr auto kSyscallLoop = "\x0f\x05\xeb\xfc"sv;  // 1: syscall; jmp 1b
constexpr auto kLoad = "\x48\x8b\x07\xeb\xfb"sv;     // 1: mov (%rdi),%rax; jmp 1b
// 1: mov $39,%eax; syscall; dec %rbx; jnz 1b; mov $40,%eax; syscall
constexpr auto kAnswered = "\xb8\x27\x00\x00\x00\x0f\x05\x48\xff\xcb\x75\xf4\xb8\x28\x00\x00\x00\x0f\x05"sv;
constexpr auto kSpin = "\xff\x07\xeb\xfc"sv;  // 1: incl (%rdi); jmp 1b
constexpr MemoryProtection kReadExec{.read = true, .execute = true};

struct Guest {
  Guest(const Factory& factory, std::string_view code) {
    fd = memfd_create("memory", MFD_CLOEXEC);
    [[maybe_unused]] int r = ftruncate(fd, kFileSize);
    memory = static_cast<char*>(mmap(nullptr, kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    memcpy(memory, code.data(), code.size());
    pid_t pid;
    platform = factory.create(fd, std::as_writable_bytes(std::span(memory, kFileSize)), {}, &pid);
    if (platform == nullptr) return;
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
    munmap(memory, kFileSize);
    close(fd);
  }
  void Map(AddressSpace& space, uint64_t addr, uint64_t offset, MemoryProtection prot, uint64_t size = 4096) {
    const MapOp op = {MapOp::Kind::kMap, {UserAddr(addr), UserAddr(addr + size)}, prot, fd, offset};
    (void)space.Apply({&op, 1});
  }
  void Unmap(uint64_t addr, uint64_t size = 4096) {
    const MapOp op = {MapOp::Kind::kUnmap, {UserAddr(addr), UserAddr(addr + size)}, {}};
    (void)as->Apply({&op, 1});
  }

  int fd;
  char* memory;
  std::unique_ptr<Platform> platform;
  std::unique_ptr<AddressSpace> as;
  std::unique_ptr<Context> context;
  sentry::arch::Registers regs = {};
};

// A call that the kernel answers with nothing.
void Syscall(benchmark::State& state, Guest& guest) {
  for (auto _ : state) {
    guest.context->Switch(*guest.as, guest.regs);
    guest.regs.rax = 39;
  }
}

// One that the platform answers by itself, where it can.
void AnsweredCall(benchmark::State& state, Guest& guest) {
  constexpr uint64_t kCalls = 1000;
  const auto run = [&] {
    guest.regs.rip = kCode;
    guest.regs.rbx = kCalls;
    do {
      guest.context->Switch(*guest.as, guest.regs);
      guest.regs.rax = 7;
    } while (guest.regs.orig_rax != 40);
  };
  run();
  guest.context->RememberAnswer(39, 7, guest.context->answers_generation());
  run();
  for (auto _ : state) run();
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kCalls));
  state.counters["s/call"] = benchmark::Counter(static_cast<double>(state.iterations() * kCalls),
                                                benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// A fault that the kernel answers with nothing.
void Fault(benchmark::State& state, Guest& guest) {
  for (auto _ : state) guest.context->Switch(*guest.as, guest.regs);
}

void FaultMapUnmap(benchmark::State& state, Guest& guest) {
  for (auto _ : state) {
    guest.context->Switch(*guest.as, guest.regs);
    guest.Map(*guest.as, kData, 4096, sentry::kProtReadWrite);
    guest.Unmap(kData);
  }
}

void MapUnmap(benchmark::State& state, Guest& guest, uint64_t size) {
  for (auto _ : state) {
    guest.Map(*guest.as, kData, 1 << 20, sentry::kProtReadWrite, size);
    guest.Unmap(kData, size);
  }
}
void MapUnmap4K(benchmark::State& state, Guest& guest) { MapUnmap(state, guest, 4 << 10); }
void MapUnmap2M(benchmark::State& state, Guest& guest) { MapUnmap(state, guest, 2 << 20); }

// From Kick to the return of a Switch that computes, on another CPU where there is one.
void Kick(benchmark::State& state, Guest& guest) {
  guest.Map(*guest.as, kData, 4096, sentry::kProtReadWrite);
  const std::atomic_ref<uint32_t> turns(*reinterpret_cast<uint32_t*>(guest.memory + 4096));
  std::atomic<int> asked = 0, ended = 0;
  std::atomic<bool> stop = false;
  std::thread runner([&] {
    sentry::arch::Registers regs = guest.regs;
    for (int turn = 1; !stop; turn++) {
      while (!std::holds_alternative<PreemptedEvent>(guest.context->Switch(*guest.as, regs))) {
      }
      ended = turn;
      while (asked < turn && !stop) {
      }
    }
    guest.context->Release();
  });
  int turn = 0;
  double longest = 0, late = 0;
  for (auto _ : state) {
    const uint32_t before = turns;
    while (turns == before) {
    }
    timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    guest.context->Kick();
    turn++;
    while (ended < turn) {
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    const double seconds =
        static_cast<double>(end.tv_sec - start.tv_sec) + static_cast<double>(end.tv_nsec - start.tv_nsec) * 1e-9;
    state.SetIterationTime(seconds);
    longest = std::max(longest, seconds);
    late += seconds > 1e-3;
    asked = turn;
  }
  state.counters["longest_s"] = longest;
  state.counters["over_1ms"] = late;
  stop = true;
  guest.context->Kick();
  runner.join();
}

// A new process up to its first system call, and its end.
void NewSpaceRunDestroy(benchmark::State& state, Guest& guest) {
  for (auto _ : state) {
    std::unique_ptr<AddressSpace> as = guest.platform->NewAddressSpace().value();
    std::unique_ptr<Context> context = guest.platform->NewContext().value();
    guest.Map(*as, kCode, 0, kReadExec);
    guest.regs.rip = kCode;
    context->Switch(*as, guest.regs);
    context->Release();
  }
}

void NewThreadRunRelease(benchmark::State& state, Guest& guest) {
  for (auto _ : state) {
    guest.context->Switch(*guest.as, guest.regs);
    guest.context->Release();
  }
}

void Register(const char* name, void (*body)(benchmark::State&, Guest&), std::string_view code, bool manual = false) {
  for (const Factory& factory : Factories()) {
    benchmark::internal::Benchmark* const b = benchmark::RegisterBenchmark(
        (std::string(name) + "/" + factory.name).c_str(), [&factory, body, code](benchmark::State& state) {
          Guest guest(factory, code);
          if (guest.platform == nullptr) return state.SkipWithError("not here");
          body(state, guest);
        });
    b->Unit(benchmark::kMicrosecond);
    if (manual) {
      b->UseManualTime();
    } else {
      b->UseRealTime();
    }
  }
}

const bool kRegistered = [] {
  Register("syscall", Syscall, kSyscallLoop);
  Register("answered_calls_1000", AnsweredCall, kAnswered);
  Register("fault", Fault, kLoad);
  Register("fault_map_unmap", FaultMapUnmap, kLoad);
  Register("map_unmap_4K", MapUnmap4K, kSyscallLoop);
  Register("map_unmap_2M", MapUnmap2M, kSyscallLoop);
  Register("kick", Kick, kSpin, true);
  Register("new_space", NewSpaceRunDestroy, kSyscallLoop);
  Register("new_thread", NewThreadRunRelease, kSyscallLoop);
  return true;
}();

}  // namespace
}  // namespace platform
