// Extended attributes (man 7 xattr): Linux's xattr_permission and the rules of
// its capability module.
#include <utility>

#include "sentry/vfs/checks.h"
#include "sentry/vfs/file_capabilities.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/operations.h"

namespace sentry {
namespace {

constexpr size_t kXattrNameMax = 255;
constexpr size_t kXattrSizeMax = 65536;
enum class Access : uint8_t { kRead, kWrite };

Result<void> CheckName(std::string_view name) {
  return name.empty() || name.size() > kXattrNameMax ? Errno::kERANGE : Ok();
}

Result<void> CheckUser(const VfsContext& ctx, Inode& inode, Access access) {
  if (!inode.is_regular() && !inode.is_dir()) return access == Access::kWrite ? Errno::kEPERM : Errno::kENODATA;
  if (access == Access::kWrite && inode.is_dir()) {
    const Attributes attributes = TRY(inode.GetAttributes(ctx));
    if ((attributes.mode & abi::kSIsVtx) != 0 && !OwnerOrCapable(*ctx.creds, attributes)) return Errno::kEPERM;
  }
  return inode.CheckPermission(ctx, access == Access::kWrite ? abi::kMayWrite : abi::kMayRead);
}

Result<void> CheckXattr(const VfsContext& ctx, const Path& path, std::string_view name, Access access) {
  TRY(CheckName(name));
  if (access == Access::kWrite) TRY(WantWrite(path));
  const bool admin = ctx.creds->Has(Capability::kSysAdmin);
  if (name.starts_with("security.")) {
    // Capabilities of files have rules of their own (file_capabilities.h).
    return access == Access::kRead || name == kCapabilityXattr || admin ? Ok() : Errno::kEPERM;
  }
  if (name.starts_with("trusted.")) {
    if (admin) return Ok();
    return access == Access::kWrite ? Errno::kEPERM : Errno::kENODATA;
  }
  if (name.starts_with("user.")) return CheckUser(ctx, *path.dentry->inode_ptr(), access);
  return Errno::kEOPNOTSUPP;
}

}  // namespace

Result<std::string> GetXattr(const VfsContext& ctx, const Path& path, std::string_view name) {
  TRY(CheckXattr(ctx, path, name, Access::kRead));
  std::string value = TRY(path.dentry->inode_ptr()->GetXattr(ctx, name));
  if (name == kCapabilityXattr) return CapabilityXattrFor(*ctx.creds->user_ns, value);
  return value;
}

Result<void> SetXattr(const VfsContext& ctx, const Path& path, std::string_view name, std::string_view value,
                      int flags) {
  constexpr int kCreate = 1, kReplace = 2;
  if ((flags & ~(kCreate | kReplace)) != 0) return Errno::kEINVAL;
  TRY(CheckName(name));
  if (value.size() > kXattrSizeMax) return Errno::kE2BIG;
  Inode& inode = *path.dentry->inode_ptr();
  std::string kept;
  if (name == kCapabilityXattr && !value.empty()) {
    const Attributes file = TRY(inode.GetAttributes(ctx));
    kept = TRY(CapabilityXattrToKeep(*ctx.creds, file.uid, file.gid, value));
    value = kept;
  }
  TRY(CheckXattr(ctx, path, name, Access::kWrite));
  TRY(inode.SetXattr(ctx, name, value, flags));
  notify::Changed(*path.dentry, abi::kInAttrib);
  return Ok();
}

Result<void> RemoveXattr(const VfsContext& ctx, const Path& path, std::string_view name) {
  TRY(CheckXattr(ctx, path, name, Access::kWrite));
  Inode& inode = *path.dentry->inode_ptr();
  if (name == kCapabilityXattr) {
    const Attributes file = TRY(inode.GetAttributes(ctx));
    if (!ctx.creds->HasOver(file.uid, file.gid, Capability::kSetfcap)) return Errno::kEPERM;
  }
  TRY(inode.RemoveXattr(ctx, name));
  notify::Changed(*path.dentry, abi::kInAttrib);
  return Ok();
}

Result<std::vector<std::string>> ListXattr(const VfsContext& ctx, const Path& path) {
  std::vector<std::string> names = TRY(path.dentry->inode_ptr()->ListXattr(ctx));
  if (!ctx.creds->Has(Capability::kSysAdmin)) {
    std::erase_if(names, [](const std::string& name) { return name.starts_with("trusted."); });
  }
  return names;
}

}  // namespace sentry
