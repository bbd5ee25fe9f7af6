#include "sentry/loader/host_vdso.h"

#include <elf.h>
#include <sys/auxv.h>

#include <algorithm>
#include <cstring>

namespace sentry {
namespace {

template <typename T>
const T* At(uint64_t base, uint64_t offset) {
  return reinterpret_cast<const T*>(base + offset);
}

// A table that either kind of hash section tells the length of.
uint32_t SymbolCount(const uint32_t* hash, const uint32_t* gnu_hash) {
  if (hash != nullptr) return hash[1];
  if (gnu_hash == nullptr) return 0;
  const uint32_t buckets = gnu_hash[0], first = gnu_hash[1], bloom_words = gnu_hash[2];
  const uint32_t* const bucket = gnu_hash + 4 + 2 * bloom_words;
  const uint32_t* const chain = bucket + buckets;
  uint32_t last = 0;
  for (uint32_t i = 0; i < buckets; i++) last = std::max(last, bucket[i]);
  if (last < first) return first;
  while ((chain[last - first] & 1) == 0) last++;
  return last + 1;
}

}  // namespace

uint64_t HostVdsoOffset(const char* function) {
  const uint64_t base = getauxval(AT_SYSINFO_EHDR);
  if (base == 0) return 0;
  const auto* const header = At<Elf64_Ehdr>(base, 0);
  const auto* const segments = At<Elf64_Phdr>(base, header->e_phoff);
  const Elf64_Dyn* dynamic = nullptr;
  uint64_t linked_at = 0;
  for (int i = 0; i < header->e_phnum; i++) {
    if (segments[i].p_type == PT_LOAD) linked_at = segments[i].p_vaddr - segments[i].p_offset;
    if (segments[i].p_type == PT_DYNAMIC) dynamic = At<Elf64_Dyn>(base, segments[i].p_offset);
  }
  if (dynamic == nullptr) return 0;
  const Elf64_Sym* symbols = nullptr;
  const char* names = nullptr;
  const uint32_t *hash = nullptr, *gnu_hash = nullptr;
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    const uint64_t offset = dynamic->d_un.d_ptr - linked_at;
    if (dynamic->d_tag == DT_SYMTAB) symbols = At<Elf64_Sym>(base, offset);
    if (dynamic->d_tag == DT_STRTAB) names = At<char>(base, offset);
    if (dynamic->d_tag == DT_HASH) hash = At<uint32_t>(base, offset);
    if (dynamic->d_tag == DT_GNU_HASH) gnu_hash = At<uint32_t>(base, offset);
  }
  if (symbols == nullptr || names == nullptr) return 0;
  const uint32_t count = SymbolCount(hash, gnu_hash);
  for (uint32_t i = 0; i < count; i++) {
    if (symbols[i].st_shndx != SHN_UNDEF && strcmp(names + symbols[i].st_name, function) == 0) {
      return symbols[i].st_value - linked_at;
    }
  }
  return 0;
}

}  // namespace sentry
