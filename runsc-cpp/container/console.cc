#include "runsc-cpp/container/console.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace runsc {
namespace {

absl::StatusOr<base::UniqueFd> Connect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("--console-socket ", path, ": longer than a socket's address"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("--console-socket ", path));
  }
  return fd;
}

// The name goes along as the bytes of the message: containerd's and conmon's readers expect some.
absl::Status SendMaster(int socket, int master, const char* name) {
  iovec iov{const_cast<char*>(name), std::strlen(name)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(c), &master, sizeof master);
  if (sendmsg(socket, &msg, MSG_NOSIGNAL) < 0) return absl::ErrnoToStatus(errno, "send the console");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<base::UniqueFd> SendConsole(const std::string& console_socket, uint32_t rows, uint32_t columns) {
  absl::StatusOr<base::UniqueFd> socket = Connect(console_socket);
  if (!socket.ok()) return socket.status();
  const base::UniqueFd master(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  char name[64];
  if (!master.valid() || unlockpt(master.get()) != 0 || ptsname_r(master.get(), name, sizeof name) != 0) {
    return absl::ErrnoToStatus(errno, "open a pseudo terminal of the host");
  }
  base::UniqueFd slave(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  termios settings;
  if (!slave.valid() || tcgetattr(slave.get(), &settings) != 0) return absl::ErrnoToStatus(errno, name);
  cfmakeraw(&settings);
  if (tcsetattr(slave.get(), TCSANOW, &settings) != 0) return absl::ErrnoToStatus(errno, name);
  if (rows != 0 || columns != 0) {
    const winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
    ioctl(slave.get(), TIOCSWINSZ, &size);
  }
  if (absl::Status s = SendMaster(socket->get(), master.get(), name); !s.ok()) return s;
  return slave;
}

}  // namespace runsc
