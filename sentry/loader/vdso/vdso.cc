// The guest's vDSO (man 7 vdso): what libc calls for the time. Freestanding, and
// position independent; it becomes an ELF shared object that vdso.cc of the
// loader maps into every program.
//
// The clock functions go on to the host's own vDSO where a platform has it within
// reach, else each is the system call itself.
#include <stdint.h>

#include "sentry/loader/vdso/host_entries.h"

namespace {

template <long kNumber>
inline long Call2(long a, const void* b) {
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(kNumber), "D"(a), "S"(b) : "rcx", "r11", "memory");
  return result;
}
template <long kNumber>
inline long Call3(const void* a, const void* b, const void* c) {
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(kNumber), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

// Filled in by the loader; the compiler must not know what is here.
__attribute__((section(".host_entries"), used)) const volatile sentry::HostVdsoEntries host = {};

}  // namespace

extern "C" {
__attribute__((visibility("default"))) int __vdso_clock_gettime(int clock, void* time) {
  if (auto* const entry = host.clock_gettime) return entry(clock, time);
  return static_cast<int>(Call2<228>(clock, time));
}
__attribute__((visibility("default"))) int __vdso_clock_getres(int clock, void* resolution) {
  return static_cast<int>(Call2<229>(clock, resolution));
}
__attribute__((visibility("default"))) int __vdso_gettimeofday(void* time, void* zone) {
  if (auto* const entry = host.gettimeofday) return entry(time, zone);
  return static_cast<int>(Call3<96>(time, zone, nullptr));
}
__attribute__((visibility("default"))) long __vdso_time(long* time) {
  if (auto* const entry = host.time) return entry(time);
  return Call3<201>(time, nullptr, nullptr);
}
__attribute__((visibility("default"))) long __vdso_getcpu(unsigned* cpu, unsigned* node, void* unused) {
  return Call3<309>(cpu, node, unused);
}
int clock_gettime(int, void*) __attribute__((weak, alias("__vdso_clock_gettime"), visibility("default")));
int clock_getres(int, void*) __attribute__((weak, alias("__vdso_clock_getres"), visibility("default")));
int gettimeofday(void*, void*) __attribute__((weak, alias("__vdso_gettimeofday"), visibility("default")));
long time(long*) __attribute__((weak, alias("__vdso_time"), visibility("default")));
long getcpu(unsigned*, unsigned*, void*) __attribute__((weak, alias("__vdso_getcpu"), visibility("default")));
}
