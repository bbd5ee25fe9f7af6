#include "runsc-cpp/shim/console.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace runsc::shim {

absl::StatusOr<ConsoleSocket> ConsoleSocket::Listen(const std::string& directory, const std::string& name) {
  base::UniqueFd folder(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", directory));
  base::UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.valid()) return absl::ErrnoToStatus(errno, "socket");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = absl::StrCat("/proc/self/fd/", folder.get(), "/", name);
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": longer than a socket's address"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  unlinkat(folder.get(), name.c_str(), 0);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), 1) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("console socket ", name));
  }
  return ConsoleSocket(std::move(folder), name, std::move(listener));
}

ConsoleSocket::~ConsoleSocket() {
  if (directory_.valid()) unlinkat(directory_.get(), name_.c_str(), 0);
}

absl::StatusOr<base::UniqueFd> ConsoleSocket::ReceiveMaster() const {
  const base::UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid()) return absl::ErrnoToStatus(errno, "the runtime has sent no terminal: accept");
  char name[4096];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec vector = {name, sizeof name};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0) {
    return absl::ErrnoToStatus(errno, "the runtime has sent no terminal: recvmsg");
  }
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return absl::InternalError("the runtime has sent no terminal");
  }
  int fd;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return base::UniqueFd(fd);
}

}  // namespace runsc::shim
