#include "platform/kvm/guest_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "sentry/usermem/user_addr.h"

namespace platform::kvm {
namespace {

using base::MutexLock;
using sentry::kPageSize;

// A slot costs the host 1/400 of its size, empty or not.
constexpr uint64_t kMinSlotSize = 16 << 20;
constexpr size_t kMaxSlots = 16384, kMaxMemorySlots = 8192;

uint64_t SlotSizeFor(const std::vector<MemoryView>& views) {
  uint64_t bytes = 0;
  for (const MemoryView& v : views) bytes += v.view.size();
  return std::max(kMinSlotSize, std::bit_ceil(bytes / kMaxMemorySlots));
}

}  // namespace

GuestMemory::GuestMemory(Machine& machine, std::vector<MemoryView> views, uint64_t first_gpa)
    : machine_(machine),
      first_gpa_(first_gpa),
      slot_size_(SlotSizeFor(views)),
      slot_at_(static_cast<std::atomic<const Slot*>*>(calloc(kMaxSlots, sizeof(std::atomic<const Slot*>)))) {
  MutexLock lock(mu_);
  for (const MemoryView& v : views) {
    if (v.fd >= 0) views_.push_back({v, std::vector<uint64_t>((v.view.size() + slot_size_ - 1) / slot_size_)});
  }
}

GuestMemory::~GuestMemory() {
  MutexLock lock(mu_);
  for (const auto& slot : slots_) {
    if (!slot->memory_file && slot->owned) munmap(slot->host, slot->size);
  }
}

const GuestMemory::Slot* GuestMemory::SlotOf(uint64_t gpa) const {
  const uint64_t index = (gpa - first_gpa_) / slot_size_;
  if (gpa < first_gpa_ || index >= kMaxSlots) return nullptr;
  return slot_at_[index].load(std::memory_order_acquire);
}

std::byte* GuestMemory::Host(uint64_t gpa) const {
  const Slot* const slot = SlotOf(gpa);
  const uint64_t offset = (gpa - first_gpa_) % slot_size_;
  return slot == nullptr || offset >= slot->size ? nullptr : slot->host + offset;
}

bool GuestMemory::IsMemoryFile(uint64_t gpa) const {
  const Slot* const slot = SlotOf(gpa);
  return slot != nullptr && slot->memory_file;
}

Result<uint64_t> GuestMemory::AddSlot(std::byte* host, uint64_t size, bool writable, bool memory_file, bool owned) {
  if (slots_.size() == kMaxSlots) return Errno::kENOMEM;
  const uint64_t gpa = first_gpa_ + slots_.size() * slot_size_;
  TRY(machine_.AddSlot(gpa, host, size, writable));
  slots_.push_back(std::make_unique<Slot>(Slot{host, size, memory_file, owned}));
  slot_at_[slots_.size() - 1].store(slots_.back().get(), std::memory_order_release);
  return gpa;
}

Result<uint64_t> GuestMemory::AddReadOnly(std::byte* host, uint64_t size) {
  MutexLock lock(mu_);
  return AddSlot(host, size, false, false, false);
}

Result<GpaRange> GuestMemory::TakeMemory(View& view, uint64_t offset, uint64_t size) {
  const uint64_t index = offset / slot_size_, in_slot = offset % slot_size_;
  if (index >= view.slots.size()) return Errno::kENOMEM;
  if (view.slots[index] == 0) {
    const std::span<std::byte> all = view.memory.view;
    const uint64_t start = index * slot_size_;
    view.slots[index] = TRY(AddSlot(all.data() + start, std::min(slot_size_, all.size() - start), true, true, false));
  }
  return GpaRange{view.slots[index] + in_slot, std::min(size, slot_size_ - in_slot)};
}

Result<void> GuestMemory::AddWindows() {
  void* const p = mmap(nullptr, slot_size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return base::HostErrno();
  const Result<uint64_t> gpa = AddSlot(static_cast<std::byte*>(p), slot_size_, true, false, true);
  if (!gpa.ok()) {
    munmap(p, slot_size_);
    return gpa.error();
  }
  // The lowest is taken first.
  for (uint64_t at = slot_size_; at > 0; at -= kWindowSize) free_windows_.push_back(*gpa + at - kWindowSize);
  return base::Ok();
}

Result<uint64_t> GuestMemory::NewWindow(const MapOp& op, uint64_t offset) {
  if (windows_.size() == kMaxWindows) return Errno::kENOMEM;
  if (free_windows_.empty()) TRY(AddWindows());
  const uint64_t gpa = free_windows_.back();
  const auto map = [&](int prot) {
    return mmap(Host(gpa), kWindowSize, prot, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, op.host_fd,
                static_cast<off_t>(offset)) != MAP_FAILED;
  };
  // As the descriptor allows: what guests may do is for our page tables to say.
  if (!map(PROT_READ | PROT_WRITE) && !(errno == EACCES && map(PROT_READ))) return base::HostErrno();
  remaps_.fetch_add(1, std::memory_order_relaxed);
  free_windows_.pop_back();
  return gpa;
}

Result<GpaRange> GuestMemory::Take(const MapOp& op, uint64_t offset, uint64_t size) {
  MutexLock lock(mu_);
  for (View& view : views_) {
    if (view.memory.fd == op.host_fd) return TakeMemory(view, offset, size);
  }
  const uint64_t window_offset = offset / kWindowSize * kWindowSize, in_window = offset - window_offset;
  const FileKey key = {op.host_file.get(), window_offset};
  uint64_t gpa = 0;
  const auto known = op.host_file == nullptr ? window_of_.end() : window_of_.find(key);
  if (known != window_of_.end()) {
    gpa = known->second;
  } else {
    gpa = TRY(NewWindow(op, window_offset));
    windows_[gpa] = {0, op.host_file, key};
    if (op.host_file != nullptr) window_of_[key] = gpa;
  }
  const GpaRange range = {gpa + in_window, std::min(size, kWindowSize - in_window)};
  windows_[gpa].pages += range.size / kPageSize;
  return range;
}

void GuestMemory::Drop(std::span<const GpaRange> ranges) {
  std::vector<uint64_t> gone;
  std::vector<base::RefPtr<base::RefCounted>> files;  // let go of without the lock
  {
    MutexLock lock(mu_);
    for (const GpaRange& range : ranges) {
      for (uint64_t at = range.start; at < range.start + range.size;) {
        const uint64_t start = at / kWindowSize * kWindowSize;
        const uint64_t end = std::min(start + kWindowSize, range.start + range.size);
        const auto it = windows_.find(start);
        if (it != windows_.end() && (it->second.pages -= (end - at) / kPageSize) == 0) {
          if (it->second.file != nullptr) window_of_.erase(it->second.key);
          files.push_back(std::move(it->second.file));
          windows_.erase(it);
          gone.push_back(start);
        }
        at = end;
      }
    }
  }
  if (gone.empty()) return;
  // One call for neighbours: each makes the host follow.
  std::sort(gone.begin(), gone.end());
  uint64_t start = gone[0], end = start;
  for (const uint64_t gpa : gone) {
    if (gpa != end) {
      Clear(start, end);
      start = gpa;
    }
    end = gpa + kWindowSize;
  }
  Clear(start, end);
  MutexLock lock(mu_);
  free_windows_.insert(free_windows_.end(), gone.rbegin(), gone.rend());
}

void GuestMemory::Clear(uint64_t start, uint64_t end) {
  // Windows of two slots are no neighbours for the host.
  while (start < end) {
    const uint64_t part = std::min(end, start + slot_size_ - (start - first_gpa_) % slot_size_);
    // The host refuses only if it is out of mappings, which this joins.
    CHECK(mmap(Host(start), part - start, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) !=
          MAP_FAILED);
    remaps_.fetch_add(1, std::memory_order_relaxed);
    start = part;
  }
}

void GuestMemory::Zap(std::span<const GpaRange> ranges) const {
  for (const GpaRange& range : ranges) {
    for (uint64_t at = range.start; at < range.start + range.size;) {
      const uint64_t part = std::min(range.start + range.size, at + slot_size_ - (at - first_gpa_) % slot_size_);
      // Of a shared mapping: the file keeps its pages.
      if (std::byte* const host = Host(at)) madvise(host, part - at, MADV_DONTNEED);
      at = part;
    }
  }
}

size_t GuestMemory::windows() const {
  MutexLock lock(mu_);
  return windows_.size();
}

}  // namespace platform::kvm
