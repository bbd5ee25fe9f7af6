// What begins with registers of its own: a program, a thread, a child of fork or vfork, each started in odd states.
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "test/hostile/cases.h"
#include "test/hostile/child.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"

namespace hostile {

extern "C" {
extern const char hostile_program[], hostile_program_end[];
void HostileBirth();
}

namespace {

// States to begin in.
struct Odd {
  const char* name;
  uint64_t eflags;
  uint16_t ds, es;
  uint64_t fs_base, gs_base;
  uint32_t mxcsr;
  uint16_t fcw;
};
constexpr Odd kOdd[] = {
    {"plain", 0x202, 0, 0, kData + 0x800, 0, 0x1f80, 0x37f},
    {"flags", 0x240ed7, 0, 0, kData + 0x800, 0, 0x1f80, 0x37f},
    {"bases", 0x202, 0, 0, kData + 0x100, kData + 0x200, 0x1f80, 0x37f},
    {"selectors", 0x202, 0x2b, 0x33, kData + 0x800, 0, 0x1f80, 0x37f},
    {"fpu", 0x202, 0, 0, kData + 0x800, 0, 0x7f81, 0x127f},
    {"all", 0x240602, 0x2b, 0x2b, kData + 0x100, kData + 0x200, 0xffc0, 0x7f},
};

State OddState(const Odd& odd) {
  State state = PlainState();
  state.regs.eflags = odd.eflags;
  state.load_selectors = true;
  state.selectors = {odd.ds, odd.es, 0, 0};
  state.set_fs_base = state.set_gs_base = true;
  state.fs_base = odd.fs_base;
  state.gs_base = odd.gs_base;
  state.set_fpu = state.set_ymm = true;
  state.fpu.mxcsr = odd.mxcsr;
  state.fpu.fcw = odd.fcw;
  memset(state.fpu.xmm, 0x55, sizeof(state.fpu.xmm));
  memset(&state.ymm, 0x66, sizeof(state.ymm));
  return state;
}

// A file with the program: one segment, read and execute.
int ProgramFile() {
  struct {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
  } head = {};
  constexpr uint64_t kAt = 0x400000;
  const size_t size = hostile_program_end - hostile_program;
  memcpy(head.header.e_ident, ELFMAG, SELFMAG);
  head.header.e_ident[EI_CLASS] = ELFCLASS64;
  head.header.e_ident[EI_DATA] = ELFDATA2LSB;
  head.header.e_ident[EI_VERSION] = EV_CURRENT;
  head.header.e_type = ET_EXEC;
  head.header.e_machine = EM_X86_64;
  head.header.e_version = EV_CURRENT;
  head.header.e_entry = kAt + sizeof(head);
  head.header.e_phoff = sizeof(head.header);
  head.header.e_ehsize = sizeof(head.header);
  head.header.e_phentsize = sizeof(head.segment);
  head.header.e_phnum = 1;
  head.segment.p_type = PT_LOAD;
  head.segment.p_flags = PF_R | PF_X;
  head.segment.p_vaddr = head.segment.p_paddr = kAt;
  head.segment.p_filesz = head.segment.p_memsz = sizeof(head) + size;
  head.segment.p_align = kPage;
  const int fd = memfd_create("program", MFD_CLOEXEC);
  if (fd < 0 || write(fd, &head, sizeof(head)) < 0 || write(fd, hostile_program, size) < 0) Die("memfd");
  return fd;
}

void SayProgram(const char* name, std::span<const uint64_t> words) {
  // As pushed, the last first.
  const char* const kNames[] = {"gsb", "fsb", "mx,cw", "ss",  "cs",  "gs",  "fs",  "es",  "ds",
                                "fl",  "r8",  "r9",    "r10", "r11", "r12", "r13", "r14", "r15",
                                "rdi", "rsi", "rbp",   "rbx", "rdx", "rax", "rcx", "rsp"};
  std::string text;
  for (size_t i = 0; i < words.size() && i < std::size(kNames); i++) {
    const bool stack = kNames[i] == std::string_view("rsp");
    if (stack) {
      text += Format(" rsp%%16=%lu", words[i] % 16);
    } else if (words[i] != 0) {
      text += Format(" %s=%#lx", kNames[i], words[i]);
    }
  }
  Say("exec, %s: %zu words%s", name, words.size(), text.c_str());
}

void Exec(const Options&) {
  InitMachine();
  for (const Odd& odd : kOdd) {
    int pipe_fds[2];
    if (pipe(pipe_fds) != 0) Die("pipe");
    const int program = ProgramFile();
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(pipe_fds[1], 1);
      State state = OddState(odd);
      state.regs.rax = SYS_execveat;
      state.regs.rdi = program;
      state.regs.rsi = kData;
      state.regs.rdx = kData + 8;  // no arguments, no environment
      state.regs.r10 = kData + 8;
      state.regs.r8 = AT_EMPTY_PATH;
      memset(reinterpret_cast<void*>(kData), 0, 64);
      TryCode("\x0f\x05", state);
      _exit(3);
    }
    close(pipe_fds[1]);
    constexpr size_t kWords = 26;
    static uint64_t words[kWords + kPage / 8];
    memset(words, 0, sizeof(words));
    size_t size = 0;
    ssize_t n;
    while ((n = read(pipe_fds[0], reinterpret_cast<char*>(words) + size, sizeof(words) - size)) > 0) size += n;
    close(pipe_fds[0]);
    close(program);
    SayProgram(odd.name, std::span(words).first(size < sizeof(words) ? size / 8 : kWords));
    // Behind the control words and but for the header all of it is zeros.
    const auto* image = reinterpret_cast<const char*>(words + kWords);
    size_t used = 0;
    for (size_t i = 32; i < kPage; i++) used += (i < 464 || i >= 576) && image[i] != 0;
    Say("exec, %s: %zu bytes of vector registers are not zero", odd.name, used);
    Say("exec, %s: %s", odd.name, Await(pid).c_str());
  }
}

// Of the page that births.S writes.
struct Newborn {
  Registers regs;  // less cs to cr2
  static constexpr size_t kSelectors = 20, kFsBase = 21, kGsBase = 22, kDone = 23, kAvx = 24, kYmm3 = 26;
};

void Birth(const char* name, const Odd& odd, uint64_t number, uint64_t flags, bool own_stack, uint64_t tls) {
  auto* page = reinterpret_cast<volatile uint64_t*>(kShared);
  memset(reinterpret_cast<void*>(kShared), 0, kPage);
  page[Newborn::kAvx] = HasYmm() ? 1 : 0;
  State state = OddState(odd);
  state.regs.rip = reinterpret_cast<uint64_t>(&HostileBirth);
  state.regs.rax = number;
  state.regs.rdi = flags;
  state.regs.rsi = own_stack ? kStackTop + 0x100 : 0;
  state.regs.rdx = state.regs.r10 = 0;
  state.regs.r8 = tls;
  const Caught caught = EnterBySigreturn(state);
  const auto pid = static_cast<pid_t>(caught.regs.rax);
  // Not for ever: it may die instead.
  for (int i = 0; i < 1'000'000 && page[Newborn::kDone] == 0 && pid > 0; i++) sched_yield();
  if ((flags & CLONE_THREAD) == 0 && pid > 0) Await(pid);
  std::string text;
  for (size_t i = 0; i < kGprs; i++) {
    const uint64_t expected = Gpr(state.regs, i);
    if (page[i] != expected) text += Format(" %s=%#lx", kGprNames[i], static_cast<uint64_t>(page[i]));
  }
  const uint64_t selectors = page[Newborn::kSelectors];
  FpuImage fpu;
  memcpy(&fpu, reinterpret_cast<const char*>(kShared) + 512, sizeof(fpu));
  uint64_t xmm3[2], ymm3 = page[Newborn::kYmm3];
  memcpy(xmm3, fpu.xmm[3], sizeof(xmm3));
  Say("%s, %s: %s fl=%#lx sel=%lx fsb=%#lx gsb=%#lx mx=%x cw=%x xmm3=%lx ymm3=%d%s", name, odd.name,
      pid > 0 ? "born" : "not", static_cast<uint64_t>(page[17]), selectors,
      static_cast<uint64_t>(page[Newborn::kFsBase]), static_cast<uint64_t>(page[Newborn::kGsBase]), fpu.mxcsr, fpu.fcw,
      xmm3[0], !HasYmm() || ymm3 == 0x6666666666666666, text.c_str());
}

void Births(const Options&) {
  InitMachine();
  constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  // Not only the first of each: stubs may be used again.
  for (int round = 0; round < 3; round++) {
    for (const Odd& odd : kOdd) {
      Birth("fork", odd, SYS_fork, 0, false, 0);
      Birth("vfork", odd, SYS_vfork, 0, false, 0);
      Birth("clone", odd, SYS_clone, SIGCHLD, false, 0);
      Birth("clone with a stack", odd, SYS_clone, SIGCHLD, true, 0);
      Birth("thread", odd, SYS_clone, kThread, true, 0);
      Birth("thread with a base", odd, SYS_clone, kThread | CLONE_SETTLS, true, kData + 0x300);
    }
  }
}

constexpr Case kCases[] = {
    {"births_exec", Exec},
    {"births", Births},
};

}  // namespace

std::span<const Case> BirthCases() { return kCases; }

}  // namespace hostile
