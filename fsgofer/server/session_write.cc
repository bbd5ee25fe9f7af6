// Requests that change files. Every one begins with FindWritable, which
// refuses read-only mounts with EROFS.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "fsgofer/server/session.h"

namespace fsgofer {
namespace {

using base::Errno;
using base::RefPtr;
using base::Result;
using base::UniqueFd;

constexpr long kSysFchmodat2 = 452;  // Linux 6.6; newer than Debian 12's headers
constexpr uint32_t kModeBits = 07777;
constexpr uint32_t kSpecialBits = 07000;

Result<void> HostResult(int rc) { return rc == 0 ? base::Ok() : Result<void>(base::HostErrno()); }

// Device nodes that give nobody on the host anything, wherever a guest puts them: whiteouts
// of overlays, and what everybody's /dev has anyway. The host filter has the same list.
constexpr struct {
  uint32_t major, minor;
} kHarmless[] = {{0, 0}, {1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}};

bool IsHarmless(const MakeRequest& r) {
  return std::any_of(std::begin(kHarmless), std::end(kHarmless), [&](const auto& d) {
    return (r.mode & S_IFMT) == S_IFCHR && d.major == r.rdev_major && d.minor == r.rdev_minor;
  });
}

bool IsDevice(const MakeRequest& r) { return r.rdev_major != 0 || r.rdev_minor != 0; }
bool ChangesOwner(const MakeRequest& r) { return r.uid != kUnchangedId || r.gid != kUnchangedId; }

timespec SetTime(const WireTime& t, bool set, bool now) {
  if (now) return {.tv_sec = 0, .tv_nsec = UTIME_NOW};
  if (!set) return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
  return {.tv_sec = t.seconds, .tv_nsec = static_cast<long>(t.nanoseconds)};
}

// security.* and system.* would give a file rights or rules on the host that
// a sandbox has no business with.
bool MayWriteXattr(std::string_view name) { return name.substr(0, 5) == "user."; }

}  // namespace

Result<NodePin> Session::FindWritable(NodeId id) {
  NodePin node = TRY(nodes_.Find(id));
  if (exports_[node->mount].readonly || node->pseudo) return Errno::kEROFS;
  return node;
}

Result<NodePin> Session::FindWritableDir(NodeId id) {
  NodePin node = TRY(FindWritable(id));
  if (node->identity.type != S_IFDIR) return Errno::kENOTDIR;
  return node;
}

Result<Session::MakeArgs> Session::ReadMake(WireReader& in) {
  MakeArgs args;
  std::string_view name;
  if (!in.Get(&args.request) || !in.GetName(&name) || !ValidComponent(name)) return Errno::kEINVAL;
  if ((args.request.mode & ~(kModeBits | S_IFMT)) != 0) return Errno::kEINVAL;
  args.dir = TRY(FindWritableDir(args.request.dir));
  args.path = TRY(nodes_.PathOf(args.dir));
  args.name = name;
  return args;
}

Result<void> Session::FinishMake(const MakeArgs& args, Reply& out) {
  Step step = TRY(WalkOne(args.dir, args.name));
  out.body.Put(NodeAttr{step.node->id, step.attr});
  return base::Ok();
}

Result<void> Session::Create(WireReader& in, Reply& out) {
  const MakeArgs args = TRY(ReadMake(in));
  const MakeRequest& r = args.request;
  if (!in.done() || (r.mode & S_IFMT) != 0 || IsDevice(r)) return Errno::kEINVAL;
  if (r.open_mode > static_cast<uint32_t>(OpenMode::kReadWrite)) return Errno::kEINVAL;
  constexpr int kAccess[] = {O_WRONLY, O_RDONLY, O_WRONLY, O_RDWR};  // by OpenMode
  const int flags = kAccess[r.open_mode] | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
  // Nobody else may open it before it has its owner.
  const uint32_t first_mode = ChangesOwner(r) ? 0600 : r.mode & 0777;
  UniqueFd fd(openat(args.path->get(), args.name.c_str(), flags, first_mode));
  if (!fd.valid()) return base::HostErrno();
  Result<void> done;
  if (ChangesOwner(r)) done = HostResult(fchown(fd.get(), r.uid, r.gid));
  if (done.ok() && (ChangesOwner(r) || (r.mode & kSpecialBits) != 0)) done = HostResult(fchmod(fd.get(), r.mode));
  if (done.ok()) done = FinishMake(args, out);
  if (!done.ok()) {
    unlinkat(args.path->get(), args.name.c_str(), 0);
    return done;
  }
  if (static_cast<OpenMode>(r.open_mode) != OpenMode::kNone) out.fd = std::move(fd);
  return base::Ok();
}

Result<void> Session::Mkdir(WireReader& in, Reply& out) {
  const MakeArgs args = TRY(ReadMake(in));
  const MakeRequest& r = args.request;
  if (!in.done() || r.open_mode != 0 || (r.mode & S_IFMT) != 0 || IsDevice(r)) return Errno::kEINVAL;
  TRY(HostResult(mkdirat(args.path->get(), args.name.c_str(), r.mode)));
  Result<void> done;
  if (ChangesOwner(r)) {
    done = HostResult(fchownat(args.path->get(), args.name.c_str(), r.uid, r.gid, AT_SYMLINK_NOFOLLOW));
  }
  if (done.ok() && (r.mode & (S_ISUID | S_ISGID)) != 0) {
    const UniqueFd fd(openat(args.path->get(), args.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    done = fd.valid() ? HostResult(fchmod(fd.get(), r.mode)) : Result<void>(base::HostErrno());
  }
  if (done.ok()) done = FinishMake(args, out);
  if (!done.ok()) unlinkat(args.path->get(), args.name.c_str(), AT_REMOVEDIR);
  return done;
}

Result<void> Session::Symlink(WireReader& in, Reply& out) {
  const MakeArgs args = TRY(ReadMake(in));
  const MakeRequest& r = args.request;
  std::string_view target;
  if (!in.GetName(&target) || !in.done() || r.open_mode != 0 || IsDevice(r) || !ValidSymlinkTarget(target))
    return Errno::kEINVAL;
  TRY(HostResult(symlinkat(std::string(target).c_str(), args.path->get(), args.name.c_str())));
  Result<void> done;
  if (ChangesOwner(r)) {
    done = HostResult(fchownat(args.path->get(), args.name.c_str(), r.uid, r.gid, AT_SYMLINK_NOFOLLOW));
  }
  if (done.ok()) done = FinishMake(args, out);
  if (!done.ok()) unlinkat(args.path->get(), args.name.c_str(), 0);
  return done;
}

Result<void> Session::Mknod(WireReader& in, Reply& out) {
  const MakeArgs args = TRY(ReadMake(in));
  const MakeRequest& r = args.request;
  if (!in.done() || r.open_mode != 0) return Errno::kEINVAL;
  const uint32_t type = r.mode & S_IFMT;
  const bool device = type == S_IFCHR || type == S_IFBLK;
  if (device && !IsHarmless(r)) return Errno::kEPERM;
  if (!device && ((type != S_IFIFO && type != S_IFSOCK) || IsDevice(r))) {
    return Errno::kEINVAL;
  }
  // No set-id bits: they mean nothing here, and chown would drop them.
  TRY(HostResult(
      mknodat(args.path->get(), args.name.c_str(), type | (r.mode & 0777), makedev(r.rdev_major, r.rdev_minor))));
  Result<void> done;
  if (ChangesOwner(r)) {
    done = HostResult(fchownat(args.path->get(), args.name.c_str(), r.uid, r.gid, AT_SYMLINK_NOFOLLOW));
  }
  if (done.ok()) done = FinishMake(args, out);
  if (!done.ok()) unlinkat(args.path->get(), args.name.c_str(), 0);
  return done;
}

Result<void> Session::Link(WireReader& in, Reply& out) {
  LinkRequest request;
  std::string_view view;
  if (!in.Get(&request) || !in.GetName(&view) || !in.done() || !ValidComponent(view)) return Errno::kEINVAL;
  const NodePin node = TRY(FindWritable(request.node));
  const NodePin dir = TRY(FindWritableDir(request.dir));
  if (node->identity.type == S_IFDIR) return Errno::kEPERM;
  if (node->mount != dir->mount) return Errno::kEXDEV;
  const std::string name(view);
  const RefPtr<PathFd> path = TRY(nodes_.PathOf(node));
  const RefPtr<PathFd> dir_path = TRY(nodes_.PathOf(dir));
  if (linkat(path->get(), "", dir_path->get(), name.c_str(), AT_EMPTY_PATH) != 0) {
    const Errno e = base::HostErrno();
    // Linking a descriptor needs CAP_DAC_READ_SEARCH; without, ENOENT.
    if (e != Errno::kENOENT && e != Errno::kEPERM) return e;
    auto [parent, old_name] = TRY(nodes_.PlaceOf(node));
    const RefPtr<PathFd> parent_path = TRY(nodes_.PathOf(parent));
    TRY(HostResult(linkat(parent_path->get(), old_name.c_str(), dir_path->get(), name.c_str(), 0)));
  }
  Step step = TRY(WalkOne(dir, name));
  if (step.node->identity != node->identity) {
    // By name, and the name had come to lead elsewhere (below the same mount).
    nodes_.Drop(step.node->id);
    unlinkat(dir_path->get(), name.c_str(), 0);
    return Errno::kESTALE;
  }
  out.body.Put(NodeAttr{step.node->id, step.attr});
  return base::Ok();
}

Result<void> Session::Unlink(WireReader& in, Reply&) {
  UnlinkRequest request;
  std::string_view name;
  if (!in.Get(&request) || !in.GetName(&name) || !in.done() || !ValidComponent(name)) return Errno::kEINVAL;
  if ((request.flags & ~kUnlinkDirectory) != 0) return Errno::kEINVAL;
  const NodePin dir = TRY(FindWritableDir(request.dir));
  const RefPtr<PathFd> path = TRY(nodes_.PathOf(dir));
  const int flags = (request.flags & kUnlinkDirectory) != 0 ? AT_REMOVEDIR : 0;
  TRY(HostResult(unlinkat(path->get(), std::string(name).c_str(), flags)));
  nodes_.Unlinked(dir, name);
  return base::Ok();
}

Result<void> Session::Rename(WireReader& in, Reply&) {
  RenameRequest request;
  std::string_view old_name, new_name;
  if (!in.Get(&request) || !in.GetName(&old_name) || !in.GetName(&new_name) || !in.done()) return Errno::kEINVAL;
  if (!ValidComponent(old_name) || !ValidComponent(new_name)) return Errno::kEINVAL;
  static_assert(kRenameNoReplace == RENAME_NOREPLACE && kRenameExchange == RENAME_EXCHANGE);
  if (request.flags > kRenameExchange) return Errno::kEINVAL;  // not both, and no RENAME_WHITEOUT
  const NodePin old_dir = TRY(FindWritableDir(request.old_dir));
  const NodePin new_dir = TRY(FindWritableDir(request.new_dir));
  if (old_dir->mount != new_dir->mount) return Errno::kEXDEV;
  const RefPtr<PathFd> old_path = TRY(nodes_.PathOf(old_dir));
  const RefPtr<PathFd> new_path = TRY(nodes_.PathOf(new_dir));
  // Not libc's, which turns a call without flags into renameat: one call is
  // enough for the filter to allow.
  TRY(HostResult(static_cast<int>(syscall(SYS_renameat2, old_path->get(), std::string(old_name).c_str(),
                                          new_path->get(), std::string(new_name).c_str(), request.flags))));
  if (request.flags == kRenameExchange) {
    nodes_.Exchanged(old_dir, old_name, new_dir, new_name);
  } else {
    nodes_.Renamed(old_dir, old_name, new_dir, new_name);
  }
  return base::Ok();
}

Result<void> Session::ChangeMode(const NodePin& node, const PathFd& path, uint32_t mode) {
  if (syscall(kSysFchmodat2, path.get(), "", mode, AT_EMPTY_PATH) == 0) return base::Ok();
  if (errno != ENOSYS) return base::HostErrno();
  if (node->identity.type != S_IFREG && node->identity.type != S_IFDIR) return Errno::kEOPNOTSUPP;
  const UniqueFd fd = TRY(OpenNode(node, O_RDONLY));
  return HostResult(fchmod(fd.get(), mode));
}

Result<void> Session::SetAttr(WireReader& in, Reply& out) {
  SetAttrRequest r;
  if (!in.Get(&r) || !in.done()) return Errno::kEINVAL;
  if ((r.valid & ~kSetAllBits) != 0 || (r.mode & ~(kModeBits | S_IFMT)) != 0 || r.size > INT64_MAX) {
    return Errno::kEINVAL;
  }
  if (r.atime.nanoseconds >= 1'000'000'000 || r.mtime.nanoseconds >= 1'000'000'000) return Errno::kEINVAL;
  const NodePin node = TRY(FindWritable(r.node));
  const RefPtr<PathFd> path = TRY(nodes_.PathOf(node));
  if ((r.valid & kSetSize) != 0) {
    if (node->identity.type != S_IFREG) return node->identity.type == S_IFDIR ? Errno::kEISDIR : Errno::kEINVAL;
    const UniqueFd fd = TRY(OpenNode(node, O_WRONLY));
    TRY(HostResult(ftruncate(fd.get(), static_cast<off_t>(r.size))));
  }
  // The owner before the mode: chown drops set-id bits.
  if ((r.valid & (kSetUid | kSetGid)) != 0) {
    const uid_t uid = (r.valid & kSetUid) != 0 ? r.uid : kUnchangedId;
    const gid_t gid = (r.valid & kSetGid) != 0 ? r.gid : kUnchangedId;
    TRY(HostResult(fchownat(path->get(), "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)));
  }
  if ((r.valid & kSetMode) != 0) TRY(ChangeMode(node, *path, r.mode & kModeBits));
  if ((r.valid & (kSetAtime | kSetMtime | kSetAtimeNow | kSetMtimeNow)) != 0) {
    const timespec times[2] = {SetTime(r.atime, (r.valid & kSetAtime) != 0, (r.valid & kSetAtimeNow) != 0),
                               SetTime(r.mtime, (r.valid & kSetMtime) != 0, (r.valid & kSetMtimeNow) != 0)};
    TRY(HostResult(utimensat(path->get(), "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)));
  }
  out.body.Put(TRY(HostStat(path->get(), "")));
  return base::Ok();
}

Result<void> Session::SetXattr(WireReader& in, Reply&) {
  SetXattrRequest request;
  std::string_view name, value;
  if (!in.Get(&request) || !in.GetName(&name) || !in.GetBytes(request.value_length, &value) || !in.done()) {
    return Errno::kEINVAL;
  }
  if (!ValidXattrName(name)) return Errno::kERANGE;
  if (value.size() > kMaxXattrSize) return Errno::kE2BIG;
  if (request.flags > kXattrReplace) return Errno::kEINVAL;
  const NodePin node = TRY(FindWritable(request.node));
  const uint32_t type = node->identity.type;
  if (!MayWriteXattr(name) || (type != S_IFREG && type != S_IFDIR)) return Errno::kEOPNOTSUPP;
  const UniqueFd fd = TRY(OpenNode(node, O_RDONLY));
  const int flags = static_cast<int>(request.flags);
  return HostResult(fsetxattr(fd.get(), std::string(name).c_str(), value.data(), value.size(), flags));
}

Result<void> Session::RemoveXattr(WireReader& in, Reply&) {
  XattrRequest request;
  std::string_view name;
  if (!in.Get(&request) || !in.GetName(&name) || !in.done()) return Errno::kEINVAL;
  if (!ValidXattrName(name)) return Errno::kERANGE;
  const NodePin node = TRY(FindWritable(request.node));
  const uint32_t type = node->identity.type;
  if (!MayWriteXattr(name) || (type != S_IFREG && type != S_IFDIR)) return Errno::kEOPNOTSUPP;
  const UniqueFd fd = TRY(OpenNode(node, O_RDONLY));
  return HostResult(fremovexattr(fd.get(), std::string(name).c_str()));
}

}  // namespace fsgofer
