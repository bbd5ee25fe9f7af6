// Enters user code with any registers at all, and catches what comes of it.
#ifndef TEST_HOSTILE_MACHINE_H_
#define TEST_HOSTILE_MACHINE_H_

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hostile {

// The start of struct sigcontext.
struct Registers {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
  uint16_t cs, gs_slot, fs_slot, ss;
  uint64_t err, trapno, oldmask, cr2;
};
inline constexpr size_t kGprs = 16;  // those before rip
extern const char* const kGprNames[kGprs];
uint64_t Gpr(const Registers& registers, size_t index);

// The legacy part of an FPU image, less what processors fill in differently.
struct FpuImage {
  uint16_t fcw, fsw, ftw, fop;
  uint64_t fip, fdp;
  uint32_t mxcsr, mxcsr_mask;
  uint8_t st[8][16];
  uint8_t xmm[16][16];
};
static_assert(sizeof(FpuImage) == 416);

// The upper halves of ymm0 to ymm15; zeros where the processor has none.
struct YmmImage {
  uint8_t high[16][16];
};

struct Selectors {
  uint16_t ds, es, fs, gs;
};

struct State {
  Registers regs;
  // Loaded by mov before the entry: may fault right there.
  Selectors selectors = {};
  bool load_selectors = false;
  bool set_fs_base = false;
  bool set_gs_base = false;
  uint64_t fs_base = 0, gs_base = 0;
  bool set_fpu = false;
  FpuImage fpu = {};
  bool set_ymm = false;
  YmmImage ymm = {};
  // For hostile frames: changes the one at kFrame, which is whole and good till then.
  void (*edit)(ucontext_t& frame, uint64_t argument) = nullptr;
  uint64_t edit_argument = 0;
  uint64_t frame = 0;  // rsp of the rt_sigreturn; 0: kFrame
};

// What a single step ended in.
struct Step {
  uint64_t rip, eflags;
};
inline constexpr size_t kMaxSteps = 64;

inline constexpr int kLost = -1;

struct Caught {
  int signo;  // 0: nothing came; kLost: see ContainEntries
  int code;
  uint64_t addr;
  Registers regs;
  FpuImage fpu;
  YmmImage ymm;
  Selectors selectors;
  uint64_t fs_base, gs_base;
  uint64_t handler_flags;  // of the handler's first instruction
};

// Before InitMachine: each entry happens in a process of its own, for kernels that don't survive all of them. Steps and
// kicks are then not seen.
void ContainEntries();

// Maps the pages of layout.h and installs the handlers. Once, first.
void InitMachine();
bool HasYmm();

// All registers but rsp, rip and eflags have values that tell where they are from.
State PlainState();
// The same, with pointers and a count where instructions look for them.
State PointingState();

// Through rt_sigreturn, which sets everything at once.
Caught EnterBySigreturn(const State& state);
// By loads, popf and a jump: of eflags what popf takes; cs, ss and FPU state stay.
Caught EnterDirectly(const State& state);

// As EnterBySigreturn; SIGTRAPs of single steps are gone on from, the first kMaxSteps noted.
Caught EnterStepping(const State& state, std::span<const Step>& steps);

// As EnterBySigreturn; SIGUSR1 is counted and returned from, SIGUSR2 ends it.
Caught EnterKicked(const State& state, uint64_t& kicks);

// Puts the code, and int3 behind it, into the page kScratchCode at `offset`, and enters it.
Caught TryCode(std::string_view code, State state, size_t offset = 0);
void PutCode(std::string_view code, size_t offset = 0);

// After one: the int3 behind `length` bytes of code was reached.
bool Ran(const Caught& caught, size_t length, size_t offset = 0);

}  // namespace hostile

#endif  // TEST_HOSTILE_MACHINE_H_
