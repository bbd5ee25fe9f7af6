#include "netgofer/server/namespace_files.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "netgofer/protocol/proc_files.h"

namespace netgofer {

using base::UniqueFd;

NamespaceFiles OpenNamespaceFiles() {
  NamespaceFiles files;
  for (const ProcFile& file : kProcFiles) {
    // /proc/net would be that of the process's main thread; it is the same one here.
    const std::string path =
        "/proc/" + std::string(file.directory == "net" ? "self/net" : file.directory) + "/" + std::string(file.name);
    files.emplace_back(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  return files;
}

base::Result<void> SetUpLoopback(unsigned gid) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return base::HostErrno();
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return base::HostErrno();
  // As container engines do; without it only root may ping. A read-only /proc/sys is no reason to fail.
  const UniqueFd range(open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC));
  char text[32];
  const int n = snprintf(text, sizeof text, "%u %u\n", gid, gid);
  if (range.valid()) (void)!write(range.get(), text, static_cast<size_t>(n));
  return base::Ok();
}

}  // namespace netgofer
