#include "sentry/loader/exec_credentials.h"

#include "sentry/vfs/file_capabilities.h"
#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

struct Transformation {
  bool effective = false;  // all that is permitted is effective
  bool has_file_caps = false;
};

// True: the file is one of these.
bool ApplySetId(const Attributes& file, Credentials& c) {
  // Ids that mean nothing in its namespace nobody can become.
  if (c.user_ns->FromKernelUid(file.uid) == kInvalidId || c.user_ns->FromKernelGid(file.gid) == kInvalidId)
    return false;
  const bool set_uid = (file.mode & abi::kSIsUid) != 0;
  // Set-gid without group execution means mandatory locking, not set-gid.
  const bool set_gid = (file.mode & (abi::kSIsGid | 0010)) == (abi::kSIsGid | 0010);
  if (set_uid) c.euid = file.uid;
  if (set_gid) c.egid = file.gid;
  return set_uid || set_gid;
}

// Linux's get_file_caps: P'(permitted) of the file's alone. EPERM: a program that
// knows nothing of capabilities would not get all that it is marked for.
Result<Transformation> ApplyFileCapabilities(const VfsContext& ctx, FileDescription& file, Credentials& c) {
  Transformation t;
  Result<std::string> value = file.inode()->GetXattr(ctx, kCapabilityXattr);
  if (!value.ok()) return t;
  const FileCapabilities caps = TRY(ParseFileCapabilities(*value));
  if (!FileCapabilitiesCount(caps, *c.user_ns)) return t;
  t.effective = caps.effective;
  t.has_file_caps = true;
  c.permitted = (c.bounding & caps.permitted) | (c.inheritable & caps.inheritable);
  if (t.effective && !c.permitted.Contains(caps.permitted)) return Errno::kEPERM;
  return t;
}

// Linux's handle_privileged_root.
void ApplyRoot(const Credentials& old, uint32_t root, Credentials& c, Transformation& t) {
  if (c.securebits & kSecbitNoRoot) return;
  const bool effective = c.euid == root, real = c.uid == root;
  // A set-uid root program with capabilities of its own gets those.
  if (t.has_file_caps && effective && !real) return;
  if (effective || real) c.permitted = old.bounding | old.inheritable;
  if (effective) t.effective = true;
}

}  // namespace

// Linux's cap_bprm_creds_from_file.
Result<ExecCredentials> CredentialsForExec(const VfsContext& ctx, FileDescription& file) {
  const Credentials& old = *ctx.creds;
  const Attributes attributes = TRY(file.inode()->GetAttributes(ctx));
  RefPtr<Credentials> fresh = MakeRef<Credentials>(old);
  Credentials& c = *fresh;
  const Mount& mount = *file.path().mount;
  // Linux's mnt_may_suid.
  const bool may_suid = !mount.flags().no_suid && mount.fs().user_ns().Contains(*c.user_ns);
  const bool set_id = may_suid && !c.no_new_privs && ApplySetId(attributes, c);
  c.permitted = {};
  Transformation t;
  if (may_suid) t = TRY(ApplyFileCapabilities(ctx, file, c));
  const uint32_t root = c.user_ns->ToKernelUid(0);
  ApplyRoot(old, root, c, t);

  const bool id_changed = c.euid != old.euid || c.egid != old.egid;
  const bool gained = !old.permitted.Contains(c.permitted);
  // Somebody else could change what the program stands on, or no gain is allowed at all.
  if ((id_changed || gained) && (c.no_new_privs || ctx.fs_shared)) {
    if (c.no_new_privs || !old.HasHere(Capability::kSetuid)) c.euid = c.uid, c.egid = c.gid;
    c.permitted = c.permitted & old.permitted;
  }
  c.suid = c.fsuid = c.euid;
  c.sgid = c.fsgid = c.egid;
  if (t.has_file_caps || id_changed) c.ambient = {};
  c.permitted = c.permitted | c.ambient;
  c.effective = t.effective ? c.permitted : c.ambient;
  c.securebits &= ~kSecbitKeepCaps;

  const bool grew = !c.ambient.Contains(c.permitted);
  const bool secure = id_changed || c.euid != old.uid || c.egid != old.gid || (c.uid != root && (t.effective || grew));
  return ExecCredentials{.credentials = std::move(fresh), .secure = secure, .gains_privilege = set_id || gained};
}

}  // namespace sentry
