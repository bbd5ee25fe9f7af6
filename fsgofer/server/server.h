// The gofer process: ServerMain from set-up to exit.
#ifndef FSGOFER_SERVER_SERVER_H_
#define FSGOFER_SERVER_SERVER_H_

#include <functional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "fsgofer/server/jail.h"
#include "fsgofer/server/session.h"

namespace fsgofer {

struct ServerOptions {
  std::vector<MountPoint> mounts;
  std::vector<base::UniqueFd> sockets;  // the server half of MakeConnection
  // Installs the host seccomp filter, for all threads (SECCOMP_FILTER_FLAG_
  // TSYNC): called when every thread is there and none has read a request.
  // False ends the process. Null: no filter (tests).
  std::function<bool()> install_filter;
  // Called when the gofer is about to serve (runsc-cpp may tell its parent).
  std::function<void()> on_ready;
};

// Enters the jail, drops rights, serves until the client has closed every
// socket, and returns the process's exit code: 0, or 1 after one logged line
// that names the step that failed. The process must have one thread only.
int ServerMain(ServerOptions options);

// Serves one channel until its peer closes it or sends what is no request.
void ServeChannel(Session& session, int socket);

// O_PATH descriptors that the node table may hold: a quarter of RLIMIT_NOFILE.
NodeTable::Limits DefaultLimits();

}  // namespace fsgofer

#endif  // FSGOFER_SERVER_SERVER_H_
