// cpuN/cache from CPUID, which guests can ask, too: both must say the same.
#include <cpuid.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "sentry/fs/sys/sys_node.h"

namespace sentry {
namespace {

constexpr uint32_t kMaxCaches = 16;

struct Cache {
  uint32_t type = 0;  // 1 data, 2 instruction, 3 unified
  uint32_t level = 0;
  uint32_t line = 0, partitions = 0, ways = 0, sets = 0;
  uint64_t size() const { return uint64_t{line} * partitions * ways * sets; }
};

// Leaf 4 of Intel's processors; AMD's say the same in another.
uint32_t CacheLeaf() {
  uint32_t eax, ebx, ecx, edx;
  if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx)) return 0;
  constexpr uint32_t kHygon = 0x6f677948;  // "Hygo"
  const bool amd = ebx == signature_AMD_ebx || ebx == kHygon;
  if (!amd) return eax >= 4 ? 4 : 0;
  constexpr uint32_t kTopologyExtensions = 1u << 22;
  if (!__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) || (ecx & kTopologyExtensions) == 0) return 0;
  return 0x8000001d;
}

std::vector<Cache> ReadCaches() {
  std::vector<Cache> caches;
  const uint32_t leaf = CacheLeaf();
  for (uint32_t i = 0; leaf != 0 && i < kMaxCaches; ++i) {
    uint32_t eax, ebx, ecx, edx;
    if (!__get_cpuid_count(leaf, i, &eax, &ebx, &ecx, &edx)) break;
    if ((eax & 0x1f) == 0) break;
    if ((eax & 0x1f) > 3) continue;
    caches.push_back({.type = eax & 0x1f,
                      .level = eax >> 5 & 7,
                      .line = (ebx & 0xfff) + 1,
                      .partitions = (ebx >> 12 & 0x3ff) + 1,
                      .ways = (ebx >> 22 & 0x3ff) + 1,
                      .sets = ecx + 1});
  }
  return caches;
}

const std::vector<Cache>& Caches() {
  static const auto& caches = *new std::vector<Cache>(ReadCaches());
  return caches;
}

// A core has the first two levels for itself; the package shares the others.
SysNodes OneCache(const Cache& cache, uint32_t cpu, uint32_t cpu_count) {
  constexpr const char* kTypes[] = {"", "Data", "Instruction", "Unified"};
  const bool shared = cache.level > 2;
  const uint32_t first = shared ? 0 : cpu;
  const uint32_t count = shared ? cpu_count : 1;
  return {
      Constant("coherency_line_size", absl::StrCat(cache.line)),
      Constant("id", absl::StrCat(first)),
      Constant("level", absl::StrCat(cache.level)),
      Constant("number_of_sets", absl::StrCat(cache.sets)),
      Constant("physical_line_partition", absl::StrCat(cache.partitions)),
      Constant("shared_cpu_list", CpuRangeText(first, count)),
      Constant("shared_cpu_map", CpuBitsText(first, count, cpu_count)),
      Constant("size", absl::StrCat(cache.size() / 1024, "K")),
      Constant("type", kTypes[cache.type]),
      Constant("ways_of_associativity", absl::StrCat(cache.ways)),
  };
}

}  // namespace

SysNodes SysCpuCaches(uint32_t cpu, uint32_t cpu_count) {
  SysNodes nodes;
  for (size_t i = 0; i < Caches().size(); ++i) {
    nodes.push_back(Directory(absl::StrCat("index", i),
                              [i, cpu, cpu_count](const SysSource&) { return OneCache(Caches()[i], cpu, cpu_count); }));
  }
  return nodes;
}

}  // namespace sentry
