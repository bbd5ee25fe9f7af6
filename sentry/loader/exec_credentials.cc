#include "sentry/loader/exec_credentials.h"

#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

constexpr uint32_t kSecbitNoRoot = 1 << 0;
constexpr uint32_t kSecbitKeepCaps = 1 << 4;

void ApplySetId(const Attributes& file, Credentials& c) {
  if (file.mode & abi::kSIsUid) c.euid = file.uid;
  // Set-gid without group execution means mandatory locking, not set-gid.
  if ((file.mode & (abi::kSIsGid | 0010)) == (abi::kSIsGid | 0010)) c.egid = file.gid;
}

void TransformCapabilities(bool set_id, Credentials& c) {
  const bool root_rules = (c.securebits & kSecbitNoRoot) == 0;
  CapabilitySet file_permitted, file_inheritable;
  bool file_effective = false;
  if (root_rules && (c.euid == 0 || c.uid == 0)) {
    file_permitted = file_inheritable = CapabilitySet::All();
    file_effective = c.euid == 0;
  }
  if (set_id) c.ambient = {};
  c.permitted.bits =
      (c.inheritable.bits & file_inheritable.bits) | (file_permitted.bits & c.bounding.bits) | c.ambient.bits;
  c.effective = file_effective ? c.permitted : c.ambient;
}

}  // namespace

Result<ExecCredentials> CredentialsForExec(const VfsContext& ctx, FileDescription& file) {
  const Attributes attributes = TRY(file.inode()->GetAttributes(ctx));
  RefPtr<Credentials> fresh = MakeRef<Credentials>(*ctx.creds);
  const bool honours_set_id = !file.path().mount->flags().no_suid && !fresh->no_new_privs;
  if (honours_set_id) ApplySetId(attributes, *fresh);
  const bool set_id = fresh->euid != ctx.creds->euid || fresh->egid != ctx.creds->egid;
  TransformCapabilities(set_id, *fresh);
  fresh->suid = fresh->fsuid = fresh->euid;
  fresh->sgid = fresh->fsgid = fresh->egid;
  fresh->securebits &= ~kSecbitKeepCaps;
  const bool gained = fresh->uid != 0 && fresh->effective.bits != fresh->ambient.bits;
  const bool secure = fresh->euid != fresh->uid || fresh->egid != fresh->gid || gained;
  return ExecCredentials{.credentials = std::move(fresh), .secure = secure};
}

}  // namespace sentry
