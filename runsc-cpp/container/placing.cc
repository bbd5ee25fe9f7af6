#include "runsc-cpp/container/placing.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace runsc {
namespace {

constexpr timeval kLongest = {10, 0};

// The number of whoever sent a byte, in our pid namespace; 0: an end of file came instead.
absl::StatusOr<pid_t> Sender(int socket) {
  char byte;
  iovec iov = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
  msghdr msg = {};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof control;
  const ssize_t n = TEMP_FAILURE_RETRY(recvmsg(socket, &msg, MSG_CMSG_CLOEXEC));
  if (n < 0) return absl::ErrnoToStatus(errno, "wait for the process that the container's guests come from");
  if (n == 0) return 0;
  const cmsghdr* const cmsg = CMSG_FIRSTHDR(&msg);
  ucred sender = {};
  if (cmsg != nullptr && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_CREDENTIALS &&
      cmsg->cmsg_len == CMSG_LEN(sizeof sender)) {
    memcpy(&sender, CMSG_DATA(cmsg), sizeof sender);
  }
  if (sender.pid > 0) return sender.pid;
  return absl::InternalError("the process that the container's guests come from does not say who it is");
}

// The sandbox may have let the sender die, and its number become that of a process which is none of its own.
bool SharePidNamespace(pid_t a, pid_t b) {
  struct stat of_a, of_b;
  return stat(absl::StrCat("/proc/", a, "/ns/pid").c_str(), &of_a) == 0 &&
         stat(absl::StrCat("/proc/", b, "/ns/pid").c_str(), &of_b) == 0 && of_a.st_ino == of_b.st_ino;
}

}  // namespace

absl::StatusOr<Placing> Placing::Make() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return absl::ErrnoToStatus(errno, "socketpair");
  Placing placing(pair[0], pair[1]);
  const int on = 1;
  if (setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
      setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &kLongest, sizeof kLongest) != 0) {
    return absl::ErrnoToStatus(errno, "setsockopt");
  }
  return placing;
}

absl::Status Placing::Finish(cgroup::Cgroup& cgroup, pid_t sentry) {
  theirs_.reset();
  const absl::StatusOr<pid_t> sender = Sender(ours_.get());
  if (!sender.ok()) return sender.status();
  if (*sender == 0) return absl::OkStatus();
  if (!SharePidNamespace(*sender, sentry)) {
    return absl::InternalError(absl::StrCat("process ", *sender, " is none of the sandbox's"));
  }
  if (absl::Status s = cgroup.Join(*sender); !s.ok()) return s;
  const char byte = 0;
  if (send(ours_.get(), &byte, 1, MSG_NOSIGNAL) == 1) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "let the container's guests come");
}

}  // namespace runsc
