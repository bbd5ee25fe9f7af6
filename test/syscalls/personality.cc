// personality(2): what is kept, what each flag does to a 64-bit program.
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/utsname.h>

#include "test/syscalls/harness/test.h"

TOUCHES("personality", "uname", "mmap", "mprotect", "brk", "execve", "pselect6")

namespace {

constexpr unsigned long kQuery = 0xffffffff;

long Persona(unsigned long value = kQuery) { return syscall(SYS_personality, value); }

// The permissions of the mapping that holds it.
std::string ModeOf(const void* where) {
  const std::string maps = st::ReadFile("/proc/self/maps");
  for (size_t at = 0; at < maps.size(); at = maps.find('\n', at) + 1) {
    unsigned long start, end;
    char mode[5];
    if (sscanf(maps.c_str() + at, "%lx-%lx %4s", &start, &end, mode) != 3) break;
    const auto address = reinterpret_cast<unsigned long>(where);
    if (start <= address && address < end) return mode;
  }
  return "none";
}

TEST(Personality, KeepsWhateverIsSet) {
  EXPECT_RET(Persona(), 0);
  EXPECT_RET(Persona(0x12345678), 0);
  EXPECT_RET(Persona(), 0x12345678);
  EXPECT_RET(Persona(0xdeadbeef00000000 | PER_BSD), 0x12345678);  // the lower half counts
  EXPECT_RET(Persona(), PER_BSD);
  EXPECT_EQ(st::ReadFile("/proc/self/personality"), "00000006\n");
  EXPECT_CHILD_OK([] {
    EXPECT_RET(Persona(0xfffffffe), PER_BSD);
    EXPECT_RET(Persona(), 0xfffffffe);
  });
  EXPECT_RET(Persona(), PER_BSD);
}

TEST(Personality, OneThreadAlone) {
  EXPECT_RET(Persona(SHORT_INODE | ADDR_LIMIT_3GB), 0);
  st::Thread([] {
    EXPECT_RET(Persona(), SHORT_INODE | ADDR_LIMIT_3GB);
    EXPECT_RET(Persona(PER_LINUX), SHORT_INODE | ADDR_LIMIT_3GB);
  }).Join();
  EXPECT_RET(Persona(), SHORT_INODE | ADDR_LIMIT_3GB);
}

TEST(Personality, Uname) {
  utsname plain, other;
  MUST(uname(&plain));
  EXPECT_EQ(std::string(plain.machine), "x86_64");
  Persona(PER_LINUX32);
  MUST(uname(&other));
  EXPECT_EQ(std::string(other.machine), "i686");
  EXPECT_EQ(std::string(other.release), plain.release);
  Persona(PER_LINUX32_3GB);
  MUST(uname(&other));
  EXPECT_EQ(std::string(other.machine), "i686");
  Persona(UNAME26);
  MUST(uname(&other));
  EXPECT_EQ(std::string(other.machine), "x86_64");
  int minor = 0, shown = 0;
  EXPECT_EQ(sscanf(plain.release, "%*d.%d", &minor), 1);
  EXPECT_EQ(sscanf(other.release, "2.6.%d", &shown), 1);
  EXPECT_EQ(shown, minor + 60);
  const std::string release = plain.release;
  const std::string rest = release.substr(release.find_first_not_of("0123456789."));
  EXPECT_EQ(std::string(other.release).find(rest), std::string(other.release).size() - rest.size());
}

TEST(Personality, ReadImpliesExec) {
  const auto map = [](int prot) {
    return MUST(mmap(nullptr, st::PageSize(), prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  };
  void* const before = map(PROT_READ | PROT_WRITE);
  char* const heap = static_cast<char*>(sbrk(0));
  Persona(READ_IMPLIES_EXEC);
  EXPECT_EQ(ModeOf(before), "rw-p");
  EXPECT_EQ(ModeOf(map(PROT_READ | PROT_WRITE)), "rwxp");
  EXPECT_EQ(ModeOf(map(PROT_WRITE)), "-w-p");
  void* const none = map(PROT_NONE);
  EXPECT_EQ(ModeOf(none), "---p");
  MUST(mprotect(none, st::PageSize(), PROT_READ));
  EXPECT_EQ(ModeOf(none), "r-xp");
  MUST(mprotect(none, st::PageSize(), PROT_WRITE));
  EXPECT_EQ(ModeOf(none), "-w-p");
  MUST(syscall(SYS_brk, heap + (1 << 20)) > reinterpret_cast<long>(heap) ? 0 : -1);
  EXPECT_EQ(ModeOf(heap + (1 << 20) - 1), "rwxp");
  // Code that was written as data runs.
  auto* const code = static_cast<unsigned char*>(map(PROT_READ | PROT_WRITE));
  memcpy(code, "\xb8\x2a\0\0\0\xc3", 6);  // mov $42, %eax; ret
  EXPECT_EQ(reinterpret_cast<int (*)()>(code)(), 42);
  Persona(0);
  EXPECT_EQ(ModeOf(map(PROT_READ)), "r--p");
}

TEST(Personality, StickyTimeouts) {
  timespec left = {0, 2000000};
  EXPECT_RET(syscall(SYS_pselect6, 0, nullptr, nullptr, nullptr, &left, nullptr), 0);
  EXPECT_EQ(left.tv_nsec, 0);
  Persona(STICKY_TIMEOUTS);
  left = {0, 2000000};
  EXPECT_RET(syscall(SYS_pselect6, 0, nullptr, nullptr, nullptr, &left, nullptr), 0);
  EXPECT_EQ(left.tv_nsec, 2000000);
}

// ---- execve ----

HELPER(persona) {
  int on_stack;
  printf("%lx %p %p %p", static_cast<unsigned long>(Persona()), static_cast<void*>(&on_stack), sbrk(0),
         mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return 0;
}

std::string ExecWith(unsigned long persona, const std::string& exe, bool as_nobody = false) {
  st::Pipe out;
  const pid_t child = st::Spawn([&] {
    if (as_nobody) st::DropToNobody();
    Persona(persona);
    MUST(dup2(out.w, 1));
    execl(exe.c_str(), "st-helper:persona", nullptr);
  });
  out.w.reset();
  const std::string text = st::ReadAll(out.r);
  EXPECT_EXITED(st::WaitStatus(child), 0);
  return text;
}

std::string PersonaAfter(unsigned long persona, const std::string& exe, bool as_nobody = false) {
  const std::string text = ExecWith(persona, exe, as_nobody);
  return text.substr(0, text.find(' '));
}

TEST(Personality, ExecKeepsAllButReadImpliesExec) {
  EXPECT_EQ(PersonaAfter(0ul | PER_LINUX32 | UNAME26 | STICKY_TIMEOUTS, st::SelfExe()), "4020008");
  EXPECT_EQ(PersonaAfter(READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE, st::SelfExe()), "40000");
  EXPECT_EQ(PersonaAfter(ADDR_COMPAT_LAYOUT | 0x0800000 /* ADDR_LIMIT_32BIT */, st::SelfExe()), "a00000");
}

TEST(Personality, NoRandomizeGivesTheSameAddresses) {
  const std::string first = ExecWith(ADDR_NO_RANDOMIZE, st::SelfExe());
  EXPECT_EQ(ExecWith(ADDR_NO_RANDOMIZE, st::SelfExe()), first);
  EXPECT_EQ(ExecWith(ADDR_NO_RANDOMIZE, st::SelfExe()), first);
  EXPECT_NE(ExecWith(0, st::SelfExe()), ExecWith(0, st::SelfExe()));
}

TEST(Personality, SetIdProgramsBeginSafe) {
  st::NeedRoot();
  const std::string exe = st::Tmp("suid");
  st::WriteFile(exe, st::ReadFile(st::SelfExe()), 0755);
  constexpr unsigned long kAll =
      ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO | SHORT_INODE | PER_LINUX32;
  EXPECT_EQ(PersonaAfter(kAll & ~static_cast<unsigned long>(MMAP_PAGE_ZERO), exe, true), "1240008");
  MUST(chmod(exe.c_str(), 04755));
  EXPECT_EQ(PersonaAfter(kAll, exe, true), "1000008");
  EXPECT_EQ(PersonaAfter(kAll, exe), "1000008");  // also where it makes nobody another
  MUST(chmod(exe.c_str(), 02755));
  EXPECT_EQ(PersonaAfter(kAll, exe, true), "1000008");
}

}  // namespace
