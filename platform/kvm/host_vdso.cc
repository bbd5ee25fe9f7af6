#include "platform/kvm/host_vdso.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>

#include "sentry/usermem/user_addr.h"

namespace platform::kvm {
namespace {

using sentry::kPageSize;

constexpr size_t kMaxPages = 16;

size_t TextSize(const std::byte* image) {
  const auto& elf = *reinterpret_cast<const Elf64_Ehdr*>(image);
  const auto* const headers = reinterpret_cast<const Elf64_Phdr*>(image + elf.e_phoff);
  for (size_t i = 0; i < elf.e_phnum; i++) {
    if (headers[i].p_type == PT_LOAD) return (headers[i].p_memsz + kPageSize - 1) / kPageSize * kPageSize;
  }
  return 0;
}

// The kernel's own pages are the only ones that this is refused for (VM_PFNMAP); to
// others it does nothing that matters.
bool IsKernelPage(std::byte* page) { return madvise(page, kPageSize, MADV_COLD) != 0 && errno == EINVAL; }

}  // namespace

HostVdso FindHostVdso() {
  auto* const text = reinterpret_cast<std::byte*>(getauxval(AT_SYSINFO_EHDR));
  if (text == nullptr) return {};
  size_t below = 0;
  while (below < kMaxPages && IsKernelPage(text - (below + 1) * kPageSize)) below++;
  const size_t size = TextSize(text);
  if (below == 0 || size == 0) return {};
  return {{text - below * kPageSize, below * kPageSize}, {text, size}};
}

}  // namespace platform::kvm
