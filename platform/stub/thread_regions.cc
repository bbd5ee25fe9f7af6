#include "platform/stub/thread_regions.h"

#include <string.h>
#include <sys/mman.h>

namespace platform::stub {
namespace {

using base::HostErrno;
using base::Result;

constexpr size_t kSize = size_t{kMaxRegions} * STUB_REGION_SIZE;

}  // namespace

Result<std::shared_ptr<ThreadRegions>> ThreadRegions::Create(int regions_fd) {
  void* base = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, regions_fd, 0);
  if (base == MAP_FAILED) return HostErrno();
  return std::shared_ptr<ThreadRegions>(new ThreadRegions(static_cast<std::byte*>(base)));
}

ThreadRegions::~ThreadRegions() { munmap(base_, kSize); }

void ThreadRegions::GiveSlot(uint32_t slot) {
  if (madvise(region(slot), STUB_REGION_SIZE, MADV_REMOVE) != 0) memset(region(slot), 0, STUB_REGION_SIZE);
  slots_.Give(slot);
}

}  // namespace platform::stub
