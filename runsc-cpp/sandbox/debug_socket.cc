#include "runsc-cpp/sandbox/debug_socket.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace runsc {
namespace {

constexpr char kPrefix[] = "runsc-cpp/sandbox/";
constexpr int kTimeoutSeconds = 5;

socklen_t MakeAddress(pid_t pid, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  const std::string name = absl::StrCat(kPrefix, pid);
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

}  // namespace

DebugSocket DebugSocket::Listen() {
  DebugSocket socket_;
  sockaddr_un address;
  const socklen_t length = MakeAddress(getpid(), address);
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid() || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(fd.get(), 4) != 0) {
    return socket_;
  }
  socket_.listener_ = std::move(fd);
  return socket_;
}

void DebugSocket::Serve(const std::function<std::string()>& report) {
  base::UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  ucred credentials;
  socklen_t length = sizeof credentials;
  if (!peer.valid() || getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return;
  if (credentials.uid != 0 && credentials.uid != geteuid()) return;
  const std::string text = report();
  (void)send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

std::vector<pid_t> ListSandboxes() {
  std::vector<pid_t> pids;
  FILE* file = fopen("/proc/net/unix", "re");
  if (file == nullptr) return pids;
  const std::string mark = absl::StrCat("@", kPrefix);
  char line[512];
  while (fgets(line, sizeof line, file) != nullptr) {
    const char* name = std::strstr(line, mark.c_str());
    if (name == nullptr) continue;
    const pid_t pid = static_cast<pid_t>(strtol(name + mark.size(), nullptr, 10));
    if (pid > 0 && (pids.empty() || pids.back() != pid)) pids.push_back(pid);
  }
  fclose(file);
  return pids;
}

absl::StatusOr<std::string> AskUnimplemented(pid_t supervisor) {
  sockaddr_un address;
  const socklen_t length = MakeAddress(supervisor, address);
  const base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval timeout{kTimeoutSeconds, 0};
  if (!fd.valid() || setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0 ||
      connect(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("ask sandbox ", supervisor));
  }
  std::string text;
  char buffer[4096];
  ssize_t n;
  while ((n = recv(fd.get(), buffer, sizeof buffer, 0)) > 0) text.append(buffer, n);
  if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat("hear from sandbox ", supervisor));
  return text;
}

}  // namespace runsc
