// Processes that are in hostile states when they are stopped, kicked and killed, or that die of them.
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "test/hostile/cases.h"
#include "test/hostile/child.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"
#include "test/hostile/states.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

// Nobody catches what comes of random states: the process dies of it.
void Deaths(const Options& options) {
  InitMachine();
  WriteSnippets();
  const uint64_t count = options.count != 0 ? options.count : options.full ? 3000 : 300;
  for (uint64_t seed = options.first; seed < options.first + count; seed++) {
    const std::string end = InChild([seed] {
      for (const int signo : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) signal(signo, SIG_DFL);
      if (seed % 3 == 0) {  // or there is no stack for its handler
        for (const int signo : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) signal(signo, [](int) { _exit(9); });
      }
      Random random(seed + (uint64_t{1} << 40));
      bool noise;
      FillPages(random);
      const State state = RandomState(random, kWithSelectors | kWithBases, noise);
      EnterBySigreturn(state);
    });
    Say("death %lu: %s", seed, end.c_str());
  }
}

struct Spin {
  const char* name;
  uint64_t rsp, eflags;
  uint16_t ds, es;
  uint64_t fs_base, gs_base;
  uint32_t mxcsr;
  uint16_t fcw, fsw;
};
constexpr Spin kSpins[] = {
    {"plain", kStackTop, 0x202, 0, 0, kData, 0, 0x1f80, 0x37f, 0},
    {"no stack", 0, 0x202, 0, 0, kData, 0, 0x1f80, 0x37f, 0},
    {"stack in the hole", 0x8000'0000'0000, 0x202, 0, 0, kData, 0, 0x1f80, 0x37f, 0},
    {"stack in the kernel", 0xffff'ffff'8000'0000, 0x602, 0, 0, kData, 0, 0x1f80, 0x37f, 0},
    {"all flags", kUnmapped, 0x240ed7, 0, 0, kData, 0, 0x1f80, 0x37f, 0},
    {"selectors", kStackTop, 0x202, 0x2b, 0x33, kData, 0, 0x1f80, 0x37f, 0},
    {"bases", kStackTop, 0x202, 0, 0, 0x7000'0000'0000, 0x6000'0000'0000, 0x1f80, 0x37f, 0},
    {"pending x87", kStackTop, 0x202, 0, 0, kData, 0, 0x1f80, 0x340, 0x7f3f},
    {"unmasked sse", kStackTop, 0x202, 0, 0, kData, 0, 0x003f, 0x37f, 0},
    {"all", 0x8000'0000'0000, 0x240ed7, 0x2b, 0x2b, 0x7000'0000'0000, kData, 0x003f, 0x340, 0x7f3f},
};

State SpinState(const Spin& spin) {
  State state = PlainState();
  PutCode("\xeb\xfe"sv);
  state.regs.rsp = spin.rsp;
  state.regs.eflags = spin.eflags;
  state.load_selectors = true;
  state.selectors = {spin.ds, spin.es, 0, 0};
  state.set_fs_base = state.set_gs_base = true;
  state.fs_base = spin.fs_base;
  state.gs_base = spin.gs_base;
  state.set_fpu = state.set_ymm = true;
  state.fpu.mxcsr = spin.mxcsr;
  state.fpu.fcw = spin.fcw;
  state.fpu.fsw = spin.fsw;
  memset(state.fpu.xmm, 0x77, sizeof(state.fpu.xmm));
  memset(&state.ymm, 0x88, sizeof(state.ymm));
  return state;
}

void Sleep(long us) {
  const timespec time = {0, us * 1000};
  nanosleep(&time, nullptr);
}

// The state is the same after any number of kicks.
void Kicked(const Options& options) {
  InitMachine();
  auto* ready = new (mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<int>;
  for (const Spin& spin : kSpins) {
    *ready = 0;
    const pid_t pid = fork();
    if (pid == 0) {
      const State state = SpinState(spin);
      uint64_t kicks = 0;
      // (The frame lets them through.)
      sigset_t both;
      sigemptyset(&both);
      sigaddset(&both, SIGUSR1);
      sigaddset(&both, SIGUSR2);
      sigprocmask(SIG_BLOCK, &both, nullptr);
      *ready = 1;
      const Caught caught = EnterKicked(state, kicks);
      Say("kicked, %s: %s fpu=%lx,%lx kicks %s", spin.name, Describe(state, caught).c_str(),
          Hash(&caught.fpu, sizeof(caught.fpu)) & 0xffffffff, Hash(&caught.ymm, sizeof(caught.ymm)) & 0xffffffff,
          kicks > 0 ? "came" : "did not come");
      _exit(0);
    }
    while (*ready == 0) Sleep(100);
    for (int i = 0; i < (options.full ? 2000 : 200); i++) {
      kill(pid, SIGUSR1);
      if (i % 4 != 0) Sleep(50);
      if (i % 16 == 0) kill(pid, SIGSTOP), kill(pid, SIGCONT);
    }
    kill(pid, SIGUSR2);
    Say("kicked, %s: %s", spin.name, Await(pid).c_str());
  }
}

// Killed in it, by a signal or by its own sibling's exit.
void Killed(const Options& options) {
  InitMachine();
  for (const Spin& spin : kSpins) {
    for (int round = 0; round < (options.full ? 20 : 3); round++) {
      const pid_t pid = fork();
      if (pid == 0) {
        EnterBySigreturn(SpinState(spin));
        _exit(8);
      }
      Sleep(round * 700);
      if (round % 2 == 1) {
        int status;
        kill(pid, SIGSTOP);
        waitpid(pid, &status, WUNTRACED);
        if (!WIFSTOPPED(status)) Say("killed, %s: not stopped", spin.name);
      }
      kill(pid, SIGKILL);
      Say("killed, %s: %s", spin.name, Await(pid).c_str());
    }
  }
}

constexpr Case kCases[] = {
    {"kicked", Kicked},
    {"killed", Killed},
    {"deaths", Deaths},
};

}  // namespace

std::span<const Case> KickCases() { return kCases; }

}  // namespace hostile
