// Which slots of a fixed number are free.
#ifndef PLATFORM_STUB_SLOTS_H_
#define PLATFORM_STUB_SLOTS_H_

#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"

namespace platform::stub {

// Thread-safe.
class Slots {
 public:
  explicit Slots(uint32_t count) : count_(count) {}

  // `none`: the error if there is none left.
  base::Result<uint32_t> Take(base::Errno none) {
    base::MutexLock lock(mu_);
    if (!free_.empty()) {
      const uint32_t slot = free_.back();
      free_.pop_back();
      return slot;
    }
    if (next_ >= count_) return none;
    return next_++;
  }
  void Give(uint32_t slot) {
    base::MutexLock lock(mu_);
    free_.push_back(slot);
  }

 private:
  const uint32_t count_;
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  uint32_t next_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<uint32_t> free_ ABSL_GUARDED_BY(mu_);
};

}  // namespace platform::stub

#endif  // PLATFORM_STUB_SLOTS_H_
