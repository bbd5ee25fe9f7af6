#include "platform/kvm/address_space.h"

#include <algorithm>
#include <cstring>

#include "platform/kvm/layout.h"
#include "platform/kvm/vcpu_pool.h"
#include "sentry/usermem/safe_copy.h"

namespace platform::kvm {
namespace {

using base::MutexLock;
using sentry::kPageSize;

constexpr MemoryProtection kVdsoText{.read = true, .execute = true};
constexpr MemoryProtection kVdsoData{.read = true};

uint64_t NextId() {
  static std::atomic<uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

KvmAddressSpace::KvmAddressSpace(const SpaceParts& parts) : parts_(parts), id_(NextId()), tables_(parts.tables) {}

Result<std::unique_ptr<KvmAddressSpace>> KvmAddressSpace::Create(const SpaceParts& parts) {
  std::unique_ptr<KvmAddressSpace> space(new KvmAddressSpace(parts));
  TRY(space->MapFixed(HOST_VDSO - parts.vdso_data.size, parts.vdso_data, kVdsoData));
  TRY(space->MapFixed(HOST_VDSO, parts.vdso_text, kVdsoText));
  return space;
}

KvmAddressSpace::~KvmAddressSpace() {
  Taken taken;
  MutexLock lock(mu_);
  // No context runs in it any more. What virtual CPUs keep of it dies with its id.
  parts_.vcpus.Forget(*this);
  if (!tables_.Unmap({UserAddr(0), UserAddr(RESERVED_BASE)}, taken).ok()) return;
  parts_.tables.Free(taken.tables);
  parts_.memory.Drop(taken.pages);
}

Result<void> KvmAddressSpace::MapFixed(uint64_t addr, GpaRange to, MemoryProtection prot) {
  MutexLock lock(mu_);
  return tables_.Map(addr, to, prot, false);
}

Result<uint64_t> KvmAddressSpace::Root(size_t vcpu, uint64_t ring0) {
  MutexLock lock(mu_);
  return tables_.Root(vcpu, ring0);
}

Result<void> KvmAddressSpace::MapOne(const MapOp& op, Taken& taken) {
  TRY(tables_.Unmap(op.range, taken));
  const uint64_t size = op.range.size();
  for (uint64_t done = 0; done < size;) {
    const GpaRange to = TRY(parts_.memory.Take(op, op.offset + done, size - done));
    const bool huge = !parts_.tables.shadowed() && parts_.memory.IsMemoryFile(to.start);
    const Result<void> mapped = tables_.Map(op.range.start.value + done, to, op.prot, huge);
    if (!mapped.ok()) {
      // Some of it is; what is not was taken all the same.
      const uint64_t start = op.range.start.value + done;
      Taken part;
      CHECK(tables_.Unmap({UserAddr(start), UserAddr(start + to.size)}, part).ok());
      taken.rights = true;
      taken.tables.insert(taken.tables.end(), part.tables.begin(), part.tables.end());
      taken.pages.push_back(to);
      return mapped;
    }
    done += to.size;
  }
  return base::Ok();
}

Result<void> KvmAddressSpace::Apply(std::span<const MapOp> ops) {
  if (!std::all_of(ops.begin(), ops.end(), IsValid)) return Errno::kEINVAL;
  MutexLock lock(mu_);
  Taken taken;
  Result<void> result;
  for (const MapOp& op : ops) {
    switch (op.kind) {
      case MapOp::Kind::kMap:
        result = MapOne(op, taken);
        break;
      case MapOp::Kind::kUnmap:
        result = tables_.Unmap(op.range, taken);
        break;
      case MapOp::Kind::kProtect:
        result = tables_.Protect(op.range, op.prot, taken);
        break;
    }
    if (!result.ok()) break;
  }
  if (taken.any()) Settle(taken);
  return result;
}

void KvmAddressSpace::Settle(Taken& taken) {
  if (parts_.tables.shadowed()) {
    // The host looks at our tables again where it lost a page, and sees to it that no
    // virtual CPU keeps the old way to it.
    parts_.memory.Zap(taken.pages);
    parts_.memory.Zap(taken.weakened);
  } else {
    generation_.fetch_add(1, std::memory_order_seq_cst);
    parts_.vcpus.Expel(*this);
  }
  parts_.memory.Drop(taken.pages);
  parts_.tables.Free(taken.tables);
}

const std::byte* KvmAddressSpace::Host(uint64_t gpa) const {
  return gpa < parts_.memory.first_gpa() ? parts_.tables.Host(gpa) : parts_.memory.Host(gpa);
}

bool KvmAddressSpace::Read(uint64_t addr, void* to, size_t size) const {
  MutexLock lock(mu_);
  for (size_t done = 0; done < size;) {
    const uint64_t at = addr + done;
    const size_t part = std::min<uint64_t>(size - done, kPageSize - at % kPageSize);
    if (at >= RESERVED_END) return false;
    const std::optional<PageTables::Translation> found = tables_.Translate(at);
    const std::byte* const host = found ? Host(found->gpa) : nullptr;
    if (host == nullptr) return false;
    if (sentry::SafeCopy(static_cast<std::byte*>(to) + done, host + at % kPageSize, part) != 0) return false;
    done += part;
  }
  return true;
}

std::optional<uint64_t> KvmAddressSpace::FindAddress(uint64_t gpa) const {
  MutexLock lock(mu_);
  const std::optional<uint64_t> page = tables_.FindAddress([&](uint64_t at) { return at == gpa - gpa % kPageSize; });
  if (!page) return std::nullopt;
  return *page + gpa % kPageSize;
}

bool KvmAddressSpace::IsGone(uint64_t gpa) const {
  char byte;
  const std::byte* const host = Host(gpa);
  return host == nullptr || sentry::SafeCopy(&byte, host, 1) != 0;
}

std::optional<uint64_t> KvmAddressSpace::FindGone(std::span<const uint64_t> hints) const {
  MutexLock lock(mu_);
  for (const uint64_t hint : hints) {
    if (hint >= RESERVED_BASE) continue;
    const std::optional<PageTables::Translation> found = tables_.Translate(hint);
    if (found && IsGone(found->gpa)) return hint;
  }
  return tables_.FindAddress([&](uint64_t gpa) { return !parts_.memory.IsMemoryFile(gpa) && IsGone(gpa); });
}

}  // namespace platform::kvm
