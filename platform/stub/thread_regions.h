// The regions of trapped guest threads (layout.h), all in one mapping, and which are
// free.
#ifndef PLATFORM_STUB_THREAD_REGIONS_H_
#define PLATFORM_STUB_THREAD_REGIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "platform/stub/layout.h"
#include "platform/stub/slots.h"

namespace platform::stub {

// Trapped threads that may live at once, in all stubs. The file is sparse.
inline constexpr uint32_t kMaxRegions = 65536;

// Thread-safe.
class ThreadRegions {
 public:
  static base::Result<std::shared_ptr<ThreadRegions>> Create(int regions_fd);
  ~ThreadRegions();
  // A region of zeros. EAGAIN: too many threads.
  base::Result<uint32_t> TakeSlot() { return slots_.Take(base::Errno::kEAGAIN); }
  // Forgets what is in it: the next thread there is another process's.
  void GiveSlot(uint32_t slot);
  std::byte* region(uint32_t slot) const { return base_ + size_t{slot} * STUB_REGION_SIZE; }

 private:
  explicit ThreadRegions(std::byte* base) : base_(base) {}
  std::byte* const base_;
  Slots slots_{kMaxRegions};
};

}  // namespace platform::stub

#endif  // PLATFORM_STUB_THREAD_REGIONS_H_
