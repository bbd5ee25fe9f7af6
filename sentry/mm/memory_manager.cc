// Life and death of an address space, and what others ask about it.
#include "sentry/mm/memory_manager.h"

#include <algorithm>

#include "sentry/mm/mm_impl.h"

namespace sentry {

Result<RefPtr<MemoryManager>> MemoryManager::Create(std::shared_ptr<platform::AddressSpaces> spaces,
                                                    MemoryFile& memory_file, CodeCache* code_cache) {
  std::unique_ptr<platform::AddressSpace> space = TRY(spaces->NewAddressSpace());
  return RefPtr<MemoryManager>::Adopt(new MemoryManager(std::move(spaces), memory_file, std::move(space), code_cache));
}

MemoryManager::MemoryManager(std::shared_ptr<platform::AddressSpaces> spaces, MemoryFile& memory_file,
                             std::unique_ptr<platform::AddressSpace> space, CodeCache* code_cache)
    : platform_space_(std::move(space)),
      impl_(std::make_unique<Impl>(*this, std::move(spaces), memory_file, *platform_space_, code_cache)) {}

const std::shared_ptr<platform::AddressSpaces>& MemoryManager::spaces() const { return impl_->spaces; }

MemoryManager::~MemoryManager() {
  platform_space_.reset();  // from here on no guest reaches a page
  impl_->FlushDeferred();
  Impl::Trash trash(*impl_);
  base::MutexLock lock(impl_->mu);
  std::vector<Pages::Piece> all = impl_->pages.Remove(0, kMaxUserAddr.value);
  trash.Add(all);
  // From the top: a mappable finds what was added last soonest.
  while (impl_->vmas.size() > 0) impl_->DropVma(std::prev(impl_->vmas.end()), trash);
}

bool MemoryManager::TryPin() { return TryIncRef(); }
void MemoryManager::Unpin() { DecRef(); }

void MemoryManager::InvalidateMappings(UserRange range, Copies private_copies) {
  Impl::Trash trash(*impl_);
  base::MutexLock lock(impl_->mu);
  ++impl_->invalidations;
  for (auto it = impl_->vmas.FirstAbove(range.start.value); it != impl_->vmas.end() && it->first < range.end.value;
       ++it) {
    if (it->second.anonymous()) continue;
    const UserRange part = it->second.range.Intersect(range);
    impl_->RemoveFilePages(part.start.value, part.end.value, private_copies, trash);
  }
}

void MemoryManager::InvalidateMappingsOf(const Mappable& of, UserRange range, Copies private_copies) {
  Impl::Trash trash(*impl_);
  base::MutexLock lock(impl_->mu);
  ++impl_->invalidations;
  for (auto it = impl_->vmas.FirstAbove(range.start.value); it != impl_->vmas.end() && it->first < range.end.value;
       ++it) {
    if (it->second.mappable.get() != &of) continue;
    const UserRange part = it->second.range.Intersect(range);
    impl_->RemoveFilePages(part.start.value, part.end.value, private_copies, trash);
  }
}

Result<MemoryManager::SharedKey> MemoryManager::FutexKey(UserAddr addr) {
  if (addr.value % sizeof(uint32_t) != 0) return Errno::kEINVAL;
  if (!MakeUserRange(addr, sizeof(uint32_t))) return Errno::kEFAULT;
  base::MutexLock lock(impl_->mu);
  const Vma* vma = impl_->vmas.Find(addr.value);
  if (vma == nullptr || !vma->prot.any()) return Errno::kEFAULT;
  if (!vma->shared) return SharedKey{this, addr.value, RefPtr<base::RefCounted>(this)};
  return SharedKey{vma->mappable->identity(), vma->OffsetOf(addr.value), vma->mappable};
}

std::vector<VmaInfo> MemoryManager::Vmas() const {
  std::vector<VmaInfo> out;
  std::vector<RefPtr<FileIdentity>> identities;
  {
    base::MutexLock lock(impl_->mu);
    out.reserve(impl_->vmas.size());
    for (const auto& [start, vma] : impl_->vmas) {
      VmaInfo info{};
      info.range = vma.range;
      info.prot = vma.prot;
      info.shared = vma.shared;
      info.grows_down = vma.grows_down;
      info.locked = vma.locked;
      info.offset = vma.mappable ? vma.offset : 0;
      if (vma.label != nullptr) info.name = vma.label;
      if (vma.label == nullptr && vma.stack) info.name = "[stack]";
      for (const Pages::Piece& p : impl_->pages.PiecesIn(vma.range.start.value, vma.range.end.value)) {
        info.resident += p.size();
      }
      out.push_back(std::move(info));
      identities.push_back(vma.identity);
    }
  }
  // Names come from the file system, which takes locks of its own.
  for (size_t i = 0; i < out.size(); ++i) {
    if (!identities[i]) continue;
    out[i].device = identities[i]->MappedDevice();
    out[i].inode = identities[i]->MappedInode();
    if (out[i].name.empty()) out[i].name = identities[i]->MappedName();
  }
  return out;
}

MmUsage MemoryManager::usage() const {
  base::MutexLock lock(impl_->mu);
  const Impl::Totals t = impl_->totals;
  MmUsage u;
  u.virtual_bytes = t.all;
  u.resident_anon = impl_->pages.bytes(RunKind::kPrivate);
  u.resident_file = impl_->pages.bytes(RunKind::kFile);
  u.resident_shared = impl_->pages.bytes(RunKind::kShared);
  u.resident_bytes = u.resident_anon + u.resident_file + u.resident_shared;
  u.peak_resident = impl_->pages.peak_bytes();
  u.peak_virtual = impl_->peak_virtual;
  u.data_bytes = t.data;
  u.stack_bytes = t.stack;
  u.exec_bytes = t.exec;
  u.locked_bytes = t.locked;
  return u;
}

void MemoryManager::SetLimits(const MmLimits& limits) {
  base::MutexLock lock(impl_->mu);
  impl_->limits = limits;
}

MemoryManager::Layout MemoryManager::layout() const {
  base::MutexLock lock(impl_->layout_mu);
  return impl_->layout;
}

void MemoryManager::SetLayout(Layout layout) {
  {
    base::MutexLock lock(impl_->layout_mu);
    std::swap(impl_->layout, layout);
  }
  // The old one, and with it perhaps the last reference to a file, dies here.
}

}  // namespace sentry
