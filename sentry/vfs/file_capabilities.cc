#include "sentry/vfs/file_capabilities.h"

#include <bit>
#include <cstring>

namespace sentry {

using base::Errno;
using base::Result;

namespace {

constexpr uint32_t kRevisionMask = 0xff000000, kEffective = 1;
constexpr uint32_t kRevision1 = 0x01000000, kRevision2 = 0x02000000, kRevision3 = 0x03000000;
constexpr size_t kSize1 = 12, kSize2 = 20, kSize3 = 24;

static_assert(std::endian::native == std::endian::little);

uint32_t Word(std::string_view value, size_t index) {
  uint32_t word;
  std::memcpy(&word, value.data() + 4 * index, sizeof(word));
  return word;
}

bool IsVersion(std::string_view value, uint32_t revision, size_t size) {
  return value.size() == size && (Word(value, 0) & kRevisionMask) == revision;
}

std::string AsVersion2(std::string_view value) {
  std::string out(value.substr(0, kSize2));
  const uint32_t magic = kRevision2 | (Word(value, 0) & kEffective);
  std::memcpy(out.data(), &magic, sizeof(magic));
  return out;
}

std::string AsVersion3(std::string_view value, uint32_t root) {
  std::string out(value.substr(0, kSize2));
  const uint32_t magic = kRevision3 | (Word(value, 0) & kEffective);
  std::memcpy(out.data(), &magic, sizeof(magic));
  out.append(reinterpret_cast<const char*>(&root), sizeof(root));
  return out;
}

bool RootCounts(uint32_t root, const UserNamespace& ns) {
  for (const UserNamespace* at = &ns; at != nullptr; at = at->parent().get()) {
    if (at->FromKernelUid(root) == 0) return true;
  }
  return false;
}

}  // namespace

Result<FileCapabilities> ParseFileCapabilities(std::string_view value) {
  if (value.size() < sizeof(uint32_t)) return Errno::kEINVAL;
  FileCapabilities caps;
  caps.effective = (Word(value, 0) & kEffective) != 0;
  const bool one = IsVersion(value, kRevision1, kSize1), three = IsVersion(value, kRevision3, kSize3);
  if (!one && !three && !IsVersion(value, kRevision2, kSize2)) return Errno::kEINVAL;
  caps.permitted.bits = Word(value, 1), caps.inheritable.bits = Word(value, 2);
  if (!one) {
    caps.permitted.bits |= uint64_t{Word(value, 3)} << 32;
    caps.inheritable.bits |= uint64_t{Word(value, 4)} << 32;
  }
  caps.permitted = caps.permitted & CapabilitySet::All();
  caps.inheritable = caps.inheritable & CapabilitySet::All();
  if (three) caps.root = Word(value, 5);
  return caps;
}

bool FileCapabilitiesCount(const FileCapabilities& caps, const UserNamespace& ns) { return RootCounts(caps.root, ns); }

Result<std::string> CapabilityXattrToKeep(const Credentials& creds, uint32_t file_uid, uint32_t file_gid,
                                          std::string_view value) {
  const bool two = IsVersion(value, kRevision2, kSize2);
  if (!two && !IsVersion(value, kRevision3, kSize3)) return Errno::kEINVAL;
  if (!creds.HasOver(file_uid, file_gid, Capability::kSetfcap)) return Errno::kEPERM;
  if (two && creds.Has(Capability::kSetfcap)) return std::string(value);
  const uint32_t root = creds.user_ns->ToKernelUid(two ? 0 : Word(value, 5));
  if (root == kInvalidId) return Errno::kEINVAL;
  return AsVersion3(value, root);
}

Result<std::string> CapabilityXattrFor(const UserNamespace& ns, std::string_view kept) {
  const bool three = kept.size() >= sizeof(uint32_t) && IsVersion(kept, kRevision3, kSize3);
  if (!three && !(kept.size() >= sizeof(uint32_t) && IsVersion(kept, kRevision2, kSize2))) return Errno::kEINVAL;
  const uint32_t root = three ? Word(kept, 5) : 0;
  const uint32_t mapped = ns.FromKernelUid(root);
  if (mapped != kInvalidId && mapped != 0) return AsVersion3(kept, mapped);
  if (!RootCounts(root, ns)) return Errno::kEOVERFLOW;
  return AsVersion2(kept);
}

}  // namespace sentry
