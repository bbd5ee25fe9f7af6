#include "sentry/loader/vdso.h"

#include <algorithm>
#include <cstring>

#include "sentry/loader/host_vdso.h"
#include "sentry/loader/vdso/host_entries.h"

extern "C" const unsigned char vdso_image_start[], vdso_image_end[];

namespace sentry {
namespace {

class VdsoImage final : public Mappable {
 public:
  VdsoImage(MemoryFile& file, MemRange pages) : file_(file), pages_(pages) {}

  Result<void> CheckMap(bool shared, MemoryProtection) override {
    if (shared) return Errno::kEACCES;
    return base::Ok();
  }
  Result<Translation> Translate(uint64_t offset, uint64_t max_length, MemoryProtection) override {
    if (offset >= pages_.size()) return Errno::kEFAULT;
    Translation t{};
    t.offset = offset;
    t.length = std::min(std::max(max_length, kPageSize), pages_.size() - offset);
    t.in_memory_file = true;
    t.mem_offset = pages_.start + offset;
    file_.IncRef({t.mem_offset, t.mem_offset + t.length});
    return t;
  }

 private:
  ~VdsoImage() override { file_.DecRef(pages_); }

  MemoryFile& file_;
  const MemRange pages_;
};

// Where a function of the host's vDSO is in an address space that has it at `base`.
template <typename Function>
Function HostEntry(uint64_t base, const char* name) {
  const uint64_t offset = base != 0 ? HostVdsoOffset(name) : 0;
  return offset != 0 ? reinterpret_cast<Function>(base + offset) : nullptr;
}

}  // namespace

Result<Vdso> MakeVdso(MemoryFile& memory_file, uint64_t host_vdso) {
  const size_t bytes = vdso_image_end - vdso_image_start;
  const MemRange pages = TRY(memory_file.Allocate(PageRoundUp(bytes), MemKind::kKernel, false));
  std::memcpy(memory_file.Pointer(pages.start), vdso_image_start, bytes);
  const HostVdsoEntries entries = {.clock_gettime = HostEntry<int (*)(int, void*)>(host_vdso, "__vdso_clock_gettime"),
                                   .gettimeofday = HostEntry<int (*)(void*, void*)>(host_vdso, "__vdso_gettimeofday"),
                                   .time = HostEntry<long (*)(long*)>(host_vdso, "__vdso_time")};
  std::memcpy(memory_file.Pointer(pages.start) + kHostEntriesOffset, &entries, sizeof(entries));
  return Vdso{.image = MakeRef<VdsoImage>(memory_file, pages), .size = pages.size()};
}

}  // namespace sentry
