// The mount tree: Linux's fs/namespace.c.
#include "sentry/vfs/mount.h"

#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/fs_types.h"

namespace sentry {
namespace {

constexpr uint64_t kMagic = 0xC0ED0000, kMagicMask = 0xffff0000, kMsNoUser = uint64_t{1} << 31;
constexpr uint64_t kPropagation = abi::kMsUnbindable | abi::kMsPrivate | abi::kMsSlave | abi::kMsShared;
constexpr uint64_t kAtime = abi::kMsNoAtime | abi::kMsNoDirAtime | abi::kMsRelAtime | abi::kMsStrictAtime;
constexpr uint32_t kMntForce = 1, kMntDetach = 2, kMntExpire = 4, kUmountNoFollow = 8;

// A string argument that may be null; too long is EINVAL (Linux's
// strndup_user), not ENAMETOOLONG.
Result<std::string> ReadOptional(Task& task, UserAddr addr) {
  if (addr.is_null()) return std::string();
  Result<std::string> text = CopyInString(task.mm(), addr, kPathMax);
  if (text.Is(Errno::kENAMETOOLONG)) return Errno::kEINVAL;
  return text;
}

// The data page: what can be read of it, up to a NUL.
Result<std::string> ReadData(Task& task, UserAddr addr) {
  if (addr.is_null()) return std::string();
  std::string page(kPageSize, '\0');
  const size_t n = TRY(task.mm().CopyIn(addr, std::as_writable_bytes(std::span(page))));
  page.resize(std::min(n, page.find('\0')));
  return page;
}

bool MayMount(Task& task) { return task.creds().HasIn(*task.mounts()->owner(), Capability::kSysAdmin); }

// Access times stay as they are unless something is said of them.
Result<void> Remount(const VfsContext& ctx, const Path& at, uint64_t flags, const std::string& data) {
  const RefPtr<Mount> mount = TRY(ctx.mounts->Find(at));
  if ((flags & kAtime) == 0) flags |= mount->flags().ToAbi() & kAtime;
  const MountFlags fresh = MountFlags::FromAbi(flags);
  if (!mount->MayChangeFlags(fresh)) return Errno::kEPERM;
  if ((flags & abi::kMsBind) == 0) {
    if (!ctx.creds->HasIn(mount->fs().user_ns(), Capability::kSysAdmin)) return Errno::kEPERM;
    TRY(mount->fs().Reconfigure(ctx, data));
  }
  return mount->ChangeFlags(fresh);
}

Result<void> ChangePropagation(const VfsContext& ctx, const Path& at, uint64_t flags) {
  if ((flags & ~(kPropagation | abi::kMsRec | abi::kMsSilent)) != 0) return Errno::kEINVAL;
  return ctx.mounts->ChangePropagation(at, TRY(PropagationOf(flags & kPropagation)), (flags & abi::kMsRec) != 0);
}

Result<void> BindMount(Task& task, const VfsContext& ctx, const std::string& source, const Path& at, uint64_t flags) {
  if (source.empty()) return Errno::kEINVAL;
  const Path from = TRY(ResolvePath(ctx, task.fs().cwd(), source));
  return ctx.mounts->Bind(from, at, from.mount->flags(), (flags & abi::kMsRec) != 0);
}

Result<void> NewMount(const VfsContext& ctx, const std::string& type, const std::string& source, const Path& at,
                      uint64_t flags, const std::string& data) {
  if (type.empty()) return Errno::kEINVAL;
  NewFileSystem made = TRY(FsTypes::Make(ctx, type, source, data));
  // Devices are not for who is root of a user namespace only (SB_I_NODEV).
  if (!ctx.creds->user_ns->is_initial()) {
    flags |= abi::kMsNoDev;
    made.fs->SetUserNs(ctx.creds->user_ns);
  }
  return ctx.mounts->Attach(MakeRef<Mount>(std::move(made.fs), std::move(made.root), MountFlags::FromAbi(flags)), at);
}

}  // namespace

SyscallResult SysMount(Task& task, UserAddr source_addr, UserPath target, UserAddr type_addr, HexFlags raw_flags,
                       UserAddr data_addr) {
  const std::string type = TRY(ReadOptional(task, type_addr));
  const std::string source = TRY(ReadOptional(task, source_addr));
  const std::string data = TRY(ReadData(task, data_addr));
  const VfsContext ctx = task.vfs_context();
  const Path at = TRY(ResolveAt(task, ctx, kCwd, target, 0));
  uint64_t flags = raw_flags.value;
  if ((flags & kMagicMask) == kMagic) flags &= ~kMagicMask;
  if (!MayMount(task)) return Errno::kEPERM;
  if ((flags & kMsNoUser) != 0) return Errno::kEINVAL;
  if ((flags & abi::kMsRemount) != 0) return Remount(ctx, at, flags, data);
  if ((flags & abi::kMsBind) != 0) return BindMount(task, ctx, source, at, flags);
  if ((flags & kPropagation) != 0) return ChangePropagation(ctx, at, flags);
  if ((flags & abi::kMsMove) != 0) {
    if (source.empty()) return Errno::kEINVAL;
    return ctx.mounts->MoveMount(TRY(ResolvePath(ctx, task.fs().cwd(), source)), at);
  }
  return NewMount(ctx, type, source, at, flags, data);
}

namespace {

constexpr uint64_t kKnownAttributes = abi::kMountAttrRdOnly | abi::kMountAttrNoSuid | abi::kMountAttrNoDev |
                                      abi::kMountAttrNoExec | abi::kMountAttrAtime | abi::kMountAttrNoDirAtime |
                                      abi::kMountAttrIdmap | abi::kMountAttrNoSymFollow;

// Linux's build_mount_kattr.
Result<void> CheckMountAttr(const abi::MountAttr& attr) {
  if ((attr.propagation & ~kPropagation) != 0) return Errno::kEINVAL;
  if ((attr.propagation & (attr.propagation - 1)) != 0) return Errno::kEINVAL;
  if (((attr.attr_set | attr.attr_clr) & ~kKnownAttributes) != 0) return Errno::kEINVAL;
  const uint64_t set = attr.attr_set & abi::kMountAttrAtime, clear = attr.attr_clr & abi::kMountAttrAtime;
  if (clear == 0 ? set != 0 : clear != abi::kMountAttrAtime) return Errno::kEINVAL;
  if (set != abi::kMountAttrRelAtime && set != abi::kMountAttrNoAtime && set != abi::kMountAttrStrictAtime) {
    return Errno::kEINVAL;
  }
  // No file system here can have a guest map its ids (FS_ALLOW_IDMAP).
  return ((attr.attr_set | attr.attr_clr) & abi::kMountAttrIdmap) != 0 ? Errno::kEINVAL : Ok();
}

}  // namespace

SyscallResult SysMountSetattr(Task& task, DirFd dir, UserPath path, uint32_t flags, UserAddr attr_addr, Size size) {
  constexpr uint32_t kKnown = abi::kAtEmptyPath | abi::kAtRecursive | abi::kAtSymlinkNoFollow | abi::kAtNoAutomount;
  if ((flags & ~kKnown) != 0) return Errno::kEINVAL;
  if (size.value > kPageSize) return Errno::kE2BIG;
  if (size.value < sizeof(abi::MountAttr)) return Errno::kEINVAL;
  if (!MayMount(task)) return Errno::kEPERM;
  abi::MountAttr attr{};
  TRY(CopyInExtensible(task, attr_addr, size.value, sizeof(attr), std::as_writable_bytes(std::span(&attr, 1))));
  if (attr.attr_set == 0 && attr.attr_clr == 0 && attr.propagation == 0) return 0;
  TRY(CheckMountAttr(attr));
  const VfsContext ctx = task.vfs_context();
  const Path at = TRY(ResolveAt(task, ctx, dir, path, flags & ~abi::kAtRecursive));
  const bool recursive = (flags & abi::kAtRecursive) != 0;
  TRY(ctx.mounts->ChangeFlags(at, {.set = attr.attr_set, .clear = attr.attr_clr}, recursive));
  if (attr.propagation != 0) {
    TRY(ctx.mounts->ChangePropagation(at, TRY(PropagationOf(attr.propagation)), recursive));
  }
  return 0;
}

SyscallResult SysUmount2(Task& task, UserPath target, uint32_t flags) {
  if ((flags & ~(kMntForce | kMntDetach | kMntExpire | kUmountNoFollow)) != 0) return Errno::kEINVAL;
  const VfsContext ctx = task.vfs_context();
  const uint32_t at = (flags & kUmountNoFollow) != 0 ? abi::kAtSymlinkNoFollow : 0;
  const Path place = TRY(ResolveAt(task, ctx, kCwd, target, at));
  if (!MayMount(task)) return Errno::kEPERM;
  // MNT_EXPIRE needs to know whether the mount was used since it was marked.
  if ((flags & kMntExpire) != 0) return Errno::kEINVAL;
  return ctx.mounts->Detach(place, (flags & kMntDetach) != 0);
}

namespace {

// Linux's chroot_fs_refs: who stands in the old root stands in the new one.
void MoveRoots(Task& caller, const Path& old_root, const Path& new_root) {
  for (const RefPtr<ThreadGroup>& group : caller.kernel().Groups(caller.kernel().root_pid_ns())) {
    for (const RefPtr<Task>& task : group->tasks()) {
      const RefPtr<FsContext> fs = task->SharedFs();
      if (!fs) continue;
      if (fs->root() == old_root) fs->SetRoot(new_root);
      if (fs->cwd() == old_root) fs->SetCwd(new_root);
    }
  }
}

}  // namespace

SyscallResult SysPivotRoot(Task& task, UserPath new_root, UserPath put_old) {
  if (!MayMount(task)) return Errno::kEPERM;
  const VfsContext ctx = task.vfs_context();
  const Path to = TRY(ResolveArg(ctx, TRY(ReadPathArg(task, kCwd, new_root)), {.directory = true}));
  const Path old = TRY(ResolveArg(ctx, TRY(ReadPathArg(task, kCwd, put_old)), {.directory = true}));
  TRY(ctx.mounts->PivotRoot(to, old));
  MoveRoots(task, ctx.root, to);
  return 0;
}

}  // namespace sentry
