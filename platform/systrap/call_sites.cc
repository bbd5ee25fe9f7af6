#include "platform/systrap/call_sites.h"

#include <string.h>

#include <algorithm>

#include "platform/systrap/region.h"

namespace platform::systrap {
namespace {

using base::MutexLock;

// The first instruction of a trampoline, which saves rcx.
constexpr size_t kSaveRcxSize = 9;
// Of a kCompare one: where the call comes back to, the compare's size, the jump's.
constexpr size_t kTailOffset = 26, kCompareSize = 6, kJumpSize = 6;
constexpr size_t kMovSize = 31, kCompareTotal = kTailOffset + kCompareSize + kJumpSize + 8;
static_assert(kTrampolineOffset + kMovSize <= kSlotSize && kTrampolineOffset + kCompareTotal <= 2 * kSlotSize);
// In the first slot.
constexpr uint64_t kEntry = kCallArea, kEntryOfAny = kCallArea + 8;

uint64_t SlotAddress(uint32_t slot) { return kCallArea + uint64_t{slot} * kSlotSize; }

// Instructions, a byte after the other.
class Code {
 public:
  template <typename T>
  Code& Add(T value) {
    memcpy(bytes_ + size_, &value, sizeof(value));
    size_ += sizeof(value);
    return *this;
  }
  Code& Add(std::initializer_list<uint8_t> bytes) {
    for (const uint8_t byte : bytes) Add(byte);
    return *this;
  }
  std::span<const std::byte> bytes() const { return {bytes_, size_}; }

 private:
  std::byte bytes_[2 * kSlotSize];
  size_t size_ = 0;
};

// jmp *address
void AddJumpThrough(Code& code, uint64_t address) { code.Add({0xff, 0x24, 0xe5}).Add(static_cast<uint32_t>(address)); }

}  // namespace

std::optional<CallSite> SystrapAddressSpace::Find(std::span<const std::byte> page, size_t behind) {
  constexpr size_t kMovSyscall = 7, kSyscall = 2;
  if (behind < kSyscall || behind > page.size()) return std::nullopt;
  const std::byte* const call = page.data() + behind - kSyscall;
  if (call[0] != std::byte{0x0f} || call[1] != std::byte{0x05}) return std::nullopt;
  CallSite site = {};
  // mov $number, %eax; syscall
  if (behind >= kMovSyscall && call[-5] == std::byte{0xb8}) {
    memcpy(&site.operand, call - 4, sizeof(site.operand));
    if (static_cast<uint32_t>(site.operand) >= REGION_MAX_ANSWERS) return std::nullopt;
    site.kind = CallSite::Kind::kMov;
    site.start = static_cast<uint16_t>(behind - kMovSyscall);
  } else if (behind + kCompareSize <= page.size() && call[2] == std::byte{0x48} && call[3] == std::byte{0x3d}) {
    // syscall; cmp $operand, %rax
    memcpy(&site.operand, call + 4, sizeof(site.operand));
    site.kind = CallSite::Kind::kCompare;
    site.start = static_cast<uint16_t>(behind - kSyscall);
  } else {
    return std::nullopt;
  }
  const std::optional<uint32_t> slot = slots_.Take(site.kind == CallSite::Kind::kMov ? 1 : 2);
  if (!slot) return std::nullopt;
  site.slot = *slot;
  return site;
}

void SystrapAddressSpace::Rewrite(std::span<std::byte> page, const CallSite& site) const {
  Code code;
  AddJumpThrough(code, SlotAddress(site.slot));
  memcpy(page.data() + site.start, code.bytes().data(), CallSite::kSize);
}

Result<std::byte*> SystrapAddressSpace::Chunk(uint64_t address) {
  const size_t index = (address - kCallArea) / kChunkSize;
  if (chunks_[index] == nullptr) {
    chunks_[index] = TRY(stub()->MapCode(kCallArea + index * kChunkSize));
  }
  return chunks_[index] + (address - kCallArea) % kChunkSize;
}

Result<void> SystrapAddressSpace::Write(uint64_t address, std::span<const std::byte> bytes) {
  // A slot may lie across the end of a chunk.
  while (!bytes.empty()) {
    std::byte* const to = TRY(Chunk(address));
    const size_t size = std::min<size_t>(bytes.size(), kChunkSize - (address - kCallArea) % kChunkSize);
    memcpy(to, bytes.data(), size);
    address += size;
    bytes = bytes.subspan(size);
  }
  return base::Ok();
}

Result<void> SystrapAddressSpace::WriteSlot(UserAddr page, const CallSite& site) {
  const uint64_t address = SlotAddress(site.slot), trampoline = address + kTrampolineOffset;
  Code code;
  code.Add(trampoline);
  // mov %rcx, %gs:REGION_SITE_RCX; movabs $back, %rcx
  code.Add({0x65, 0x48, 0x89, 0x0c, 0x25}).Add(uint32_t{REGION_SITE_RCX - REGION_WORDS}).Add({0x48, 0xb9});
  if (site.kind == CallSite::Kind::kMov) {
    // mov $number, %eax; jmp *entry
    code.Add(page.value + site.end()).Add({0xb8}).Add(site.operand);
    AddJumpThrough(code, kEntry);
  } else {
    code.Add(trampoline + kTailOffset);
    AddJumpThrough(code, kEntryOfAny);
    // The tail: cmp $operand, %rax; jmp *end(%rip)
    code.Add({0x48, 0x3d}).Add(site.operand).Add({0xff, 0x25}).Add(uint32_t{0}).Add(page.value + site.end());
  }
  return Write(address, code.bytes());
}

Result<void> SystrapAddressSpace::Install(UserAddr page, std::span<const CallSite> sites) {
  MutexLock lock(mu_);
  if (installed_.empty()) {
    area_in_use_.store(true, std::memory_order_release);
    Code code;
    code.Add(uint64_t{STUB_BASE + STUB_CALL_ENTRY_OFFSET}).Add(uint64_t{STUB_BASE + STUB_ANY_CALL_ENTRY_OFFSET});
    TRY(Write(kCallArea, code.bytes()));
    installed_.resize(kMaxSlots);
  }
  for (const CallSite& site : sites) {
    Installed& installed = installed_[site.slot];
    const uint64_t start = page.value + site.start;
    if (installed.start == start) continue;
    // The same code mapped twice, or a library that comes back elsewhere: threads may
    // still be on their way through the old one.
    if (installed.start != 0) return Errno::kEBUSY;
    TRY(WriteSlot(page, site));
    installed = {start, site.kind};
  }
  return base::Ok();
}

std::optional<SystrapAddressSpace::InTrampoline> SystrapAddressSpace::Locate(uint64_t rip) const {
  if (rip - kCallArea >= kCallAreaSize) return std::nullopt;
  MutexLock lock(mu_);
  size_t slot = (rip - kCallArea) / kSlotSize;
  if (slot == 0 || slot >= installed_.size()) return std::nullopt;
  // The second slot of two.
  if (installed_[slot].start == 0) slot--;
  const Installed& site = installed_[slot];
  const uint64_t offset = rip - SlotAddress(static_cast<uint32_t>(slot)) - kTrampolineOffset;
  if (site.start == 0) return std::nullopt;
  if (offset >= (site.kind == CallSite::Kind::kMov ? kMovSize : kCompareTotal)) return std::nullopt;
  if (site.kind == CallSite::Kind::kMov || offset < kTailOffset)
    return InTrampoline{site.start, offset >= kSaveRcxSize};
  const CallSite as_it_was = {.start = 0, .kind = site.kind, .operand = 0, .slot = 0};
  const bool compared = offset >= kTailOffset + kCompareSize;
  return InTrampoline{site.start + (compared ? as_it_was.end() : as_it_was.second()), false};
}

Result<void> SystrapAddressSpace::Apply(std::span<const MapOp> ops) {
  if (!area_in_use_.load(std::memory_order_acquire)) return StubAddressSpace::Apply(ops);
  const UserRange area = this->area();
  const auto spares = [&](const MapOp& op) { return op.kind == MapOp::Kind::kMap || op.range.Intersect(area).empty(); };
  if (std::all_of(ops.begin(), ops.end(), spares)) return StubAddressSpace::Apply(ops);
  // mm unmaps wide ranges at times, and does not know of our own mappings.
  std::vector<MapOp> without;
  for (const MapOp& op : ops) {
    if (spares(op)) {
      without.push_back(op);
      continue;
    }
    MapOp part = op;
    part.range.end = std::min(op.range.end, area.start);
    if (part.range.start < part.range.end) without.push_back(part);
    part.range = {std::max(op.range.start, area.end), op.range.end};
    if (part.range.start < part.range.end) without.push_back(part);
  }
  return StubAddressSpace::Apply(without);
}

}  // namespace platform::systrap
