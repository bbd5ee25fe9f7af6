#include "sentry/vfs/mount.h"

#include <utility>

#include "sentry/vfs/notify.h"
#include "sentry/vfs/propagation.h"

namespace sentry {
namespace {

int32_t NextMountId() {
  static std::atomic<int32_t> next{20};
  return next.fetch_add(1, std::memory_order_relaxed);
}

struct FlagBit {
  bool MountFlags::*member;
  uint64_t ms, attribute;
  const char* option;
};
constexpr FlagBit kFlagBits[] = {
    {&MountFlags::read_only, abi::kMsRdOnly, abi::kMountAttrRdOnly, ""},
    {&MountFlags::no_suid, abi::kMsNoSuid, abi::kMountAttrNoSuid, ",nosuid"},
    {&MountFlags::no_dev, abi::kMsNoDev, abi::kMountAttrNoDev, ",nodev"},
    {&MountFlags::no_exec, abi::kMsNoExec, abi::kMountAttrNoExec, ",noexec"},
    {&MountFlags::no_dir_atime, abi::kMsNoDirAtime, abi::kMountAttrNoDirAtime, ",nodiratime"},
    {&MountFlags::no_sym_follow, abi::kMsNoSymFollow, abi::kMountAttrNoSymFollow, ",nosymfollow"},
};
constexpr uint64_t kAtimeBits = abi::kMsNoAtime | abi::kMsStrictAtime | abi::kMsNoDirAtime;
// What can be locked; all of access times by this one bit.
constexpr uint32_t kLockable = abi::kMsRdOnly | abi::kMsNoSuid | abi::kMsNoDev | abi::kMsNoExec;
constexpr uint32_t kLockAtime = 1u << 31;

}  // namespace

uint64_t MountFlags::ToAbi() const {
  uint64_t ms = atime == Atime::kNone ? abi::kMsNoAtime : atime == Atime::kStrict ? abi::kMsStrictAtime : 0;
  for (const FlagBit& bit : kFlagBits) ms |= this->*bit.member ? bit.ms : 0;
  return ms;
}

MountFlags MountFlags::FromAbi(uint64_t ms) {
  MountFlags flags;
  for (const FlagBit& bit : kFlagBits) flags.*bit.member = (ms & bit.ms) != 0;
  if ((ms & abi::kMsNoAtime) != 0) flags.atime = Atime::kNone;
  if ((ms & abi::kMsStrictAtime) != 0) flags.atime = Atime::kStrict;
  return flags;
}

int64_t MountFlags::ToStatfs() const {
  constexpr uint64_t kNoSymFollow = 0x2000, kRelAtime = 4096;
  uint64_t st = ToAbi() & ~(abi::kMsStrictAtime | abi::kMsNoSymFollow);
  if (no_sym_follow) st |= kNoSymFollow;
  if (atime == Atime::kRelative) st |= kRelAtime;
  return static_cast<int64_t>(st);
}

std::string MountFlags::ToOptions() const {
  std::string out = read_only ? "ro" : "rw";
  for (const FlagBit& bit : kFlagBits) {
    // Between them, as Linux has it.
    if (bit.member == &MountFlags::no_dir_atime && no_atime()) out += ",noatime";
    if (bit.member == &MountFlags::no_sym_follow && atime == Atime::kRelative) out += ",relatime";
    if (this->*bit.member) out += bit.option;
  }
  return out;
}

MountFlags MountFlagsChange::Apply(MountFlags flags) const {
  for (const FlagBit& bit : kFlagBits) {
    if ((clear & bit.attribute) != 0) flags.*bit.member = false;
    if ((set & bit.attribute) != 0) flags.*bit.member = true;
  }
  if ((clear & abi::kMountAttrAtime) == 0) return flags;
  const uint64_t atime = set & abi::kMountAttrAtime;
  flags.atime = atime == abi::kMountAttrNoAtime       ? MountFlags::Atime::kNone
                : atime == abi::kMountAttrStrictAtime ? MountFlags::Atime::kStrict
                                                      : MountFlags::Atime::kRelative;
  return flags;
}

Mount::Mount(RefPtr<FileSystem> fs, RefPtr<Dentry> root, MountFlags flags)
    : fs_(std::move(fs)), root_(std::move(root)), id_(NextMountId()), flag_bits_(static_cast<uint32_t>(flags.ToAbi())) {
  fs_->mounts.fetch_add(1, std::memory_order_relaxed);
}

Mount::~Mount() {
  if (fs_->mounts.fetch_sub(1, std::memory_order_acq_rel) == 1 && notify::Active()) notify::FileSystemUnmounted(*fs_);
}

Path Mount::place() const {
  base::MutexLock lock(place_mu_);
  return parent_ ? Path(parent_, mountpoint_) : Path();
}

MountFlags Mount::flags() const { return MountFlags::FromAbi(flag_bits_.load(std::memory_order_relaxed)); }
void Mount::SetFlags(MountFlags flags) {
  flag_bits_.store(static_cast<uint32_t>(flags.ToAbi()), std::memory_order_relaxed);
}

void Mount::LockFlags() {
  const uint32_t now = flag_bits_.load(std::memory_order_relaxed);
  locked_flags_.store((now & kLockable) | kLockAtime, std::memory_order_relaxed);
}

bool Mount::MayChangeFlags(MountFlags flags) const {
  const uint32_t locked = locked_flags_.load(std::memory_order_relaxed);
  if ((locked & ~flags.ToAbi() & kLockable) != 0) return false;
  return (locked & kLockAtime) == 0 || (flags.ToAbi() & kAtimeBits) == (this->flags().ToAbi() & kAtimeBits);
}

Result<void> Mount::ChangeFlags(MountFlags flags) {
  if (!MayChangeFlags(flags)) return Errno::kEPERM;
  SetFlags(flags);
  return Ok();
}

}  // namespace sentry
