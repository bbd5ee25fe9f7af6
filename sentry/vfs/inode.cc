#include "sentry/vfs/inode.h"

#include <utility>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

// Linux's generic_permission.
Result<void> CheckMode(const Credentials& creds, const Attributes& attributes, uint32_t mask) {
  const uint32_t mode = attributes.mode;
  uint32_t bits = mode;
  if (attributes.uid == creds.fsuid) {
    bits = mode >> 6;
  } else if (((mode >> 3) & 7) != (mode & 7) && creds.InGroup(attributes.gid)) {
    bits = mode >> 3;
  }
  if ((mask & ~bits & 7) == 0) return Ok();
  auto able = [&](Capability c) { return creds.HasOver(attributes.uid, attributes.gid, c); };
  if (attributes.type() == abi::kSIfDir) {
    if ((mask & abi::kMayWrite) == 0 && able(Capability::kDacReadSearch)) return Ok();
    return able(Capability::kDacOverride) ? Ok() : Errno::kEACCES;
  }
  if (mask == abi::kMayRead && able(Capability::kDacReadSearch)) return Ok();
  if (((mask & abi::kMayExec) == 0 || (mode & 0111) != 0) && able(Capability::kDacOverride)) return Ok();
  return Errno::kEACCES;
}

}  // namespace

Result<void> FileSystem::Reconfigure(const VfsContext&, std::string_view options) {
  return options.empty() ? Ok() : Errno::kEINVAL;
}

uint64_t FileSystem::NewDevice() {
  static std::atomic<uint32_t> next{20};
  return abi::MakeDev(0, next.fetch_add(1, std::memory_order_relaxed));
}

Result<void> Inode::SetAttr(const VfsContext&, const SetAttributes&) { return Errno::kEPERM; }

Result<void> Inode::CheckPermission(const VfsContext& ctx, uint32_t mask) {
  // Whatever the attributes say, and they may cost a message.
  if (is_dir() && ctx.creds->Has(Capability::kDacOverride)) return Ok();
  return CheckMode(*ctx.creds, TRY(GetAttributes(ctx)), mask & 7);
}

Result<RefPtr<Inode>> Inode::Lookup(const VfsContext&, std::string_view) { return Errno::kENOTDIR; }
void Inode::PrefetchWalk(const VfsContext&, std::span<const std::string_view>) {}
bool Inode::Revalidate(const VfsContext&, std::string_view, Inode*) { return true; }
Result<RefPtr<Inode>> Inode::Create(const VfsContext&, std::string_view, const CreateArgs&) { return Errno::kEPERM; }
Result<RefPtr<Inode>> Inode::Symlink(const VfsContext&, std::string_view, std::string_view, const CreateArgs&) {
  return Errno::kEPERM;
}
Result<void> Inode::Link(const VfsContext&, std::string_view, Inode&) { return Errno::kEPERM; }
Result<void> Inode::Unlink(const VfsContext&, std::string_view, Inode&) { return Errno::kEPERM; }
Result<void> Inode::Rmdir(const VfsContext&, std::string_view, Inode&) { return Errno::kEPERM; }
Result<void> Inode::Rename(const VfsContext&, std::string_view, Inode&, Inode&, std::string_view, Inode*, uint32_t) {
  return Errno::kEPERM;
}
Result<RefPtr<Inode>> Inode::CreateTemporary(const VfsContext&, const CreateArgs&) { return Errno::kEOPNOTSUPP; }

Result<std::string> Inode::ReadLink(const VfsContext&) { return Errno::kEINVAL; }
Result<LinkTarget> Inode::FollowLink(const VfsContext& ctx) { return LinkTarget(TRY(ReadLink(ctx))); }

Result<std::string> Inode::GetXattr(const VfsContext&, std::string_view) { return Errno::kEOPNOTSUPP; }
Result<void> Inode::SetXattr(const VfsContext&, std::string_view, std::string_view, int) { return Errno::kEOPNOTSUPP; }
Result<void> Inode::RemoveXattr(const VfsContext&, std::string_view) { return Errno::kEOPNOTSUPP; }
Result<std::vector<std::string>> Inode::ListXattr(const VfsContext&) { return std::vector<std::string>(); }

}  // namespace sentry
