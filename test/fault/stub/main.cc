// stub_attacks ATTACK [full] [SEED]: runs one attack beside a witness.
//
// Says "ready", waits for a byte on its input, attacks, says "done", waits again, so
// that the driver can look at the sandbox from outside at both times. Ends with the
// witness's exit code, 42, if nothing was wrong.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

constexpr int kWitnessCode = 42;
constexpr int kSlowestRoundMs = 5000;

struct Attack {
  const char* name;
  void (*run)(const Options&);
};
constexpr Attack kAttacks[] = {
    {"area", AttackArea},     {"overwrite", AttackOverwrite}, {"forge", AttackForge}, {"escape", AttackEscape},
    {"frames", AttackFrames}, {"jumps", AttackJumps},         {"calls", AttackCalls}, {"mappings", AttackMappings},
    {"keeper", AttackKeeper}, {"threads", AttackThreads},
};

// One round of what any program does; the text says what went wrong.
const char* WitnessRound(uint32_t round, pid_t self) {
  constexpr size_t kSize = 64 << 10;
  if (getpid() != self) return "getpid";
  char* const memory =
      static_cast<char*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (memory == MAP_FAILED) return "mmap";
  for (size_t i = 0; i < kSize; i++) {
    if (memory[i] != 0) return "new memory is not zero";
  }
  const char mark = static_cast<char>(round % 100 + 1);
  memset(memory, mark, kSize);
  int pipe_fds[2];
  if (pipe(pipe_fds) != 0) return "pipe";
  const pid_t child = fork();
  if (child == 0) {
    bool good = true;
    for (size_t i = 0; i < kSize; i++) good = good && memory[i] == mark;
    memset(memory, 0x7e, kSize);  // its own copy
    [[maybe_unused]] const ssize_t n = write(pipe_fds[1], &mark, 1);
    _exit(good ? 7 : 8);
  }
  if (child < 0) return "fork";
  char got = 0;
  if (read(pipe_fds[0], &got, 1) != 1 || got != mark) return "pipe's content";
  int status = 0;
  if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7) return "child's status";
  for (size_t i = 0; i < kSize; i++) {
    if (memory[i] != mark) return "memory changed by itself";
  }
  const int file = open("/proc/self/exe", O_RDONLY);
  char magic[4];
  if (file < 0 || pread(file, magic, 4, 0) != 4 || memcmp(magic, "\177ELF", 4) != 0) return "file's content";
  close(file);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  if (munmap(memory, kSize) != 0) return "munmap";
  return nullptr;
}

void Witness() {
  const pid_t self = getpid();
  while (shared->stop == 0) {
    const uint64_t start = NowMs();
    if (const char* wrong = WitnessRound(shared->rounds, self)) {
      Fail("witness, round %u: %s: %m", shared->rounds, wrong);
      _exit(1);
    }
    const uint32_t took = static_cast<uint32_t>(NowMs() - start);
    if (took > shared->slowest) shared->slowest = took;
    shared->rounds = shared->rounds + 1;
    SleepMs(2);
  }
  _exit(kWitnessCode);
}

void Meet(const char* word) {
  char byte;
  printf("%s\n", word);
  fflush(stdout);
  if (read(0, &byte, 1) != 1) exit(1);
}

int Main(int argc, char** argv) {
  const Attack* attack = nullptr;
  for (const Attack& a : kAttacks) {
    if (argc > 1 && strcmp(a.name, argv[1]) == 0) attack = &a;
  }
  if (attack == nullptr) {
    for (const Attack& a : kAttacks) printf("%s\n", a.name);
    return 2;
  }
  Options options;
  options.full = argc > 2 && strcmp(argv[2], "full") == 0;
  if (argc > 3) options.seed = strtoull(argv[3], nullptr, 0);
  shared =
      static_cast<Shared*>(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

  const pid_t witness = Spawn(Witness);
  while (shared->rounds < 3 && waitpid(witness, nullptr, WNOHANG) == 0) SleepMs(1);
  Meet("ready");
  const uint32_t rounds_before = shared->rounds;
  attack->run(options);
  constexpr const char* kBreaches[] = {"",
                                       "the host mapped a page for it",
                                       "the host answered its call",
                                       "it unmapped the keeper's page",
                                       "it can write the keeper's page",
                                       "it had nothing to attack"};
  if (shared->breach != 0) Fail("a hostile process: %s", kBreaches[shared->breach]);
  // It must be at work still.
  const uint32_t rounds = shared->rounds;
  for (int i = 0; i < kSlowestRoundMs && shared->rounds == rounds; i++) SleepMs(1);
  if (shared->rounds == rounds) Fail("the witness hangs");
  if (shared->slowest > kSlowestRoundMs) Fail("a round of the witness took %u ms", shared->slowest);
  Note("witness: %u rounds, slowest %u ms", shared->rounds - rounds_before, shared->slowest);
  Meet("done");
  shared->stop = 1;
  int status = 0;
  if (!EndsWithin(witness, kSlowestRoundMs, &status)) Fail("the witness does not end");
  return Failed() ? 1 : WEXITSTATUS(status);
}

}  // namespace
}  // namespace stub_attacks

int main(int argc, char** argv) { return stub_attacks::Main(argc, argv); }
