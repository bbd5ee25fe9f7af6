#include "runsc-cpp/boot/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/errno_status.h"
#include "sentry/fs/host/host_file.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

base::UniqueFd Duplicate(int fd) { return base::UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

absl::Status MakeTerminal(const SandboxConfig& config, const VfsContext& ctx, const RefPtr<Mount>& devpts,
                          StandardStreams& streams) {
  Result<PtyPair> pty = OpenPtyPair(ctx, devpts);
  if (!pty.ok()) return Failed("open a pseudo terminal", pty.error());
  streams.pty = *std::move(pty);
  const abi::Winsize size{static_cast<uint16_t>(config.rows), static_cast<uint16_t>(config.columns), 0, 0};
  (void)SetWindowSize(streams.pty.master, size);  // ENOTTY can't be: it is one
  const int out = IsHostTerminal(STDOUT_FILENO) ? STDOUT_FILENO : STDIN_FILENO;
  Result<std::unique_ptr<TtyBridge>> bridge = TtyBridge::Start({.in = Duplicate(STDIN_FILENO),
                                                                .out = Duplicate(out),
                                                                .master = streams.pty.master,
                                                                .context = ctx,
                                                                .hung_up = [] {}});
  if (!bridge.ok()) return Failed("bridge the terminal", bridge.error());
  streams.bridge = *std::move(bridge);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StandardStreams> OpenStandardStreams(const SandboxConfig& config, HostPoller& poller,
                                                    const VfsContext& ctx, const RefPtr<Mount>& devpts) {
  StandardStreams streams;
  streams.fds = MakeRef<FdTable>();
  const bool terminal = IsHostTerminal(STDIN_FILENO);
  if (terminal) {
    if (absl::Status s = MakeTerminal(config, ctx, devpts, streams); !s.ok()) return s;
  }
  for (int fd = 0; fd <= 2; ++fd) {
    if ((config.closed_streams >> fd) & 1) continue;
    RefPtr<FileDescription> file;
    if (terminal && IsHostTerminal(fd)) {
      file = streams.pty.slave;
    } else {
      Result<RefPtr<FileDescription>> host =
          NewHostFile(poller, Duplicate(fd), 0, {.uid = config.uid, .gid = config.gid});
      if (!host.ok()) return Failed(absl::StrCat("take over descriptor ", fd), host.error());
      file = *std::move(host);
    }
    const auto installed = streams.fds->InstallAt(fd, std::move(file), CloseOnExec::kNo, 3);
    if (!installed.ok()) return Failed("install a standard stream", installed.error());
  }
  return streams;
}

}  // namespace runsc
