// setns(2), unshare(2), and what a namespace's file can be asked (man 2
// ioctl_ns): Linux's kernel/nsproxy.c and fs/nsfs.c.
#include <vector>

#include "sentry/abi/sched.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/nsfs.h"

namespace sentry {
namespace {

constexpr uint32_t kNsGetUserns = 0xb701, kNsGetParent = 0xb702, kNsGetNstype = 0xb703, kNsGetOwnerUid = 0xb704;

// As validate_nsset goes: the user namespace first, for what it allows.
constexpr NamespaceKind kOrder[] = {NamespaceKind::kUser, NamespaceKind::kMnt, NamespaceKind::kUts,
                                    NamespaceKind::kIpc,  NamespaceKind::kPid, NamespaceKind::kCgroup,
                                    NamespaceKind::kNet};

// The namespaces of these kinds that a process stands in.
Result<std::vector<RefPtr<Namespace>>> NamespacesOf(Task& task, ThreadGroup& group, uint64_t flags) {
  uint64_t known = 0;
  for (const NamespaceKind kind : kOrder) known |= CloneFlagOf(kind);
  if (flags == 0 || (flags & ~known) != 0) return Errno::kEINVAL;
  const RefPtr<Task> target = group.leader();
  if (!target) return Errno::kESRCH;
  if (!task.MayTrace(*target, TraceIds::kReal)) return Errno::kEPERM;
  std::vector<RefPtr<Namespace>> out;
  for (const NamespaceKind kind : kOrder) {
    if ((flags & CloneFlagOf(kind)) == 0) continue;
    RefPtr<Namespace> ns = target->NamespaceOf(kind);
    if (!ns) return Errno::kESRCH;
    out.push_back(std::move(ns));
  }
  return out;
}

// Linux's ns_get_owner: only what the caller's own user namespace has made.
Result<RefPtr<Namespace>> OwnerOf(Task& task, const Namespace& ns) {
  const RefPtr<UserNamespace>& owner = ns.owner();
  if (!owner || !task.creds().user_ns->Contains(*owner)) return Errno::kEPERM;
  return RefPtr<Namespace>(owner);
}

Result<RefPtr<Namespace>> ParentOf(Task& task, const Namespace& ns) {
  if (ns.kind() == NamespaceKind::kUser) return OwnerOf(task, ns);
  if (ns.kind() != NamespaceKind::kPid) return Errno::kEINVAL;
  const RefPtr<PidNamespace>& parent = static_cast<const PidNamespace&>(ns).parent();
  if (!parent || !task.pid_ns().Contains(*parent)) return Errno::kEPERM;
  return RefPtr<Namespace>(parent);
}

SyscallResult OpenRelated(Task& task, RefPtr<Namespace> ns) {
  return task.fds().Install(NsFile::Create(std::move(ns)), CloseOnExec::kYes,
                            task.group().soft_limit(RlimitKind::kNofile));
}

}  // namespace

SyscallResult SysUnshare(Task& task, HexFlags flags) { return task.Unshare(flags.value); }

SyscallResult SysSetns(Task& task, Fd fd, int32_t nstype) {
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  const uint64_t flags = static_cast<uint32_t>(nstype);
  if (const RefPtr<NsFile> ns_file = FileCast<NsFile>(file)) {
    if (flags != 0 && flags != CloneFlagOf(ns_file->ns()->kind())) return Errno::kEINVAL;
    return task.Setns(std::span(&ns_file->ns(), 1));
  }
  const RefPtr<PidFd> pidfd = FileCast<PidFd>(file);
  if (!pidfd) return Errno::kEINVAL;
  return task.Setns(TRY(NamespacesOf(task, pidfd->group(), flags)));
}

SyscallResult NamespaceIoctl(Task& task, const NsFile& file, uint32_t request, uint64_t arg) {
  const Namespace& ns = *file.ns();
  switch (request) {
    case kNsGetUserns:
      return OpenRelated(task, TRY(OwnerOf(task, ns)));
    case kNsGetParent:
      return OpenRelated(task, TRY(ParentOf(task, ns)));
    case kNsGetNstype:
      return CloneFlagOf(ns.kind());
    case kNsGetOwnerUid: {
      if (ns.kind() != NamespaceKind::kUser) return Errno::kEINVAL;
      const uint32_t owner = static_cast<const UserNamespace&>(ns).owner_uid();
      return UserOut<uint32_t>(UserAddr(arg)).Write(task.mm(), task.creds().user_ns->ShownUid(owner));
    }
    default:
      return Errno::kENOTTY;
  }
}

}  // namespace sentry
