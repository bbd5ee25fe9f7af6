// Extended attributes (man 7 xattr): Linux's xattr_permission and the rules of
// its capability module.
#include <utility>

#include "sentry/vfs/checks.h"
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
    if (access == Access::kRead || admin) return Ok();
    const bool capability = name == "security.capability";
    return capability && ctx.creds->Has(Capability::kSetfcap) ? Ok() : Errno::kEPERM;
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
  return path.dentry->inode_ptr()->GetXattr(ctx, name);
}

Result<void> SetXattr(const VfsContext& ctx, const Path& path, std::string_view name, std::string_view value,
                      int flags) {
  constexpr int kCreate = 1, kReplace = 2;
  if ((flags & ~(kCreate | kReplace)) != 0) return Errno::kEINVAL;
  TRY(CheckName(name));
  if (value.size() > kXattrSizeMax) return Errno::kE2BIG;
  TRY(CheckXattr(ctx, path, name, Access::kWrite));
  TRY(path.dentry->inode_ptr()->SetXattr(ctx, name, value, flags));
  notify::Changed(*path.dentry, abi::kInAttrib);
  return Ok();
}

Result<void> RemoveXattr(const VfsContext& ctx, const Path& path, std::string_view name) {
  TRY(CheckXattr(ctx, path, name, Access::kWrite));
  TRY(path.dentry->inode_ptr()->RemoveXattr(ctx, name));
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
