#include "runsc-cpp/notify/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace runsc {
namespace {

using base::UniqueFd;

constexpr size_t kMaxDatagram = 4096;

absl::Status Failed(absl::string_view what) {
  return absl::Status(absl::ErrnoToStatusCode(errno), absl::StrCat(what, ": ", strerror(errno)));
}

struct Address {
  sockaddr_un name = {};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

absl::StatusOr<Address> AddressOf(const std::string& path) {
  Address address;
  address.name.sun_family = AF_UNIX;
  if (path.empty() || (path[0] != '/' && path[0] != '@') || path.size() >= sizeof address.name.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("not the path of a socket: \"", path, "\""));
  }
  std::memcpy(address.name.sun_path, path.data(), path.size());
  const bool abstract = path[0] == '@';
  if (abstract) address.name.sun_path[0] = '\0';
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  return address;
}

absl::Status Send(int fd, absl::string_view text) {
  if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())) return absl::OkStatus();
  return Failed("send to NOTIFY_SOCKET");
}

absl::Status SendWithDescriptor(int fd, absl::string_view text, int descriptor) {
  iovec part = {const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  return sendmsg(fd, &message, MSG_NOSIGNAL) >= 0 ? absl::OkStatus() : Failed("send BARRIER=1 to NOTIFY_SOCKET");
}

// systemd closes the descriptor when it has read all that was sent before. One
// that does not know BARRIER never does, or at once: both are fine.
absl::Status Barrier(int fd, std::chrono::milliseconds limit) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed("pipe");
  const UniqueFd heard(ends[0]);
  UniqueFd told(ends[1]);
  if (absl::Status s = SendWithDescriptor(fd, "BARRIER=1", told.get()); !s.ok()) return s;
  told.reset();
  pollfd wait = {heard.get(), POLLIN, 0};
  while (poll(&wait, 1, static_cast<int>(limit.count())) < 0 && errno == EINTR) {
  }
  return absl::OkStatus();
}

}  // namespace

std::string ReadyLine(absl::string_view datagram) {
  for (const absl::string_view line : absl::StrSplit(datagram, '\n')) {
    if (absl::StartsWith(line, "READY=")) return std::string(line);
  }
  return "";
}

absl::Status NotifyHost(const std::string& socket_path, absl::string_view ready, pid_t main_pid,
                        std::chrono::milliseconds limit) {
  const auto address = AddressOf(socket_path);
  if (!address.ok()) return address.status();
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return Failed("socket");
  if (connect(fd.get(), address->get(), address->length) != 0) {
    return Failed(absl::StrCat("connect to NOTIFY_SOCKET ", socket_path));
  }
  if (absl::Status s = Send(fd.get(), absl::StrCat(ready, "\n")); !s.ok()) return s;
  if (absl::Status s = Send(fd.get(), absl::StrCat("MAINPID=", main_pid, "\n")); !s.ok()) return s;
  return Barrier(fd.get(), limit);
}

absl::Status NotifySocket::MakeDirectory(const std::string& state_dir) {
  const std::string directory = state_dir + "/notify";
  return mkdir(directory.c_str(), 0755) == 0 ? absl::OkStatus() : Failed(absl::StrCat("mkdir ", directory));
}

absl::StatusOr<NotifySocket> NotifySocket::Bind(const std::string& state_dir) {
  const std::string path = state_dir + "/notify/notify.sock";
  const auto address = AddressOf(path);
  if (!address.ok()) return address.status();
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Failed("socket");
  if (bind(fd.get(), address->get(), address->length) != 0) return Failed(absl::StrCat("bind ", path));
  // The container's processes are other users.
  if (chmod(path.c_str(), 0777) != 0) return Failed(absl::StrCat("chmod ", path));
  return NotifySocket(std::move(fd));
}

absl::Status NotifySocket::Forward(const std::string& host_socket, pid_t main_pid, int pidfd) const {
  while (true) {
    pollfd wait[2] = {{fd_.get(), POLLIN, 0}, {pidfd, POLLIN, 0}};
    if (poll(wait, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return Failed("poll");
    }
    char datagram[kMaxDatagram];
    const ssize_t n = recv(fd_.get(), datagram, sizeof datagram, 0);
    if (n > 0) {
      const std::string ready = ReadyLine(absl::string_view(datagram, n));
      if (!ready.empty()) return NotifyHost(host_socket, ready, main_pid);
    }
    // Only once nothing is left to be read: it may have said READY and ended.
    if (n < 0 && wait[1].revents != 0) return absl::OkStatus();
  }
}

}  // namespace runsc
