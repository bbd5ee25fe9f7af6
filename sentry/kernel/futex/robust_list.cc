// The robust list of a dying thread. Analogous to Linux's exit_robust_list.
#include "sentry/kernel/futex/futex_impl.h"
#include "sentry/kernel/kernel.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {

namespace {

constexpr int kMaxEntries = 2048;  // ROBUST_LIST_LIMIT

struct RobustListHead {
  uint64_t next;
  int64_t futex_offset;
  uint64_t pending;
};

// An entry's lowest bit says that its futex is a PI one.
struct Entry {
  UserAddr addr;
  bool pi;
};
Entry Decode(uint64_t raw) { return {.addr = UserAddr(raw & ~uint64_t{1}), .pi = (raw & 1) != 0}; }

enum class Pending : uint8_t { kNo, kYes };

// Marks the word if the thread owns it. False: a bad address ends the walk.
bool MarkDead(Task& task, UserAddr addr, bool pi, Pending pending) {
  if (addr.value % 4 != 0) return false;
  MemoryManager& mm = task.mm();
  FutexTable& futexes = task.kernel().futexes();
  Result<uint32_t> word = mm.LoadU32(addr);
  while (word.ok()) {
    // Died between unlocking and waking: the wake-up is made good.
    if (pending == Pending::kYes && !pi && *word == 0) {
      (void)futexes.Wake(mm, addr, FutexScope::kShared, 1, UINT32_MAX);
      return true;
    }
    if ((*word & kFutexTidMask) != static_cast<uint32_t>(task.own_tid())) return true;
    const uint32_t old = *word;
    word = mm.CompareExchangeU32(addr, old, (old & kFutexWaiters) | kFutexOwnerDied);
    if (!word.ok() || *word != old) continue;
    if (pi) {
      futexes.OwnerDied(mm, addr);
    } else if (old & kFutexWaiters) {
      (void)futexes.Wake(mm, addr, FutexScope::kShared, 1, UINT32_MAX);
    }
    return true;
  }
  return false;
}

}  // namespace

void ExitRobustList(Task& task) {
  const UserAddr head_addr = task.robust_list;
  if (head_addr.is_null()) return;
  MemoryManager& mm = task.mm();
  const Result<RobustListHead> head = UserIn<RobustListHead>(head_addr).Read(mm);
  if (!head.ok()) return;
  const uint64_t offset = static_cast<uint64_t>(head->futex_offset);
  const Entry pending = Decode(head->pending);
  Entry entry = Decode(head->next);
  for (int i = 0; i < kMaxEntries && entry.addr != head_addr; ++i) {
    // Read on first: the entry may be gone once its futex is marked.
    const Result<uint64_t> next = UserIn<uint64_t>(entry.addr).Read(mm);
    if (entry.addr != pending.addr && !MarkDead(task, entry.addr + offset, entry.pi, Pending::kNo)) return;
    if (!next.ok()) break;
    entry = Decode(*next);
  }
  if (!pending.addr.is_null()) (void)MarkDead(task, pending.addr + offset, pending.pi, Pending::kYes);
}

}  // namespace sentry
