#include "runsc-cpp/boot/sysctls.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/errno_status.h"
#include "sentry/fs/proc/proc_fs.h"
#include "sentry/usermem/io_buffer.h"
#include "sentry/vfs/operations.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

// sysctl(8)'s name of a path: the separators change places.
std::string NameOf(std::string path) {
  for (char& c : path) c = c == '/' ? '.' : c == '.' ? '/' : c;
  return path;
}

Result<void> Write(const VfsContext& ctx, const Path& proc, const control::Sysctl& sysctl) {
  const OpenHow how{.flags = abi::kOWrOnly, .mode = 0, .resolve = {.no_symlinks = true, .beneath = true}};
  const RefPtr<FileDescription> file = TRY(Open(ctx, proc, absl::StrCat("sys/", sysctl.path()), how));
  KernelIoSource source(std::as_bytes(std::span(sysctl.value())));
  const size_t written = TRY(file->Write(ctx, source));
  return written == sysctl.value().size() ? Ok() : Errno::kEINVAL;
}

}  // namespace

absl::Status SetSysctls(const control::Container& container, const FileSystemParts& parts, PidNamespace* pid_ns,
                        const RefPtr<MountNamespace>& mounts) {
  if (container.sysctls().empty()) return absl::OkStatus();
  // One that nobody sees: the container's may be read-only, or none.
  const ProcMount proc = NewProcFs(parts.processes(pid_ns));
  const RefPtr<Mount> mount = MakeRef<Mount>(proc.fs, proc.root, MountFlags{});
  const VfsContext ctx = KernelContext(mounts);
  for (const control::Sysctl& sysctl : container.sysctls()) {
    const Result<void> set = Write(ctx, Path(mount, proc.root), sysctl);
    if (set.ok()) continue;
    return Failed(absl::StrCat("config.json: linux.sysctl[\"", NameOf(sysctl.path()), "\"]: write \"", sysctl.value(),
                               "\" to /proc/sys/", sysctl.path()),
                  set.error());
  }
  return absl::OkStatus();
}

}  // namespace runsc
