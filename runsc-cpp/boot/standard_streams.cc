#include "runsc-cpp/boot/standard_streams.h"

#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/errno_status.h"
#include "sentry/fs/host/host_file.h"
#include "sentry/vfs/operations.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

constexpr uint32_t kMaxStream = 1024;

absl::Status MakeTerminal(const control::Process& process, RequestFds& fds, const VfsContext& ctx,
                          const RefPtr<Mount>& devpts, StandardStreams& streams) {
  const control::Terminal& terminal = process.terminal();
  if (!devpts) return absl::InvalidArgumentError("process.terminal: the container has no devpts mount");
  Result<PtyPair> pty = OpenPtyPair(ctx, devpts);
  if (!pty.ok()) return Failed("open a pseudo terminal", pty.error());
  streams.pty = *std::move(pty);
  // It is its user's, as runc gives it; the group stays the mount's.
  const Result<void> given = ChangeOwner(ctx, streams.pty.slave->path(), process.uid(), UINT32_MAX);
  if (!given.ok()) return Failed("give the terminal to its user", given.error());
  const abi::Winsize size{static_cast<uint16_t>(terminal.rows()), static_cast<uint16_t>(terminal.columns()), 0, 0};
  (void)SetWindowSize(streams.pty.master, size);  // ENOTTY can't be: it is one
  base::UniqueFd in = fds.Take(terminal.in_fd()), out = fds.Take(terminal.out_fd());
  if (!in.valid() || !out.valid()) return absl::InvalidArgumentError("the request lacks the terminal's descriptors");
  Result<std::unique_ptr<TtyBridge>> bridge = TtyBridge::Start(
      {.in = std::move(in),
       .out = std::move(out),
       .master = streams.pty.master,
       .context = ctx,
       .hung_up = [] {},
       .size = size,
       .resized = [master = streams.pty.master](const abi::Winsize& now) { (void)SetWindowSize(master, now); }});
  if (!bridge.ok()) return Failed("bridge the terminal", bridge.error());
  streams.bridge = *std::move(bridge);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StandardStreams> OpenStandardStreams(const control::Process& process, RequestFds& fds,
                                                    HostPoller& poller, const VfsContext& ctx,
                                                    const RefPtr<Mount>& devpts) {
  StandardStreams streams;
  streams.fds = MakeRef<FdTable>();
  if (process.has_terminal()) {
    if (absl::Status s = MakeTerminal(process, fds, ctx, devpts, streams); !s.ok()) return s;
  }
  for (const control::Stream& stream : process.streams()) {
    RefPtr<FileDescription> file = streams.pty.slave;
    if (!stream.terminal()) {
      base::UniqueFd fd = fds.Take(stream.file_fd());
      if (!fd.valid()) return absl::InvalidArgumentError(absl::StrCat("the request lacks descriptor ", stream.guest()));
      Result<RefPtr<FileDescription>> host =
          NewHostFile(poller, std::move(fd), 0, {.uid = process.uid(), .gid = process.gid()});
      if (!host.ok()) return Failed(absl::StrCat("take over descriptor ", stream.guest()), host.error());
      file = *std::move(host);
    }
    if (!file || stream.guest() >= kMaxStream) return absl::InvalidArgumentError("a stream of no terminal or number");
    const int number = static_cast<int>(stream.guest());
    const auto installed = streams.fds->InstallAt(number, std::move(file), CloseOnExec::kNo, kMaxStream);
    if (!installed.ok()) return Failed("install a standard stream", installed.error());
  }
  return streams;
}

}  // namespace runsc
