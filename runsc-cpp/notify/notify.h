// systemd's sd_notify between a container and whoever started the runtime
// (NOTIFY_SOCKET), as runc forwards it.
#ifndef RUNSC_CPP_NOTIFY_NOTIFY_H_
#define RUNSC_CPP_NOTIFY_NOTIFY_H_

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace runsc {

// Where the container finds its socket, and the directory that is mounted there.
inline constexpr char kNotifyDirectoryInside[] = "/run/notify";
inline constexpr char kNotifySocketInside[] = "/run/notify/notify.sock";

// The READY= line of a datagram; empty if it has none. Nothing else that a
// container says is for the host's systemd to hear.
std::string ReadyLine(absl::string_view datagram);

// Tells the host's `socket` (a path, or '@' and an abstract name) that it is
// ready and which process to watch, and waits until it has heard, or `limit`.
absl::Status NotifyHost(const std::string& socket, absl::string_view ready, pid_t main_pid,
                        std::chrono::milliseconds limit = std::chrono::seconds(30));

// A socket in the container's state directory, `state_dir`/notify/notify.sock.
class NotifySocket {
 public:
  // At `create`: the directory, to be mounted into the container.
  static absl::Status MakeDirectory(const std::string& state_dir);
  // At `start`.
  static absl::StatusOr<NotifySocket> Bind(const std::string& state_dir);

  int fd() const { return fd_.get(); }
  // Forwards the first READY= to the host's socket. Returns when that is done,
  // or when `pidfd`, the container's process, ends.
  absl::Status Forward(const std::string& host_socket, pid_t main_pid, int pidfd) const;

 private:
  explicit NotifySocket(base::UniqueFd fd) : fd_(std::move(fd)) {}
  base::UniqueFd fd_;
};

// What systemd's socket activation passed to us (man sd_listen_fds), to be
// passed on: descriptors 3 to 3 + count - 1, and the environment of whoever
// gets them as its descriptors from 3 on.
struct ListenFds {
  int count = 0;
  std::vector<std::string> environment;  // LISTEN_FDS, LISTEN_PID=1, LISTEN_FDNAMES
};
// None if the variables are not there or not for process `pid`; an error if a
// descriptor that they promise is not open. Makes them close-on-exec.
absl::StatusOr<ListenFds> ReadListenFds(pid_t pid);

}  // namespace runsc

#endif  // RUNSC_CPP_NOTIFY_NOTIFY_H_
