#include "runsc-cpp/boot/container_mounts.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/boot/copy_tree.h"
#include "runsc-cpp/boot/device_store.h"
#include "runsc-cpp/boot/errno_status.h"
#include "runsc-cpp/boot/id_mappings.h"
#include "runsc-cpp/boot/mount_points.h"
#include "runsc-cpp/boot/sys_view.h"
#include "sentry/fs/dev/dev.h"
#include "sentry/fs/devpts/devpts.h"
#include "sentry/fs/gofer/gofer_fs.h"
#include "sentry/fs/overlay/overlay.h"
#include "sentry/fs/pipe/fifo.h"
#include "sentry/fs/proc/proc_fs.h"
#include "sentry/fs/sys/sys_fs.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/vfs/fs_types.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/special_files.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

struct NewMount {
  RefPtr<FileSystem> fs;
  RefPtr<Dentry> root;
};

NewMount NewTmpfs(MemoryFile& memory, TmpfsOptions options) {
  RefPtr<TmpfsFileSystem> fs = TmpfsFileSystem::Create(memory, std::move(options));
  RefPtr<Dentry> root = Dentry::NewRoot(fs->NewRoot());
  return {std::move(fs), std::move(root)};
}

// A quarter of what the host lets us hold open. First asked before the host filter is there.
DonatedFds& Descriptors() {
  static DonatedFds* const all = [] {
    rlimit limit{1024, 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    return new DonatedFds(std::max<size_t>(limit.rlim_cur / 4, 64));
  }();
  return *all;
}

RefPtr<Volume> VolumeOf(const std::string& identity) {
  static Volumes* const all = new Volumes;
  return identity.empty() ? nullptr : all->Get(identity);
}

NewMount Take(auto made) { return {std::move(made.fs), std::move(made.root)}; }

Result<NewMount> NewDevptsMount(std::string_view options, const Credentials& mounter) {
  return Take(NewDevpts(TRY(ParseDevptsOptions(options, mounter))));
}

// A file system that has no options.
Result<void> NoOptions(std::string_view options) { return options.empty() ? Ok() : Errno::kEINVAL; }

class Builder {
 public:
  Builder(const control::Container& container, std::shared_ptr<fsgofer::Client> gofer, const FileSystemParts& parts,
          PidNamespace* pid_ns, RefPtr<UserNamespace> user_ns, RefPtr<Cgroup> cgroup)
      : user_ns_(std::move(user_ns)),
        container_(container),
        gofer_(std::move(gofer)),
        parts_(parts),
        memory_(*parts.memory),
        pid_ns_(pid_ns),
        cgroup_(std::move(cgroup)),
        store_(memory_) {}

  absl::StatusOr<ContainerMounts> Build() {
    if (absl::Status s = MountRoot(); !s.ok()) return s;
    ctx_ = KernelContext(out_.mounts);
    mounter_ = MakeRef<Credentials>(*ctx_.creds);
    mounter_->user_ns = user_ns_;
    for (const control::Mount& mount : container_.mounts()) {
      if (absl::Status s = MountOne(mount); !s.ok()) return s;
    }
    const bool has_dev = std::any_of(container_.mounts().begin(), container_.mounts().end(),
                                     [](const control::Mount& mount) { return mount.destination() == "/dev"; });
    if (absl::Status s = has_dev ? absl::OkStatus() : LinkRootsDev(); !s.ok()) return s;
    for (const control::Device& device : container_.devices()) {
      if (absl::Status s = MakeDevice(device); !s.ok()) return s;
    }
    for (const std::string& path : container_.masked_paths()) {
      if (absl::Status s = Mask(path); !s.ok()) return s;
    }
    for (const std::string& path : container_.read_only_paths()) {
      if (absl::Status s = MakeReadOnly(path); !s.ok()) return s;
    }
    if (container_.root().read_only()) root_->SetFlags({.read_only = true});
    return std::move(out_);
  }

 private:
  absl::StatusOr<NewMount> MountGofer(GoferOptions options) {
    NewMount mount;
    options.client = gofer_;
    options.descriptors = &Descriptors();
    Result<RefPtr<Dentry>> root = GoferFileSystem::Mount(options, &mount.fs);
    if (!root.ok()) return Failed("attach to the gofer", root.error());
    mount.root = *std::move(root);
    return mount;
  }

  absl::Status MountRoot() {
    const bool overlay = container_.root().overlay();
    absl::StatusOr<NewMount> root =
        MountGofer({.client = nullptr, .caching = overlay ? GoferCaching::kExclusive : GoferCaching::kShared});
    if (!root.ok()) return root.status();
    if (overlay) {
      Result<RefPtr<OverlayFileSystem>> fs =
          OverlayFileSystem::Create(TmpfsFileSystem::Create(memory_, {.root_mode = 0755}), {root->root->inode()});
      if (!fs.ok()) return Failed("make the overlay", fs.error());
      root->root = Dentry::NewRoot((*fs)->NewRoot());
      root->fs = *std::move(fs);
    }
    root_ = MakeRef<Mount>(std::move(root->fs), std::move(root->root), MountFlags{});
    out_.mounts = MakeRef<MountNamespace>(root_, user_ns_, NamespaceCharge());
    return absl::OkStatus();
  }

  absl::StatusOr<NewMount> MountVolume(const control::Mount& mount) {
    const Result<IdMap> uids = ToIdMap(mount.uid_mappings()), gids = ToIdMap(mount.gid_mappings());
    if (!uids.ok() || !gids.ok()) return Failed("map ids", Errno::kEINVAL);
    return MountGofer({.client = nullptr,
                       .mount = mount.gofer_mount(),
                       .caching = GoferCaching::kShared,
                       .volume = VolumeOf(mount.identity()),
                       .uids = *uids,
                       .gids = *gids});
  }

  // Without words of its own it is as the directory that it hides.
  TmpfsOptions TmpfsDefaults(const control::Mount& mount, TmpfsOptions options) {
    if (mount.options().find("mode=") != std::string::npos) return options;
    const Result<Path> at = ResolvePath(ctx_, ctx_.root, mount.destination());
    if (!at.ok()) return options;
    const Result<Attributes> attributes = GetAttributes(ctx_, *at);
    if (attributes.ok()) options.root_mode = attributes->perm();
    return options;
  }

  absl::StatusOr<NewMount> MakeFileSystem(const control::Mount& mount) {
    switch (mount.kind()) {
      case control::Mount::BIND:
        return MountVolume(mount);
      case control::Mount::TMPFS: {
        const uint64_t total = memory_.CallerView().limit;
        Result<TmpfsOptions> options = TmpfsFileSystem::ParseOptions(mount.options(), total, mounter_.get());
        if (!options.ok()) return Failed(absl::StrCat("tmpfs options \"", mount.options(), "\""), options.error());
        return NewTmpfs(memory_, TmpfsDefaults(mount, *std::move(options)));
      }
      case control::Mount::PROC: {
        auto proc = NewProcFs(parts_.processes(pid_ns_));
        return NewMount{std::move(proc.fs), std::move(proc.root)};
      }
      case control::Mount::SYSFS: {
        auto sys = NewSysFs(std::make_shared<ContainerSysView>(memory_, cgroup_), parts_.net);
        return NewMount{std::move(sys.fs), std::move(sys.root)};
      }
      case control::Mount::CGROUP: {
        auto groups = NewCgroupFs(*parts_.cgroup_processes, cgroup_);
        return NewMount{std::move(groups.fs), std::move(groups.root)};
      }
      case control::Mount::DEVPTS: {
        Result<NewMount> pts = NewDevptsMount(mount.options(), *mounter_);
        if (!pts.ok()) return Failed(absl::StrCat("devpts options \"", mount.options(), "\""), pts.error());
        return *std::move(pts);
      }
      case control::Mount::MQUEUE: {
        Result<NewFileSystem> made = FsTypes::Make(ctx_, "mqueue", "mqueue", mount.options());
        if (!made.ok()) return Failed("make an mqueue file system", made.error());
        return NewMount{std::move(made->fs), std::move(made->root)};
      }
      default:
        return absl::UnimplementedError(absl::StrCat("no file system of kind ", mount.kind()));
    }
  }

  absl::Status CheckOptions(const control::Mount& mount) {
    const bool none = mount.kind() == control::Mount::PROC || mount.kind() == control::Mount::SYSFS ||
                      mount.kind() == control::Mount::MQUEUE || mount.kind() == control::Mount::CGROUP;
    if (!none || mount.options().empty()) return absl::OkStatus();
    return Failed(absl::StrCat("option \"", mount.options(), "\": this file system has none"), Errno::kEINVAL);
  }

  absl::Status MountOne(const control::Mount& mount) {
    absl::Status done = CheckOptions(mount);
    if (done.ok()) done = MountChecked(mount);
    if (done.ok()) return done;
    return absl::Status(done.code(), absl::StrCat("mount ", mount.destination(), ": ", done.message()));
  }

  absl::Status MountChecked(const control::Mount& mount) {
    absl::StatusOr<NewMount> made = MakeFileSystem(mount);
    if (!made.ok()) return made.status();
    if (!made->root->inode()->is_dir() && ResolvePath(ctx_, ctx_.root, mount.destination()).Is(Errno::kENOENT)) {
      const absl::StatusOr<std::string> path = ResolveInRoot(ctx_, mount.destination());
      if (!path.ok()) return path.status();
      if (absl::Status s = MakeMountFile(ctx_, *path); !s.ok()) return s;
    }
    if (mount.copy_up()) {
      if (absl::Status s = CopyUp(mount.destination(), *made); !s.ok()) return s;
    }
    if (absl::Status s = Attach(mount.destination(), *std::move(made), MountFlags::FromAbi(mount.flags())); !s.ok()) {
      return s;
    }
    const RefPtr<Mount> top = last_;
    for (const control::Mount& below : mount.below()) {
      if (absl::Status s = MountBelow(*top, below); !s.ok()) return s;
    }
    if (absl::Status s = Propagate(*top, mount); !s.ok()) return s;
    if (mount.kind() == control::Mount::DEVPTS) out_.devpts = top;
    if (!mount.devices()) return absl::OkStatus();
    const Result<void> filled = PopulateDev(ctx_, Path{top, top->root()});
    return filled.ok() ? absl::OkStatus() : Failed("fill it", filled.error());
  }

  // A place that is gone, or is a link by now, shows what the volume has there.
  absl::Status MountBelow(Mount& top, const control::Mount& below) {
    absl::StatusOr<NewMount> made = MountVolume(below);
    if (!made.ok()) return made.status();
    const WalkFlags flags{.follow = false, .no_symlinks = true, .beneath = true};
    const Result<Path> at = ResolvePath(ctx_, Path(RefPtr<Mount>(&top), top.root()), below.destination(), flags);
    if (!at.ok()) return absl::OkStatus();
    return AttachAt(below.destination(), *at, *std::move(made), MountFlags::FromAbi(below.flags()));
  }

  absl::Status Propagate(Mount& mount, const control::Mount& description) {
    for (const uint64_t ms : description.propagation()) {
      const Result<PropagationType> type = PropagationOf(ms & ~abi::kMsRec);
      if (!type.ok()) return Failed("change its propagation", type.error());
      const Path at(RefPtr<Mount>(&mount), mount.root());
      const Result<void> changed = out_.mounts->ChangePropagation(at, *type, (ms & abi::kMsRec) != 0);
      if (!changed.ok()) return Failed("change its propagation", changed.error());
    }
    return absl::OkStatus();
  }

  absl::Status CopyUp(const std::string& path, const NewMount& made) {
    const Result<Path> from = ResolvePath(ctx_, ctx_.root, path);
    if (from.Is(Errno::kENOENT)) return absl::OkStatus();
    if (!from.ok()) return Failed(absl::StrCat("find ", path), from.error());
    // A mount that nobody sees, until it is whole.
    const RefPtr<Mount> detached = MakeRef<Mount>(made.fs, made.root, MountFlags{});
    return CopyTree(ctx_, *from, Path(detached, made.root));
  }

  absl::Status Attach(const std::string& path, NewMount mount, MountFlags flags) {
    Result<Path> at = ResolvePath(ctx_, ctx_.root, path);
    if (at.Is(Errno::kENOENT)) {
      const absl::StatusOr<std::string> missing = ResolveInRoot(ctx_, path);
      if (!missing.ok()) return missing.status();
      if (absl::Status s = MakeDirectories(ctx_, *missing); !s.ok()) return s;
      at = ResolvePath(ctx_, ctx_.root, *missing);
    }
    if (!at.ok()) return Failed(absl::StrCat("find ", path), at.error());
    return AttachAt(path, *at, std::move(mount), flags);
  }

  absl::Status AttachAt(const std::string& path, const Path& at, NewMount mount, MountFlags flags) {
    last_ = MakeRef<Mount>(std::move(mount.fs), std::move(mount.root), flags);
    const Result<void> attached = out_.mounts->Attach(last_, at);
    if (!attached.ok()) return Failed(absl::StrCat("mount ", path), attached.error());
    return absl::OkStatus();
  }

  // A /dev that no mount is for.
  absl::Status LinkRootsDev() {
    if (absl::Status s = MakeDirectories(ctx_, "/dev"); !s.ok()) return s;
    const Result<Path> dev = ResolvePath(ctx_, ctx_.root, "/dev");
    const Result<void> made = dev.ok() ? MakeDevLinks(ctx_, *dev) : dev.error();
    return made.ok() ? absl::OkStatus() : Failed("make the links of /dev", made.error());
  }

  // Replaces what PopulateDev made: the container's own may have other owners and modes. What is the host's is left.
  absl::Status MakeDevice(const control::Device& device) {
    const std::string& path = device.path();
    const std::string directory = path.substr(0, path.rfind('/') + 1);
    if (absl::Status s = MakeDirectories(ctx_, directory); !s.ok()) return s;
    const uint64_t number = abi::MakeDev(device.major(), device.minor());
    const Result<Path> parent = ResolvePath(ctx_, ctx_.root, directory);
    if (!parent.ok()) return Failed(absl::StrCat("find ", directory), parent.error());
    if (parent->mount->fs().type_name() != std::string_view("tmpfs")) {
      return store_.Place(ctx_, path,
                          {.mode = device.mode(), .device = number, .uid = device.uid(), .gid = device.gid()});
    }
    const Result<void> unlinked = Unlink(ctx_, ctx_.root, path);
    if (!unlinked.ok() && !unlinked.Is(Errno::kENOENT)) return Failed(absl::StrCat("replace ", path), unlinked.error());
    Result<void> made = MakeNode(ctx_, ctx_.root, path, device.mode(), number);
    if (!made.ok()) return Failed(absl::StrCat("make ", path), made.error());
    const Result<Path> node = ResolvePath(ctx_, ctx_.root, path);
    if (!node.ok()) return Failed(absl::StrCat("find ", path), node.error());
    made = ChangeOwner(ctx_, *node, user_ns_->ToKernelUid(device.uid()), user_ns_->ToKernelGid(device.gid()));
    return made.ok() ? absl::OkStatus() : Failed(absl::StrCat("chown ", path), made.error());
  }

  // As runc does: an empty directory or /dev/null in its place; nothing where nothing is.
  absl::Status Mask(const std::string& path) {
    const Result<Path> at = ResolvePath(ctx_, ctx_.root, path);
    if (!at.ok()) return absl::OkStatus();
    if (at->dentry->inode()->is_dir()) {
      return AttachAt(path, *at, NewTmpfs(memory_, {.root_mode = 0755}), {.read_only = true});
    }
    const Result<Path> null = ResolvePath(ctx_, ctx_.root, "/dev/null");
    if (!null.ok()) return Failed(absl::StrCat("mask ", path, ": find /dev/null"), null.error());
    const Result<void> bound = out_.mounts->Bind(*null, *at, {}, false);
    return bound.ok() ? absl::OkStatus() : Failed(absl::StrCat("mask ", path), bound.error());
  }

  absl::Status MakeReadOnly(const std::string& path) {
    const Result<Path> at = ResolvePath(ctx_, ctx_.root, path);
    if (!at.ok()) return absl::OkStatus();
    MountFlags flags = at->mount->flags();
    flags.read_only = true;
    const Result<void> bound = out_.mounts->Bind(*at, *at, flags, true);
    return bound.ok() ? absl::OkStatus() : Failed(absl::StrCat("make ", path, " read-only"), bound.error());
  }

  const RefPtr<UserNamespace> user_ns_;
  RefPtr<Credentials> mounter_;  // root of user_ns_
  const control::Container& container_;
  const std::shared_ptr<fsgofer::Client> gofer_;
  const FileSystemParts& parts_;
  MemoryFile& memory_;
  PidNamespace* const pid_ns_;
  const RefPtr<Cgroup> cgroup_;
  DeviceStore store_;
  VfsContext ctx_;
  RefPtr<Mount> root_, last_;
  ContainerMounts out_;
};

// What mount(2) can make, by name.
void RegisterMountableTypes(const FileSystemParts& parts) {
  FsTypes::Register(
      "tmpfs",
      [&memory = *parts.memory](const VfsContext& ctx, std::string_view,
                                std::string_view options) -> Result<NewFileSystem> {
        NewMount mount =
            NewTmpfs(memory, TRY(TmpfsFileSystem::ParseOptions(options, memory.CallerView().limit, ctx.creds.get())));
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kAnyRoot);
  FsTypes::Register(
      "proc",
      [views = parts.processes](const VfsContext& ctx, std::string_view,
                                std::string_view options) -> Result<NewFileSystem> {
        TRY(NoOptions(options));
        auto mount = NewProcFs(views(ctx.process ? &ctx.process->ns() : nullptr));
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kIfVisible);
  FsTypes::Register(
      "sysfs",
      [parts](const VfsContext& ctx, std::string_view, std::string_view options) -> Result<NewFileSystem> {
        TRY(NoOptions(options));
        auto view = std::make_shared<ContainerSysView>(*parts.memory, parts.cgroup_processes->NamespaceRoot(ctx));
        auto mount = NewSysFs(std::move(view), parts.net);
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kIfVisible);
  FsTypes::Register(
      "devpts",
      [](const VfsContext& ctx, std::string_view, std::string_view options) -> Result<NewFileSystem> {
        NewMount mount = TRY(NewDevptsMount(options, *ctx.creds));
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kAnyRoot);
  FsTypes::Register(
      "cgroup2",
      [parts](const VfsContext& ctx, std::string_view, std::string_view options) -> Result<NewFileSystem> {
        TRY(NoOptions(options));
        auto mount = NewCgroupFs(*parts.cgroup_processes, parts.cgroup_processes->NamespaceRoot(ctx));
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kSandboxRoot);
}

}  // namespace

VfsContext KernelContext(const RefPtr<MountNamespace>& mounts) {
  RefPtr<Credentials> creds = MakeRef<Credentials>();
  creds->permitted = creds->effective = creds->bounding = CapabilitySet::All();
  // What is made for a container is its root's.
  const UserNamespace& owner = *mounts->owner();
  if (const uint32_t uid = owner.ToKernelUid(0); uid != kInvalidId) creds->fsuid = uid;
  if (const uint32_t gid = owner.ToKernelGid(0); gid != kInvalidId) creds->fsgid = gid;
  VfsContext ctx;
  ctx.creds = std::move(creds);
  ctx.root = ctx.cwd = mounts->root();
  ctx.mounts = mounts.get();
  ctx.umask = 0;
  return ctx;
}

void RegisterFileSystems(const FileSystemParts& parts) {
  RegisterMemoryDevices();
  RegisterTtyDevices();
  SpecialFiles::SetFifo(OpenFifo);
  RegisterMountableTypes(parts);
  (void)Descriptors();
}

absl::StatusOr<ContainerMounts> MountContainer(const control::Container& container,
                                               std::shared_ptr<fsgofer::Client> gofer, const FileSystemParts& parts,
                                               PidNamespace* pid_ns, const RefPtr<UserNamespace>& user_ns,
                                               const RefPtr<Cgroup>& cgroup) {
  return Builder(container, std::move(gofer), parts, pid_ns, user_ns, cgroup).Build();
}

absl::Status MountConsole(const ContainerMounts& mounts, const FileDescription& terminal) {
  const VfsContext ctx = KernelContext(mounts.mounts);
  const Result<void> made = MakeNode(ctx, ctx.root, "/dev/console", abi::kSIfReg | 0620, 0);
  if (!made.ok() && !made.Is(Errno::kEEXIST)) return Failed("make /dev/console", made.error());
  const Result<Path> at = ResolvePath(ctx, ctx.root, "/dev/console");
  if (!at.ok()) return Failed("find /dev/console", at.error());
  const Result<void> bound = mounts.mounts->Bind(terminal.path(), *at, {}, false);
  return bound.ok() ? absl::OkStatus() : Failed("mount /dev/console", bound.error());
}

}  // namespace runsc
