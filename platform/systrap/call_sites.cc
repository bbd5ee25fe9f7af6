#include "platform/systrap/call_sites.h"

#include <string.h>

#include <algorithm>

#include "platform/systrap/region.h"

namespace platform::systrap {
namespace {

using base::MutexLock;

constexpr size_t kTrampolineSize = 31;
// Of it: the instruction that saves rcx.
constexpr size_t kSaveRcxSize = 9;
static_assert(kTrampolineOffset + kTrampolineSize <= kSlotSize);

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
  std::byte bytes_[kSlotSize];
  size_t size_ = 0;
};

// jmp *address
void AddJumpThrough(Code& code, uint64_t address) { code.Add({0xff, 0x24, 0x25}).Add(static_cast<uint32_t>(address)); }

}  // namespace

std::optional<CallSite> SystrapAddressSpace::Find(std::span<const std::byte> page, size_t behind) {
  if (behind < CallSite::kSize || behind > page.size()) return std::nullopt;
  const std::byte* const site = page.data() + behind - CallSite::kSize;
  // mov $number, %eax; syscall
  if (site[0] != std::byte{0xb8} || site[5] != std::byte{0x0f} || site[6] != std::byte{0x05}) return std::nullopt;
  uint32_t number;
  memcpy(&number, site + 1, sizeof(number));
  if (number >= REGION_MAX_ANSWERS) return std::nullopt;
  const std::optional<uint32_t> slot = slots_.Take();
  if (!slot) return std::nullopt;
  return CallSite{static_cast<uint16_t>(behind - CallSite::kSize), number, *slot};
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

Result<void> SystrapAddressSpace::WriteSlot(const CallSite& site, uint64_t behind) {
  const uint64_t address = SlotAddress(site.slot);
  Code code;
  code.Add(address + kTrampolineOffset);
  // mov %rcx, %gs:REGION_SITE_RCX; movabs $behind, %rcx; mov $number, %eax; jmp *entry
  code.Add({0x65, 0x48, 0x89, 0x0c, 0x25}).Add(uint32_t{REGION_SITE_RCX - REGION_WORDS});
  code.Add({0x48, 0xb9}).Add(behind);
  code.Add({0xb8}).Add(site.number);
  AddJumpThrough(code, kCallArea);
  return Write(address, code.bytes());
}

Result<void> SystrapAddressSpace::Install(UserAddr page, std::span<const CallSite> sites) {
  MutexLock lock(mu_);
  if (behind_.empty()) {
    Code code;
    code.Add(uint64_t{STUB_BASE + STUB_CALL_ENTRY_OFFSET});
    TRY(Write(kCallArea, code.bytes()));
    behind_.resize(kMaxSlots);
  }
  for (const CallSite& site : sites) {
    const uint64_t behind = page.value + site.end();
    uint64_t& installed = behind_[site.slot];
    if (installed == behind) continue;
    // The same code mapped twice, or a library that comes back elsewhere: threads may
    // still be on their way through the old one.
    if (installed != 0) return Errno::kEBUSY;
    TRY(WriteSlot(site, behind));
    installed = behind;
  }
  return base::Ok();
}

std::optional<SystrapAddressSpace::InTrampoline> SystrapAddressSpace::Locate(uint64_t rip) const {
  if (rip - kCallArea >= kCallAreaSize) return std::nullopt;
  MutexLock lock(mu_);
  const uint64_t slot = (rip - kCallArea) / kSlotSize, offset = (rip - kCallArea) % kSlotSize;
  if (slot >= behind_.size() || behind_[slot] == 0 || offset < kTrampolineOffset) return std::nullopt;
  return InTrampoline{behind_[slot] - CallSite::kSize, offset >= kTrampolineOffset + kSaveRcxSize};
}

Result<void> SystrapAddressSpace::Apply(std::span<const MapOp> ops) {
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
