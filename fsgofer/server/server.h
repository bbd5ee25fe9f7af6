// The gofer process: ServerMain from set-up to exit.
#ifndef FSGOFER_SERVER_SERVER_H_
#define FSGOFER_SERVER_SERVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "fsgofer/protocol/transport.h"
#include "fsgofer/server/jail.h"
#include "fsgofer/server/session.h"

namespace fsgofer {

struct ServerOptions {
  std::vector<MountPoint> mounts;
  ConnectionHalf connection;  // the server half of MakeConnection
  // Installs the host seccomp filter, for all threads (SECCOMP_FILTER_FLAG_
  // TSYNC): called when every thread is there and none has read a request.
  // False ends the process. Null: no filter (tests).
  std::function<bool()> install_filter;
  // Called when the gofer is about to serve (runsc-cpp may tell its parent).
  std::function<void()> on_ready;
};

// The threads of a connection, one a channel.
class ChannelServer {
 public:
  // Starts them; none reads a request before Open().
  static base::Result<std::unique_ptr<ChannelServer>> Start(Session& session, ConnectionHalf half);
  // Stop() must have been called, or the process be about to exit.
  ~ChannelServer();

  // Waits until every thread is there, and so done with its set-up calls.
  void AwaitStarted();
  void Open();
  // Waits until the client has gone.
  void AwaitPeerGone();
  // Ends every thread after the request it is at, and waits for them.
  void Stop();

 private:
  struct Channel;
  ChannelServer(Session& session, ConnectionHalf half, std::unique_ptr<SharedMemory> memory);
  void ThreadMain(Channel& channel);
  void Serve(Channel& channel);

  Session& session_;
  std::unique_ptr<SharedMemory> memory_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::atomic<bool> stop_{false};  // one-way; stands alone

  base::RankedMutex<base::LockRank::kLeaf> mu_;  // the start only
  base::CondVar cv_;
  size_t started_ ABSL_GUARDED_BY(mu_) = 0;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
};

// Enters the jail, drops rights, serves until the client is gone, and returns
// the process's exit code: 0, or 1 after one logged line that names the step
// that failed. The process must have one thread only, and must exit at once
// when this returns (a thread may be at a request that hangs in the host).
int ServerMain(ServerOptions options);

// O_PATH descriptors that the node table may hold: a quarter of RLIMIT_NOFILE.
NodeTable::Limits DefaultLimits();

}  // namespace fsgofer

#endif  // FSGOFER_SERVER_SERVER_H_
