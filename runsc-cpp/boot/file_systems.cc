#include "runsc-cpp/boot/file_systems.h"

#include <sys/resource.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/boot/errno_status.h"
#include "sentry/fs/dev/dev.h"
#include "sentry/fs/devpts/devpts.h"
#include "sentry/fs/gofer/gofer_fs.h"
#include "sentry/fs/overlay/overlay.h"
#include "sentry/fs/pipe/fifo.h"
#include "sentry/fs/proc/proc_fs.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/vfs/fs_types.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/special_files.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

constexpr MountFlags kDeviceFlags{.no_suid = true, .no_exec = true};
constexpr MountFlags kDataFlags{.no_suid = true, .no_dev = true};
constexpr MountFlags kProcFlags{.no_suid = true, .no_dev = true, .no_exec = true};

struct NewMount {
  RefPtr<FileSystem> fs;
  RefPtr<Dentry> root;
};

NewMount NewTmpfs(MemoryFile& memory, TmpfsOptions options) {
  RefPtr<TmpfsFileSystem> fs = TmpfsFileSystem::Create(memory, std::move(options));
  RefPtr<Dentry> root = Dentry::NewRoot(fs->NewRoot());
  return {std::move(fs), std::move(root)};
}

// A quarter of what the host lets us hold open.
size_t DescriptorBudget() {
  rlimit limit{1024, 1024};
  getrlimit(RLIMIT_NOFILE, &limit);
  return std::max<size_t>(limit.rlim_cur / 4, 64);
}

class Builder {
 public:
  Builder(const SandboxConfig& config, std::shared_ptr<fsgofer::Client> gofer, MemoryFile& memory,
          const ProcessViews& views)
      : config_(config), gofer_(std::move(gofer)), memory_(memory), views_(views) {}

  absl::StatusOr<FileSystems> Build() {
    if (absl::Status s = MountRoot(); !s.ok()) return s;
    ctx_ = KernelContext(out_.mounts);
    const auto proc = NewProcFs(views_(nullptr));
    if (absl::Status s = Attach("/proc", {proc.fs, proc.root}, kProcFlags); !s.ok()) return s;
    if (absl::Status s = MountDev(); !s.ok()) return s;
    for (size_t i = 0; i < config_.volumes.size(); ++i) {
      if (absl::Status s = MountVolume(static_cast<uint32_t>(i)); !s.ok()) return s;
    }
    return std::move(out_);
  }

 private:
  absl::StatusOr<NewMount> MountGofer(uint32_t index, GoferCaching caching) {
    NewMount mount;
    Result<RefPtr<Dentry>> root = GoferFileSystem::Mount(
        {.client = gofer_, .mount = index, .caching = caching, .max_descriptors = DescriptorBudget()}, &mount.fs);
    if (!root.ok()) return Failed("attach to the gofer", root.error());
    mount.root = *std::move(root);
    return mount;
  }

  absl::Status MountRoot() {
    absl::StatusOr<NewMount> lower = MountGofer(0, GoferCaching::kExclusive);
    if (!lower.ok()) return lower.status();
    Result<RefPtr<OverlayFileSystem>> overlay =
        OverlayFileSystem::Create(TmpfsFileSystem::Create(memory_, {.root_mode = 0755}), {lower->root->inode()});
    if (!overlay.ok()) return Failed("make the overlay", overlay.error());
    RefPtr<Mount> mount = MakeRef<Mount>(*overlay, Dentry::NewRoot((*overlay)->NewRoot()), MountFlags{});
    out_.mounts = MakeRef<MountNamespace>(std::move(mount));
    return absl::OkStatus();
  }

  // A directory at `path`, and those above it, where they are missing.
  absl::Status MakeDirectories(const std::string& path) {
    std::string at;
    for (const absl::string_view name : absl::StrSplit(path, '/', absl::SkipEmpty())) {
      absl::StrAppend(&at, "/", name);
      const Result<void> made = MakeDirectory(ctx_, ctx_.root, at, 0755);
      if (!made.ok() && !made.Is(Errno::kEEXIST)) return Failed(absl::StrCat("mkdir ", at), made.error());
    }
    return absl::OkStatus();
  }

  absl::Status Attach(const std::string& path, NewMount mount, MountFlags flags) {
    Result<Path> at = ResolvePath(ctx_, ctx_.root, path);
    if (at.Is(Errno::kENOENT)) {
      if (absl::Status s = MakeDirectories(path); !s.ok()) return s;
      at = ResolvePath(ctx_, ctx_.root, path);
    }
    if (!at.ok()) return Failed(absl::StrCat("find ", path), at.error());
    last_ = MakeRef<Mount>(std::move(mount.fs), std::move(mount.root), flags);
    const Result<void> attached = out_.mounts->Attach(last_, *at);
    if (!attached.ok()) return Failed(absl::StrCat("mount ", path), attached.error());
    return absl::OkStatus();
  }

  absl::Status MountDev() {
    if (absl::Status s = Attach("/dev", NewTmpfs(memory_, {.root_mode = 0755}), kDeviceFlags); !s.ok()) return s;
    const Path dev{last_, last_->root()};
    if (const Result<void> filled = PopulateDev(ctx_, dev); !filled.ok()) return Failed("fill /dev", filled.error());
    const auto pts = NewDevpts();
    if (absl::Status s = Attach("/dev/pts", {pts.fs, pts.root}, kDeviceFlags); !s.ok()) return s;
    out_.devpts = last_;
    return Attach("/dev/shm", NewTmpfs(memory_, {}), kDataFlags);
  }

  absl::Status MountVolume(uint32_t index) {
    const VolumeConfig& volume = config_.volumes[index];
    absl::StatusOr<NewMount> mount = MountGofer(index + 1, GoferCaching::kShared);
    if (!mount.ok()) return mount.status();
    if (!mount->root->inode()->is_dir() && ResolvePath(ctx_, ctx_.root, volume.guest_path).Is(Errno::kENOENT)) {
      if (absl::Status s = MakeMountFile(volume.guest_path); !s.ok()) return s;
    }
    return Attach(volume.guest_path, *std::move(mount),
                  {.read_only = volume.read_only, .no_suid = true, .no_dev = true});
  }

  // What a single file is mounted on.
  absl::Status MakeMountFile(const std::string& path) {
    if (absl::Status s = MakeDirectories(path.substr(0, path.rfind('/'))); !s.ok()) return s;
    const Result<void> made = MakeNode(ctx_, ctx_.root, path, abi::kSIfReg | 0644, 0);
    if (!made.ok()) return Failed(absl::StrCat("make ", path), made.error());
    return absl::OkStatus();
  }

  const SandboxConfig& config_;
  const std::shared_ptr<fsgofer::Client> gofer_;
  MemoryFile& memory_;
  const ProcessViews& views_;
  VfsContext ctx_;
  RefPtr<Mount> last_;
  FileSystems out_;
};

// What mount(2) can make, by name.
void RegisterMountableTypes(MemoryFile& memory, ProcessViews views) {
  FsTypes::Register(
      "tmpfs",
      [&memory](const VfsContext& ctx, std::string_view, std::string_view options) -> Result<NewFileSystem> {
        NewMount mount = NewTmpfs(memory, TRY(TmpfsFileSystem::ParseOptions(options, ctx.creds.get())));
        return NewFileSystem{std::move(mount.fs), std::move(mount.root)};
      },
      FsTypes::Who::kAnyRoot);
  FsTypes::Register(
      "proc",
      [views](const VfsContext& ctx, std::string_view, std::string_view) -> Result<NewFileSystem> {
        auto mount = NewProcFs(views(ctx.process ? &ctx.process->ns() : nullptr));
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
}

}  // namespace

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

absl::StatusOr<FileSystems> MountFileSystems(const SandboxConfig& config, std::shared_ptr<fsgofer::Client> gofer,
                                             MemoryFile& memory, const ProcessViews& views) {
  RegisterMemoryDevices();
  RegisterTtyDevices();
  SpecialFiles::SetFifo(OpenFifo);
  RegisterMountableTypes(memory, views);
  return Builder(config, std::move(gofer), memory, views).Build();
}

}  // namespace runsc
