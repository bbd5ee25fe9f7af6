// The vDSO image as something to map: one copy in the memory file for all.
#ifndef SENTRY_LOADER_VDSO_H_
#define SENTRY_LOADER_VDSO_H_

#include "sentry/memfile/memory_file.h"
#include "sentry/mm/mappable.h"

namespace sentry {

struct Vdso {
  RefPtr<Mappable> image;
  uint64_t size = 0;  // page multiple
};
// `host_vdso`: platform::PlatformInfo's.
Result<Vdso> MakeVdso(MemoryFile& memory_file, uint64_t host_vdso);

}  // namespace sentry

#endif  // SENTRY_LOADER_VDSO_H_
