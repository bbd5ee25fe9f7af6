// Functions of the host's vDSO, as our own one calls them.
#ifndef SENTRY_LOADER_VDSO_HOST_ENTRIES_H_
#define SENTRY_LOADER_VDSO_HOST_ENTRIES_H_

namespace sentry {

// At the end of the image's first page (vdso.lds). Null: there is none.
inline constexpr unsigned long kHostEntriesOffset = 0xfc0;
struct HostVdsoEntries {
  int (*clock_gettime)(int clock, void* time);
  int (*gettimeofday)(void* time, void* zone);
  long (*time)(long* time);
};

}  // namespace sentry

#endif  // SENTRY_LOADER_VDSO_HOST_ENTRIES_H_
