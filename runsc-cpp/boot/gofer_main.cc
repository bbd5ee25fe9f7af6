#include <unistd.h>

#include <vector>

#include "base/log.h"
#include "fsgofer/server/server.h"
#include "runsc-cpp/boot/boot.h"
#include "runsc-cpp/boot/rights.h"
#include "runsc-cpp/filter/filter.h"
#include "runsc-cpp/sandbox/launch.h"

namespace runsc {

int GoferMain() {
  SetProcessName("runsc-gofer");
  GoferConfig config;
  if (!ReadConfig(kConfigFd, config).ok()) return 1;
  close(kConfigFd);
  base::SetLogConfig({.fd = static_cast<int>(config.log_fd()),
                      .level = static_cast<base::LogLevel>(config.log_level()),
                      .process = "gofer"});
  fsgofer::ServerOptions options;
  for (const GoferConfig::Export& e : config.exports()) {
    options.mounts.push_back({.host_path = e.host_path(), .readonly = e.read_only(), .recursive = e.recursive()});
  }
  options.connection.memory = base::UniqueFd(static_cast<int>(config.memory_fd()));
  for (const uint32_t fd : config.socket_fds()) options.connection.sockets.emplace_back(static_cast<int>(fd));
  options.install_filter = [] {
    SetUpMalloc();  // not before the jail: a namespace of its own wants a process without other threads
    return InstallFilter(GoferFilter());
  };
  return fsgofer::ServerMain(std::move(options));
}

}  // namespace runsc
