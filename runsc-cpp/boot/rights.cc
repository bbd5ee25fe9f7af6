#include "runsc-cpp/boot/rights.h"

#include <linux/capability.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace runsc {
namespace {
constexpr int kHeaps = 4;

// Frees more than M_TRIM_THRESHOLD at the top of a thread's heap.
void* ShrinkOneHeap(void*) {
  void* volatile blocks[16];
  for (auto& block : blocks) block = malloc(64 << 10);
  for (auto& block : blocks) free(block);
  return nullptr;
}

}  // namespace

absl::Status DropAllCapabilities() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return absl::ErrnoToStatus(errno, "set no_new_privs");
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; ++cap) {
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) return absl::ErrnoToStatus(errno, "drop a bounding capability");
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0) return absl::ErrnoToStatus(errno, "drop capabilities");
  return absl::OkStatus();
}

void SetUpMalloc() {
  mallopt(M_ARENA_MAX, kHeaps);
  // When a thread's heap first shrinks, glibc reads /proc/sys/vm/overcommit_memory
  // and remembers the answer. Now, since the filter lets nobody open that later.
  pthread_t thread;
  if (pthread_create(&thread, nullptr, ShrinkOneHeap, nullptr) == 0) pthread_join(thread, nullptr);
}

void SetProcessName(const char* name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

}  // namespace runsc
