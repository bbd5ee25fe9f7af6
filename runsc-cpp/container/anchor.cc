#include "runsc-cpp/container/anchor.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/container/anchor_fds.h"
#include "runsc-cpp/sandbox/launch.h"
#include "runsc-cpp/sandbox/reexec.h"

namespace runsc {
namespace {

[[noreturn]] void Fail(int report, const char* step) {
  const std::string text = absl::StrCat(step, ": ", strerror(errno));
  (void)!write(report, text.data(), text.size());
  _exit(125);
}

// As runc does in a network namespace that it makes.
bool SetLoopbackUp() {
  const base::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  return socket.valid() && ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

void EnterPlaces(const AnchorOptions& options, int report) {
  setsid();
  if (options.controlling_terminal >= 0 && ioctl(options.controlling_terminal, TIOCSCTTY, 0) != 0)
    Fail(report, "take the controlling terminal");
  if (options.new_network && unshare(CLONE_NEWNET) != 0) Fail(report, "make a network namespace");
  if (options.new_network && !SetLoopbackUp()) Fail(report, "set the loopback up");
  if (!options.new_network && options.network >= 0 && setns(options.network, CLONE_NEWNET) != 0) {
    Fail(report, "join the network namespace");
  }
  for (const auto& [name, value] : options.network_sysctls) {
    const base::UniqueFd file(open(absl::StrCat("/proc/sys/", name).c_str(), O_WRONLY | O_CLOEXEC));
    const bool written =
        file.valid() && write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
    if (!written) Fail(report, absl::StrCat("linux.sysctl: write \"", value, "\" to /proc/sys/", name).c_str());
  }
  if (chdir("/") != 0) Fail(report, "chdir /");
}

// 0 to 2 are /dev/null: a copy of the container's streams would keep them open for whoever reads them.
void ArrangeDescriptors(const AnchorOptions& options, int link, int report) {
  const base::UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) Fail(report, "open /dev/null");
  constexpr int kBase = 16;  // out of the way of the places below
  const auto aside = [](int fd) { return fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, kBase) : -1; };
  const auto place = [](int fd, int at) { fd >= 0 ? dup2(fd, at) : close(at); };
  const int sources[] = {aside(null.get()), aside(link), aside(options.directory)};
  for (int fd = 0; fd <= 2; ++fd) place(sources[0], fd);
  place(sources[1], kAnchorLinkFd);
  place(sources[2], kAnchorDirectoryFd);
}

[[noreturn]] void AnchorChild(const AnchorOptions& options, int self, int link, int report) {
  EnterPlaces(options, report);
  ResetSignals();
  // From here on they stay blocked until AnchorMain reads them: none is lost, none kills.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  constexpr int kHigh = 64;
  self = fcntl(self, F_DUPFD_CLOEXEC, kHigh);
  report = fcntl(report, F_DUPFD_CLOEXEC, kHigh);
  ArrangeDescriptors(options, link, report);
  syscall(SYS_close_range, kAnchorDirectoryFd + 1u, ~0u, CLOSE_RANGE_CLOEXEC);
  std::vector<const char*> argv;
  for (const std::string& word : options.title) argv.push_back(word.c_str());
  if (argv.empty()) argv.push_back("runsc-anchor");
  argv.push_back(nullptr);
  const std::string variable = absl::StrCat(kAnchorVariable, "=1");
  const char* envp[] = {variable.c_str(), nullptr};
  syscall(SYS_execveat, self, "", argv.data(), envp, AT_EMPTY_PATH);
  Fail(report, "execute the anchor");
}

}  // namespace

absl::StatusOr<AnchorProcess> LaunchAnchor(const AnchorOptions& options) {
  absl::StatusOr<SelfFiles> self = OpenSelf();
  int pair[2], report[2];
  if (!self.ok()) return self.status();
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return absl::ErrnoToStatus(errno, "socketpair");
  AnchorProcess anchor;
  anchor.link.reset(pair[0]);
  base::UniqueFd theirs(pair[1]);
  if (pipe2(report, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const base::UniqueFd words(report[0]);
  base::UniqueFd tell(report[1]);
  anchor.pid = ForkWith(0);
  if (anchor.pid < 0) return absl::ErrnoToStatus(errno, "clone the anchor");
  if (anchor.pid == 0) AnchorChild(options, self->binary.get(), theirs.get(), tell.get());
  tell.reset();
  char text[512];
  const ssize_t n = read(words.get(), text, sizeof text);
  if (n == 0) return anchor;
  EndChild(anchor.pid);
  return absl::InternalError(absl::StrCat("the container's process on the host: ",
                                          absl::string_view(text, n > 0 ? static_cast<size_t>(n) : 0)));
}

}  // namespace runsc
