#include "sentry/vfs/inode.h"

#include <utility>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/inotify.h"
#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

// Minor numbers of anonymous devices (major 0), as Linux's get_anon_bdev.
uint64_t NextDevice() {
  static std::atomic<uint32_t> next{20};
  return abi::MakeDev(0, next.fetch_add(1, std::memory_order_relaxed));
}

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

FileSystem::FileSystem(std::string type_name) : type_name_(std::move(type_name)), device_(NextDevice()) {}

Inode::Inode(RefPtr<FileSystem> fs) : fs_(std::move(fs)) {}
Inode::~Inode() { delete watches(); }

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

FileLocks& Inode::locks() {
  base::MutexLock lock(lazy_mu_);
  if (!locks_) locks_ = std::make_unique<FileLocks>();
  return *locks_;
}

FileLocks* Inode::locks_if_any() {
  base::MutexLock lock(lazy_mu_);
  return locks_.get();
}

RefPtr<base::RefCounted> Inode::attachment() {
  base::MutexLock lock(lazy_mu_);
  return attachment_;
}

RefPtr<base::RefCounted> Inode::AttachIfNone(RefPtr<base::RefCounted> fresh) {
  base::MutexLock lock(lazy_mu_);
  if (!attachment_) attachment_ = std::move(fresh);
  return attachment_;
}

// A counter that moves one way only from 0: up for writers, down for
// executions.
Result<void> Inode::GetWriteAccess() {
  int32_t n = write_count_.load(std::memory_order_relaxed);
  do {
    if (n < 0) return Errno::kETXTBSY;
  } while (!write_count_.compare_exchange_weak(n, n + 1, std::memory_order_acq_rel));
  return Ok();
}

void Inode::PutWriteAccess() { write_count_.fetch_sub(1, std::memory_order_acq_rel); }

Result<void> Inode::DenyWriteAccess() {
  int32_t n = write_count_.load(std::memory_order_relaxed);
  do {
    if (n > 0) return Errno::kETXTBSY;
  } while (!write_count_.compare_exchange_weak(n, n - 1, std::memory_order_acq_rel));
  return Ok();
}

void Inode::AllowWriteAccess() { write_count_.fetch_add(1, std::memory_order_acq_rel); }

}  // namespace sentry
