#include "base/mutex.h"

#ifndef NDEBUG
#include <array>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/log.h"

namespace base {
namespace {

// Held ranks of this thread, in the order taken.
thread_local std::array<LockRank, 32> held;
thread_local size_t held_count = 0;
// Where the locks of the present layer begin (LockLayer).
thread_local size_t layer_begin = 0;

void Push(LockRank rank, bool same_allowed) {
  for (size_t i = layer_begin; i < held_count; ++i) {
    if (held[i] > rank || (held[i] == rank && !same_allowed)) {
      LOG(kFatal, "lock rank %d taken under rank %d", static_cast<int>(rank), static_cast<int>(held[i]));
      CHECK(!"lock order inversion (base/lock_rank.h)");
    }
  }
  CHECK(held_count < held.size());
  held[held_count++] = rank;
}

}  // namespace

size_t LockLayerBegin() { return std::exchange(layer_begin, held_count); }
void LockLayerEnd(size_t outer) { layer_begin = outer; }

void LockAcquired(LockRank rank) { Push(rank, false); }
void LockAcquiredSame(LockRank rank) { Push(rank, true); }

void LockAcquiredTry(LockRank rank) {
  CHECK(held_count < held.size());
  held[held_count++] = rank;
}

void LockReleased(LockRank rank) {
  for (size_t i = held_count; i-- > 0;) {
    if (held[i] != rank) continue;
    for (size_t j = i + 1; j < held_count; ++j) held[j - 1] = held[j];
    --held_count;
    return;
  }
  CHECK(!"released a lock that is not held");
}

}  // namespace base
#endif
