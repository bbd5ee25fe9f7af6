#include "runsc-cpp/boot/container_mounts.h"

#include <sys/resource.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/boot/errno_status.h"
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

class Builder {
 public:
  Builder(const control::Container& container, std::shared_ptr<fsgofer::Client> gofer, const FileSystemParts& parts,
          PidNamespace* pid_ns, RefPtr<Cgroup> cgroup)
      : container_(container),
        gofer_(std::move(gofer)),
        parts_(parts),
        memory_(*parts.memory),
        pid_ns_(pid_ns),
        cgroup_(std::move(cgroup)) {}

  absl::StatusOr<ContainerMounts> Build() {
    if (absl::Status s = MountRoot(); !s.ok()) return s;
    ctx_ = KernelContext(out_.mounts);
    for (const control::Mount& mount : container_.mounts()) {
      if (absl::Status s = MountOne(mount); !s.ok()) return s;
    }
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
  absl::StatusOr<NewMount> MountGofer(uint32_t index, GoferCaching caching, const std::string& identity = "") {
    NewMount mount;
    Result<RefPtr<Dentry>> root = GoferFileSystem::Mount({.client = gofer_,
                                                          .mount = index,
                                                          .caching = caching,
                                                          .descriptors = &Descriptors(),
                                                          .volume = VolumeOf(identity)},
                                                         &mount.fs);
    if (!root.ok()) return Failed("attach to the gofer", root.error());
    mount.root = *std::move(root);
    return mount;
  }

  absl::Status MountRoot() {
    const bool overlay = container_.root().overlay();
    absl::StatusOr<NewMount> root = MountGofer(0, overlay ? GoferCaching::kExclusive : GoferCaching::kShared);
    if (!root.ok()) return root.status();
    if (overlay) {
      Result<RefPtr<OverlayFileSystem>> fs =
          OverlayFileSystem::Create(TmpfsFileSystem::Create(memory_, {.root_mode = 0755}), {root->root->inode()});
      if (!fs.ok()) return Failed("make the overlay", fs.error());
      root->root = Dentry::NewRoot((*fs)->NewRoot());
      root->fs = *std::move(fs);
    }
    root_ = MakeRef<Mount>(std::move(root->fs), std::move(root->root), MountFlags{});
    out_.mounts = MakeRef<MountNamespace>(root_);
    return absl::OkStatus();
  }

  absl::StatusOr<NewMount> MakeFileSystem(const control::Mount& mount) {
    switch (mount.kind()) {
      case control::Mount::BIND:
        return MountGofer(mount.gofer_mount(), GoferCaching::kShared, mount.identity());
      case control::Mount::TMPFS: {
        Result<TmpfsOptions> options = TmpfsFileSystem::ParseOptions(mount.options());
        if (!options.ok()) return Failed(absl::StrCat("tmpfs options \"", mount.options(), "\""), options.error());
        return NewTmpfs(memory_, *std::move(options));
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
        auto pts = NewDevpts();
        return NewMount{std::move(pts.fs), std::move(pts.root)};
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

  absl::Status MountOne(const control::Mount& mount) {
    absl::StatusOr<NewMount> made = MakeFileSystem(mount);
    if (!made.ok()) {
      return absl::Status(made.status().code(),
                          absl::StrCat("mount ", mount.destination(), ": ", made.status().message()));
    }
    if (!made->root->inode()->is_dir() && ResolvePath(ctx_, ctx_.root, mount.destination()).Is(Errno::kENOENT)) {
      if (absl::Status s = MakeMountFile(mount.destination()); !s.ok()) return s;
    }
    if (absl::Status s = Attach(mount.destination(), *std::move(made), MountFlags::FromAbi(mount.flags())); !s.ok()) {
      return s;
    }
    if (mount.kind() == control::Mount::DEVPTS && !out_.devpts) out_.devpts = last_;
    if (!mount.devices()) return absl::OkStatus();
    const Result<void> filled = PopulateDev(ctx_, Path{last_, last_->root()});
    return filled.ok() ? absl::OkStatus() : Failed(absl::StrCat("fill ", mount.destination()), filled.error());
  }

  // What a single file is mounted on.
  absl::Status MakeMountFile(const std::string& path) {
    if (absl::Status s = MakeDirectories(ctx_, path.substr(0, path.rfind('/'))); !s.ok()) return s;
    const Result<void> made = MakeNode(ctx_, ctx_.root, path, abi::kSIfReg | 0644, 0);
    if (!made.ok()) return Failed(absl::StrCat("make ", path), made.error());
    return absl::OkStatus();
  }

  absl::Status Attach(const std::string& path, NewMount mount, MountFlags flags) {
    Result<Path> at = ResolvePath(ctx_, ctx_.root, path);
    if (at.Is(Errno::kENOENT)) {
      if (absl::Status s = MakeDirectories(ctx_, path); !s.ok()) return s;
      at = ResolvePath(ctx_, ctx_.root, path);
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

  // Replaces what PopulateDev made: the container's own may have other owners and modes.
  absl::Status MakeDevice(const control::Device& device) {
    const std::string& path = device.path();
    if (absl::Status s = MakeDirectories(ctx_, path.substr(0, path.rfind('/'))); !s.ok()) return s;
    const Result<void> unlinked = Unlink(ctx_, ctx_.root, path);
    if (!unlinked.ok() && !unlinked.Is(Errno::kENOENT)) return Failed(absl::StrCat("replace ", path), unlinked.error());
    Result<void> made = MakeNode(ctx_, ctx_.root, path, device.mode(), abi::MakeDev(device.major(), device.minor()));
    if (!made.ok()) return Failed(absl::StrCat("make ", path), made.error());
    const Result<Path> node = ResolvePath(ctx_, ctx_.root, path);
    if (!node.ok()) return Failed(absl::StrCat("find ", path), node.error());
    made = ChangeOwner(ctx_, *node, device.uid(), device.gid());
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

  const control::Container& container_;
  const std::shared_ptr<fsgofer::Client> gofer_;
  const FileSystemParts& parts_;
  MemoryFile& memory_;
  PidNamespace* const pid_ns_;
  const RefPtr<Cgroup> cgroup_;
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
        NewMount mount = NewTmpfs(memory, TRY(TmpfsFileSystem::ParseOptions(options, ctx.creds.get())));
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kAnyRoot);
  FsTypes::Register(
      "proc",
      [views = parts.processes](const VfsContext& ctx, std::string_view, std::string_view) -> Result<NewFileSystem> {
        auto mount = NewProcFs(views(ctx.process ? &ctx.process->ns() : nullptr));
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kIfVisible);
  FsTypes::Register(
      "sysfs",
      [parts](const VfsContext& ctx, std::string_view, std::string_view) -> Result<NewFileSystem> {
        auto view = std::make_shared<ContainerSysView>(*parts.memory, parts.cgroup_processes->NamespaceRoot(ctx));
        auto mount = NewSysFs(std::move(view), parts.net);
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kIfVisible);
  FsTypes::Register(
      "devpts",
      [](const VfsContext&, std::string_view, std::string_view) -> Result<NewFileSystem> {
        auto mount = NewDevpts();
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kAnyRoot);
  FsTypes::Register(
      "cgroup2",
      [parts](const VfsContext& ctx, std::string_view, std::string_view) -> Result<NewFileSystem> {
        auto mount = NewCgroupFs(*parts.cgroup_processes, parts.cgroup_processes->NamespaceRoot(ctx));
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kSandboxRoot);
}

}  // namespace

absl::Status MakeDirectories(const VfsContext& ctx, const std::string& path) {
  std::string at;
  for (const absl::string_view name : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    absl::StrAppend(&at, "/", name);
    const Result<void> made = MakeDirectory(ctx, ctx.root, at, 0755);
    if (!made.ok() && !made.Is(Errno::kEEXIST)) return Failed(absl::StrCat("mkdir ", at), made.error());
  }
  return absl::OkStatus();
}

VfsContext KernelContext(const RefPtr<MountNamespace>& mounts) {
  RefPtr<Credentials> creds = MakeRef<Credentials>();
  creds->permitted = creds->effective = creds->bounding = CapabilitySet::All();
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
                                               PidNamespace* pid_ns, const RefPtr<Cgroup>& cgroup) {
  return Builder(container, std::move(gofer), parts, pid_ns, cgroup).Build();
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
