#include "test/hostile/machine.h"

#include <asm/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "test/hostile/fpu.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"
#include "test/hostile/raw.h"

namespace hostile {

const char* const kGprNames[kGprs] = {"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
                                      "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp"};

// What enter.S reads and writes.
extern "C" {
struct {
  uint64_t rsp;  // of whom to go back to
  Selectors selectors;
  uint64_t load_selectors;
  uint64_t fs_base, gs_base;
  uint64_t handler_flags;
  Selectors handler_selectors;
  uint64_t armed;
} hostile_words;
void HostileSignalEntry();
void HostileRestorer();
void HostileEnterBySigreturn(uint64_t frame);
void HostileEnterDirectly(const Registers* registers);
int HostileOnSignal(int signo, const siginfo_t* info, const ucontext_t* context);
}

namespace {

constexpr long kPatienceSeconds = 10;  // for a state that ends in no signal
constexpr size_t kWordsOfMcontext = offsetof(mcontext_t, fpregs) / 8;
static_assert(sizeof(Registers) == kWordsOfMcontext * 8);

bool contained = false;
uint64_t own_fs;
Caught caught;
std::array<Step, kMaxSteps> steps;
size_t step_count, step_limit;  // 0: steps are caught as all else is
bool goes_on_from_kicks = false;
uint64_t kick_count;
ucontext_t plain_frame;

struct Handler {
  void (*entry)();
  uint64_t flags;
  void (*restorer)();
  uint64_t mask;
};

void* Map(uint64_t at, size_t size, int prot, int flags = MAP_PRIVATE | MAP_ANONYMOUS, int fd = -1) {
  void* p = mmap(reinterpret_cast<void*>(at), size, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);
  if (p != reinterpret_cast<void*>(at)) Die("can't map %#lx", at);
  return p;
}

void MapAll() {
  constexpr int kRw = PROT_READ | PROT_WRITE;
  const int written = MAP_ANONYMOUS | (contained ? MAP_SHARED : MAP_PRIVATE);
  Map(kScratchCode, 2 * kPage, kRw | PROT_EXEC, written);
  Map(kData, 2 * kPage, kRw, written);
  Map(kReadOnly, kPage, PROT_READ);
  Map(kNone, kPage, PROT_NONE);
  Map(kShared, kPage, kRw, MAP_SHARED | MAP_ANONYMOUS);
  const int fd = memfd_create("empty", 0);
  Map(kPastEnd, kPage, kRw, MAP_SHARED, fd);
  close(fd);
  Map(kStack, 4 * kPage, kRw, written);
  Map(kSignalStack, kSignalStackSize, kRw);
  Map(kFrame, kFrameSize, kRw);
  // All present: whether a page is, shows in a fault's error code.
  for (const uint64_t at : {kScratchCode, kData, kStack}) memset(reinterpret_cast<void*>(at), 0xcc, 2 * kPage);
}

void SetAlarm(long seconds) {
  const itimerval timer = {{0, 0}, {seconds, 0}};
  Raw(SYS_setitimer, ITIMER_REAL, &timer, nullptr);
}

// Copies the frame of a signal to where states are entered from: size, format and
// features of the FPU image are then this kernel's.
void TakeFrame(int, siginfo_t*, void* context) {
  const auto& from = *static_cast<const ucontext_t*>(context);
  // (libc's has more behind the kernel's.)
  memcpy(&plain_frame, &from, offsetof(ucontext_t, uc_sigmask));
  TakeFpu(from);
  plain_frame.uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(kFrame + kFrameSize / 2);
}

void Install(int signo) {
  constexpr uint64_t kSaRestorer = 0x04000000;
  // A kick is done with before the next one may come: they are faster than some platforms,
  // and the stack has an end.
  const uint64_t mask = signo == SIGUSR1 ? uint64_t{1} << (SIGUSR2 - 1) | uint64_t{1} << (SIGUSR1 - 1) : 0;
  const Handler handler = {HostileSignalEntry, kSaRestorer | SA_SIGINFO | SA_ONSTACK | SA_NODEFER, HostileRestorer,
                           mask};
  Raw(SYS_rt_sigaction, signo, &handler, nullptr, 8);
}

uint64_t ReadBase(int which) {
  uint64_t base = 0;
  Raw(SYS_arch_prctl, which, &base);
  return base;
}

// After this libc is not called: its thread-local storage is gone.
void SetBases(const State& state) {
  if (state.set_gs_base) Raw(SYS_arch_prctl, ARCH_SET_GS, state.gs_base);
  if (state.set_fs_base) Raw(SYS_arch_prctl, ARCH_SET_FS, state.fs_base);
}

Caught EnterHere(const State& state, void (*go)(const State&)) {
  hostile_words.selectors = state.selectors;
  hostile_words.load_selectors = state.load_selectors ? 1 : 0;
  caught = {};
  SetAlarm(kPatienceSeconds);
  hostile_words.armed = 1;
  go(state);
  return caught;
}

void Touch(uint64_t at) {
  auto* const byte = reinterpret_cast<volatile uint8_t*>(at);
  *byte = *byte;
}

// Who dies of it (of the kernel's oops: by SIGKILL) is another one.
Caught EnterInChild(const State& state, void (*go)(const State&)) {
  static auto* const result =
      static_cast<Caught*>(mmap(nullptr, sizeof(Caught), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  result->signo = kLost;
  const pid_t pid = fork();
  if (pid < 0) Die("fork: %m");
  if (pid == 0) {
    // Shared pages are not there after a fork.
    for (const auto& [at, pages] : {std::pair(kScratchCode, 2), {kData, 2}, {kStack, 4}}) {
      for (int i = 0; i < pages; i++) Touch(at + i * kPage);
    }
    *result = EnterHere(state, go);
    _exit(0);
  }
  waitpid(pid, nullptr, 0);
  return *result;
}

Caught Enter(const State& state, void (*go)(const State&)) {
  return contained ? EnterInChild(state, go) : EnterHere(state, go);
}

}  // namespace

void ContainEntries() { contained = true; }

// On the signal stack, with the fs_base and selectors of whoever was hit. Says whether
// to leave the state that was entered.
int HostileOnSignal(int signo, const siginfo_t* info, const ucontext_t* context) {
  const uint64_t fs = ReadBase(ARCH_GET_FS), gs = ReadBase(ARCH_GET_GS);
  const Selectors selectors = hostile_words.handler_selectors;
  constexpr uint16_t kNull = 0;
  if (selectors.ds != 0) asm volatile("mov %0, %%ds" ::"r"(kNull));
  if (selectors.es != 0) asm volatile("mov %0, %%es" ::"r"(kNull));
  if (selectors.fs != 0) asm volatile("mov %0, %%fs" ::"r"(kNull));
  if (selectors.gs != 0) asm volatile("mov %0, %%gs" ::"r"(kNull));
  if (gs != 0) Raw(SYS_arch_prctl, ARCH_SET_GS, 0);
  if (fs != own_fs || selectors.fs != 0) Raw(SYS_arch_prctl, ARCH_SET_FS, own_fs);
  if (hostile_words.armed == 0) {
    if (signo == SIGALRM) return 0;
    Die("signal %d at %#llx outside of any case", signo, context->uc_mcontext.gregs[REG_RIP]);
  }
  if (signo == SIGTRAP && info->si_code == TRAP_TRACE && step_count < step_limit) {
    if (step_count++ >= kMaxSteps) return 0;
    steps[step_count - 1] = {static_cast<uint64_t>(context->uc_mcontext.gregs[REG_RIP]),
                             static_cast<uint64_t>(context->uc_mcontext.gregs[REG_EFL])};
    return 0;
  }
  if (signo == SIGUSR1 && goes_on_from_kicks) {
    kick_count++;
    if (fs != own_fs) Raw(SYS_arch_prctl, ARCH_SET_FS, fs);
    if (gs != 0) Raw(SYS_arch_prctl, ARCH_SET_GS, gs);
    if (selectors.ds != 0) asm volatile("mov %0, %%ds" ::"r"(selectors.ds));
    if (selectors.es != 0) asm volatile("mov %0, %%es" ::"r"(selectors.es));
    return 0;
  }
  hostile_words.armed = 0;
  caught.signo = signo;
  caught.code = info->si_code;
  caught.addr = reinterpret_cast<uint64_t>(info->si_addr);
  memcpy(&caught.regs, &context->uc_mcontext, sizeof(caught.regs));
  CopyFpu(*context, caught.fpu, caught.ymm);
  caught.selectors = selectors;
  caught.handler_flags = hostile_words.handler_flags;
  caught.fs_base = fs == own_fs ? 0 : fs;
  caught.gs_base = gs;
  return 1;
}

uint64_t Gpr(const Registers& registers, size_t index) {
  uint64_t words[kGprs];
  memcpy(words, &registers, sizeof(words));
  return words[index];
}

void InitMachine() {
  MapAll();
  own_fs = ReadBase(ARCH_GET_FS);
  const stack_t stack = {reinterpret_cast<void*>(kSignalStack), 0, kSignalStackSize};
  if (sigaltstack(&stack, nullptr) != 0) Die("sigaltstack");
  struct sigaction action = {};
  action.sa_sigaction = TakeFrame;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGUSR1, &action, nullptr);
  raise(SIGUSR1);
  for (const int signo : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGALRM, SIGUSR1, SIGUSR2}) Install(signo);
}

State PlainState() {
  State state = {};
  uint64_t words[kGprs];
  // Numbers that no system call has, and no address, should they be used as such.
  for (size_t i = 0; i < kGprs; i++) words[i] = 0x5a5a'0000'0000'1000 + i * 0x111;
  memcpy(&state.regs, words, sizeof(words));
  state.regs.rsp = kStackTop;
  state.regs.rip = kScratchCode;
  state.regs.eflags = 0x202;
  state.regs.cs = 0x33;
  state.regs.ss = 0x2b;
  return state;
}

State PointingState() {
  State state = PlainState();
  state.regs.rdi = kData + 0x100;
  state.regs.rsi = kData + 0x200;
  state.regs.rbx = kData + 0x300;
  state.regs.rax = 0x10;
  state.regs.rcx = 0;
  state.regs.rdx = 0x80;
  return state;
}

Caught EnterBySigreturn(const State& state) {
  return Enter(state, [](const State& given) {
    auto& frame = *reinterpret_cast<ucontext_t*>(kFrame);
    memcpy(&frame, &plain_frame, sizeof(frame));
    // Up to the selectors; the rest is not read.
    memcpy(&frame.uc_mcontext, &given.regs, offsetof(Registers, err));
    PutFpu(given, reinterpret_cast<uint8_t*>(frame.uc_mcontext.fpregs), ImageSize::kWhole);
    if (given.edit != nullptr) given.edit(frame, given.edit_argument);
    SetBases(given);
    HostileEnterBySigreturn(given.frame != 0 ? given.frame : kFrame);
  });
}

Caught EnterStepping(const State& state, std::span<const Step>& out) {
  step_count = 0;
  step_limit = 100'000;
  const Caught result = EnterBySigreturn(state);
  step_limit = 0;
  out = std::span(steps).first(step_count < kMaxSteps ? step_count : kMaxSteps);
  return result;
}

Caught EnterKicked(const State& state, uint64_t& kicks) {
  kick_count = 0;
  goes_on_from_kicks = true;
  const Caught result = EnterBySigreturn(state);
  goes_on_from_kicks = false;
  kicks = kick_count;
  return result;
}

Caught EnterDirectly(const State& state) {
  return Enter(state, [](const State& given) {
    alignas(64) static uint8_t image[kShortFpu];
    PutFpu(given, image, ImageSize::kShort);
    asm volatile("fxrstor64 %0" ::"m"(image));
    SetBases(given);
    HostileEnterDirectly(&given.regs);
  });
}

void PutCode(std::string_view code, size_t offset) {
  auto* to = reinterpret_cast<char*>(kScratchCode) + offset;
  const size_t room = 2 * kPage - offset;
  memcpy(to, code.data(), code.size());
  const size_t traps = room - code.size() < 16 ? room - code.size() : 16;
  memset(to + code.size(), 0xcc, traps);
}

Caught TryCode(std::string_view code, State state, size_t offset) {
  PutCode(code, offset);
  state.regs.rip = kScratchCode + offset;
  return EnterBySigreturn(state);
}

bool Ran(const Caught& caught, size_t length, size_t offset) {
  return caught.signo == SIGTRAP && caught.regs.trapno == 3 && caught.regs.rip == kScratchCode + offset + length + 1;
}

}  // namespace hostile
