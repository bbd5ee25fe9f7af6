// Threads that the sentry believes to have ended, but run on: a process must not have
// any number of those.
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

volatile bool running, ended;

// Waits in the host's futex: where the sentry's words can't reach it, and for free.
void RunOn(void*) {
  running = true;
  while (!ended) asm volatile("pause");
  static uint32_t word;
  while (true) HostFutex(&word, FUTEX_WAIT, 0);
}

void ForgeExit(int thread) {
  platform::systrap::RegionWords& words = Region(thread);
  const uint64_t offset = REGION_STACK + 1024;
  Frame* const frame = reinterpret_cast<Frame*>(RegionAddress(thread) + offset);
  *frame = {};
  frame->rax = SYS_exit;
  frame->info[1] = 1;  // SYS_SECCOMP
  frame->info[3] = SYS_exit | uint64_t{0xc000003e} << 32;
  words.frame = RegionAddress(thread) + offset;
  words.event = SIGSYS;
  words.turn = 1;
  HostFutex(&words.turn, FUTEX_WAKE, 1);
}

void Many(int count) {
  for (int i = 1; i <= count; i++) {
    running = false;
    ended = false;
    if (StartThread(RunOn, nullptr) < 0) break;
    while (!running) usleep(100);
    // Without a thread in its region this is a fault, and our end.
    ForgeExit(i);
    while (Region(i).turn == 1) usleep(100);
    ended = true;
    shared->progress[0] = i;
  }
  while (true) pause();
}

}  // namespace

void AttackThreads(const Options& options) {
  // So many that none can be taken for one that had no time to end.
  const int count = options.full ? 2000 : 300;
  const pid_t pid = Spawn([=] { Many(count); });
  if (!EndsWithin(pid, options.full ? 300000 : 60000)) {
    Fail("%lu threads run on", static_cast<unsigned long>(shared->progress[0]));
    Kill(pid, "a process with ended threads");
  }
  Note("%lu threads were made", static_cast<unsigned long>(shared->progress[0]));
  if (shared->progress[0] < 32) Fail("hardly a thread was made");
  if (shared->progress[0] > 128) Fail("too many threads run on");
}

}  // namespace stub_attacks
