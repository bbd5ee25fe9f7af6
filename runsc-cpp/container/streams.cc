#include "runsc-cpp/container/streams.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/container/console.h"

namespace runsc {

namespace control = sentry::control;

absl::StatusOr<ProcessStreams> ProcessStreams::Open(const Options& options) {
  ProcessStreams streams;
  streams.options_ = options;
  for (uint32_t i = 0; i < options.preserve_fds; ++i) {
    const int fd = STDERR_FILENO + 1 + static_cast<int>(i);
    if (fcntl(fd, F_GETFD) < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--preserve-fds ", options.preserve_fds, ": descriptor ", fd, " is not open"));
    }
  }
  if (!options.terminal) {
    if (options.console_socket.empty()) return streams;
    return absl::InvalidArgumentError("cannot use console socket if runc will not detach or allocate tty");
  }
  if (!options.console_socket.empty()) {
    absl::StatusOr<base::UniqueFd> slave = SendConsole(options.console_socket, options.rows, options.columns);
    if (!slave.ok()) return slave.status();
    streams.slave_ = *std::move(slave);
    return streams;
  }
  if (!options.foreground) {
    return absl::InvalidArgumentError("cannot allocate tty if runc will detach without setting console socket");
  }
  if (!isatty(STDIN_FILENO)) {
    return absl::InvalidArgumentError(
        "process.terminal: standard input is no terminal, and there is no console socket");
  }
  return streams;
}

void ProcessStreams::Describe(control::Process& process, RequestDescriptors& fds) const {
  for (uint32_t fd = 0; fd <= STDERR_FILENO + options_.preserve_fds; ++fd) {
    control::Stream& stream = *process.add_streams();
    stream.set_guest(fd);
    stream.set_terminal(options_.terminal && fd <= STDERR_FILENO);
    if (!stream.terminal()) stream.set_file_fd(fds.Add(static_cast<int>(fd)));
  }
  if (!options_.terminal) return;
  control::Terminal& to = *process.mutable_terminal();
  to.set_in_fd(fds.Add(terminal()));
  to.set_out_fd(fds.Add(slave_.valid() ? slave_.get() : STDOUT_FILENO));
  winsize size;
  if (ioctl(terminal(), TIOCGWINSZ, &size) != 0) return;
  to.set_rows(size.ws_row);
  to.set_columns(size.ws_col);
}

}  // namespace runsc
