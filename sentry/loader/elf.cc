#include "sentry/loader/elf.h"

#include <algorithm>
#include <cstring>

#include "sentry/vfs/path_walk.h"

namespace sentry {
namespace {

// Linux bounds the table at 64 KiB.
constexpr size_t kMaxSegments = 65536 / sizeof(Elf64_Phdr);

Result<void> ReadExactly(const VfsContext& ctx, FileDescription& file, uint64_t offset, std::span<std::byte> out) {
  KernelIoSink sink(out);
  while (sink.remaining() > 0) {
    const size_t done = out.size() - sink.remaining();
    if (TRY(file.ReadAt(ctx, sink, offset + done)) == 0) return Errno::kENOEXEC;
  }
  return Ok();
}

Result<void> CheckHeader(const Elf64_Ehdr& h) {
  const bool ok = std::memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 && h.e_ident[EI_CLASS] == ELFCLASS64 &&
                  h.e_ident[EI_DATA] == ELFDATA2LSB && (h.e_type == ET_EXEC || h.e_type == ET_DYN) &&
                  h.e_machine == EM_X86_64 && h.e_phentsize == sizeof(Elf64_Phdr) && h.e_phnum > 0 &&
                  h.e_phnum <= kMaxSegments;
  if (!ok) return Errno::kENOEXEC;
  return Ok();
}

Result<void> AddLoad(const Elf64_Phdr& p, ElfImage& image, bool first) {
  if (p.p_filesz > p.p_memsz || p.p_memsz > kMaxUserAddr.value || p.p_vaddr > kMaxUserAddr.value - p.p_memsz ||
      p.p_offset > INT64_MAX - p.p_filesz || (p.p_vaddr & kPageMask) != (p.p_offset & kPageMask)) {
    return Errno::kENOEXEC;
  }
  const uint64_t start = PageRoundDown(p.p_vaddr);
  const uint64_t end = PageRoundUp(p.p_vaddr + p.p_memsz);
  if (first) image.load_start = start;
  if (start < image.load_start || end < image.load_end) return Errno::kENOEXEC;  // must ascend
  image.load_end = end;
  const bool power_of_two = p.p_align != 0 && (p.p_align & (p.p_align - 1)) == 0;
  if (power_of_two && p.p_align <= (1u << 30)) image.alignment = std::max<uint64_t>(image.alignment, p.p_align);
  return Ok();
}

Result<std::string> ReadInterpreter(const VfsContext& ctx, FileDescription& file, const Elf64_Phdr& p) {
  if (p.p_filesz < 2 || p.p_filesz > kPathMax || p.p_offset > INT64_MAX - p.p_filesz) return Errno::kENOEXEC;
  std::string path(p.p_filesz, '\0');
  TRY(ReadExactly(ctx, file, p.p_offset, std::as_writable_bytes(std::span(path))));
  if (path.back() != '\0') return Errno::kENOEXEC;
  path.resize(std::strlen(path.c_str()));
  return path;
}

MemoryProtection ProtectionOf(uint32_t flags) {
  return {.read = (flags & PF_R) != 0, .write = (flags & PF_W) != 0, .execute = (flags & PF_X) != 0};
}

Result<void> MapFilePart(MemoryManager& mm, const RefPtr<FileDescription>& file, const Elf64_Phdr& p, uint64_t bias) {
  const uint64_t start = PageRoundDown(p.p_vaddr);
  MmapRequest request;
  request.addr = UserAddr(start + bias);
  request.length = PageRoundUp(p.p_vaddr + p.p_filesz) - start;
  request.placement = MmapRequest::Placement::kFixedNoReplace;
  request.prot = ProtectionOf(p.p_flags);
  request.mappable = TRY(file->MapTarget());
  request.identity = file;
  request.offset = PageRoundDown(p.p_offset);
  TRY(mm.Mmap(request));
  return Ok();
}

// The memory behind the file's part: the rest of its last page is zeroed, whole
// pages are anonymous.
Result<void> MapBss(MemoryManager& mm, const Elf64_Phdr& p, uint64_t bias) {
  const uint64_t file_end = p.p_vaddr + p.p_filesz;
  const uint64_t memory_end = p.p_vaddr + p.p_memsz;
  const uint64_t page_end = PageRoundUp(file_end);
  if (p.p_filesz > 0 && file_end != page_end && (p.p_flags & PF_W) != 0) {
    const size_t tail = page_end - file_end;
    const size_t zeroed = TRY(mm.ZeroOut(UserAddr(file_end + bias), tail));
    if (zeroed != tail) return Errno::kEFAULT;
  }
  const uint64_t start = p.p_filesz > 0 ? page_end : PageRoundDown(p.p_vaddr);
  if (PageRoundUp(memory_end) <= start) return Ok();
  MmapRequest request;
  request.addr = UserAddr(start + bias);
  request.length = PageRoundUp(memory_end) - start;
  request.placement = MmapRequest::Placement::kFixedNoReplace;
  request.prot = ProtectionOf(p.p_flags);
  TRY(mm.Mmap(request));
  return Ok();
}

}  // namespace

Result<ElfImage> ReadElf(const VfsContext& ctx, FileDescription& file) {
  ElfImage image;
  TRY(ReadExactly(ctx, file, 0, std::as_writable_bytes(std::span(&image.header, 1))));
  TRY(CheckHeader(image.header));
  if (image.header.e_phoff > INT64_MAX - (1 << 16)) return Errno::kENOEXEC;
  image.segments.resize(image.header.e_phnum);
  TRY(ReadExactly(ctx, file, image.header.e_phoff, std::as_writable_bytes(std::span(image.segments))));
  bool loads = false;
  image.executable_stack = true;
  for (const Elf64_Phdr& p : image.segments) {
    if (p.p_type == PT_LOAD && p.p_memsz > 0) {
      TRY(AddLoad(p, image, !loads));
      loads = true;
    } else if (p.p_type == PT_INTERP && !image.interpreter) {
      image.interpreter = TRY(ReadInterpreter(ctx, file, p));
    } else if (p.p_type == PT_GNU_STACK) {
      image.executable_stack = (p.p_flags & PF_X) != 0;
    }
  }
  if (!loads) return Errno::kENOEXEC;
  return image;
}

Result<MappedElf> MapElf(MemoryManager& mm, const RefPtr<FileDescription>& file, const ElfImage& image, uint64_t bias) {
  if (!MakeUserRange(UserAddr(image.load_start + bias), image.load_end - image.load_start)) return Errno::kENOMEM;
  MappedElf mapped;
  mapped.bias = bias;
  mapped.entry = UserAddr(image.header.e_entry + bias);
  uint64_t code_start = UINT64_MAX, code_end = 0, data_start = 0, data_end = 0;
  for (const Elf64_Phdr& p : image.segments) {
    if (p.p_type != PT_LOAD || p.p_memsz == 0) continue;
    if (p.p_filesz > 0) TRY(MapFilePart(mm, file, p, bias));
    TRY(MapBss(mm, p, bias));
    const uint64_t header_end = image.header.e_phoff + image.segments.size() * sizeof(Elf64_Phdr);
    if (p.p_offset <= image.header.e_phoff && header_end <= p.p_offset + p.p_filesz) {
      mapped.program_headers = UserAddr(p.p_vaddr + (image.header.e_phoff - p.p_offset) + bias);
    }
    if (p.p_flags & PF_X) {
      code_start = std::min(code_start, p.p_vaddr + bias);
      code_end = std::max(code_end, p.p_vaddr + p.p_filesz + bias);
    }
    data_start = std::max(data_start, p.p_vaddr + bias);
    data_end = std::max(data_end, p.p_vaddr + p.p_filesz + bias);
    mapped.brk = std::max(mapped.brk, UserAddr(p.p_vaddr + p.p_memsz + bias));
  }
  if (code_end != 0) mapped.code = {UserAddr(code_start), UserAddr(code_end)};
  mapped.data = {UserAddr(data_start), UserAddr(data_end)};
  return mapped;
}

}  // namespace sentry
