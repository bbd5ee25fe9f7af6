// Limits, usage and machine facts (man 2 getrlimit, getrusage, uname, sysinfo).
#ifndef SENTRY_ABI_RESOURCE_H_
#define SENTRY_ABI_RESOURCE_H_

#include <cstdint>

#include "sentry/abi/time.h"

namespace sentry::abi {

struct Rlimit64 {
  uint64_t soft;
  uint64_t hard;
};
inline constexpr uint64_t kRlimInfinity = UINT64_MAX;

struct Rusage {
  Timeval utime, stime;
  int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
static_assert(sizeof(Rusage) == 144);
inline constexpr int32_t kRusageSelf = 0, kRusageChildren = -1, kRusageThread = 1;
inline constexpr int32_t kPrioProcess = 0, kPrioPgrp = 1, kPrioUser = 2;

struct NewUtsname {
  char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
static_assert(sizeof(NewUtsname) == 390);

struct Sysinfo {
  int64_t uptime;
  uint64_t loads[3];
  uint64_t totalram, freeram, sharedram, bufferram, totalswap, freeswap;
  uint16_t procs;
  uint16_t pad;
  uint32_t pad1;
  uint64_t totalhigh, freehigh;
  uint32_t mem_unit;
  uint32_t pad2;
};
static_assert(sizeof(Sysinfo) == 112);

}  // namespace sentry::abi

#endif  // SENTRY_ABI_RESOURCE_H_
