// Reads and maps one ELF file: the program or its interpreter (man 5 elf).
#ifndef SENTRY_LOADER_ELF_H_
#define SENTRY_LOADER_ELF_H_

#include <elf.h>

#include <optional>
#include <string>
#include <vector>

#include "sentry/mm/memory_manager.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

// A file's headers, checked: what they promise lies in bounds and does not wrap.
struct ElfImage {
  Elf64_Ehdr header;
  std::vector<Elf64_Phdr> segments;
  std::optional<std::string> interpreter;
  bool executable_stack = false;  // PT_GNU_STACK says so, or is missing
  uint64_t load_start = 0;        // page-aligned span of all PT_LOADs
  uint64_t load_end = 0;
  uint64_t alignment = kPageSize;
  bool position_independent() const { return header.e_type == ET_DYN; }
};

// ENOEXEC: not an x86-64 ELF program that can be loaded.
Result<ElfImage> ReadElf(const VfsContext& ctx, FileDescription& file);

struct MappedElf {
  uint64_t bias = 0;  // added to every address of the file
  UserAddr entry;
  UserAddr program_headers;  // where the guest finds them; null if unmapped
  UserRange code, data;
  UserAddr brk;  // end of bss, not rounded
};

// Maps the PT_LOAD segments at header addresses + bias, bss included.
Result<MappedElf> MapElf(MemoryManager& mm, const RefPtr<FileDescription>& file, const ElfImage& image, uint64_t bias);

}  // namespace sentry

#endif  // SENTRY_LOADER_ELF_H_
