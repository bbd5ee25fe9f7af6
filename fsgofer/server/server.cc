#include "fsgofer/server/server.h"

#include <malloc.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "base/log.h"
#include "base/mutex.h"
#include "fsgofer/protocol/transport.h"

namespace fsgofer {
namespace {

using base::Result;

// Starts all channel threads at once, after the filter is on.
class Gate {
 public:
  void Wait() {
    base::MutexLock lock(mu_);
    waiting_++;
    cv_.SignalAll();
    while (!open_) cv_.Wait(mu_);
  }
  void AwaitWaiters(size_t n) {
    base::MutexLock lock(mu_);
    while (waiting_ < n) cv_.Wait(mu_);
  }
  void Open() {
    base::MutexLock lock(mu_);
    open_ = true;
    cv_.SignalAll();
  }

 private:
  base::RankedMutex<base::LockRank::kLeaf> mu_;  // start only
  base::CondVar cv_;
  size_t waiting_ ABSL_GUARDED_BY(mu_) = 0;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
};

JailAccess AccessOf(const std::vector<MountPoint>& mounts) {
  const bool writes = std::any_of(mounts.begin(), mounts.end(), [](const MountPoint& m) { return !m.readonly; });
  return writes ? JailAccess::kReadWrite : JailAccess::kReadOnly;
}

void ThreadMain(Session& session, Gate& gate, const base::UniqueFd& socket) {
  gate.Wait();
  ServeChannel(session, socket.get());
  // The peer learns of it at once, though the descriptor lives on.
  shutdown(socket.get(), SHUT_RDWR);
}

}  // namespace

NodeTable::Limits DefaultLimits() {
  NodeTable::Limits limits;
  rlimit rl = {};
  if (getrlimit(RLIMIT_NOFILE, &rl) == 0) limits.descriptors = std::clamp<size_t>(rl.rlim_cur / 4, 16, 1 << 16);
  return limits;
}

void ServeChannel(Session& session, int socket) {
  constexpr size_t kRequestSize = sizeof(RequestHeader) + kMaxPayload;
  constexpr size_t kReplySize = sizeof(ReplyHeader) + kMaxPayload;
  // Not cleared: most messages touch one page of each.
  const auto request = std::make_unique_for_overwrite<std::byte[]>(kRequestSize);
  const auto reply = std::make_unique_for_overwrite<std::byte[]>(kReplySize);
  for (;;) {
    Result<Packet> packet = ReceivePacket(socket, {request.get(), kRequestSize}, AcceptFds::kNone);
    if (packet.Is(base::Errno::kEPIPE) || packet.Is(base::Errno::kECONNRESET)) return;
    if (!packet.ok()) {
      LOG(kWarning, "gofer: dropped a channel: receive failed with %s", base::ErrnoName(packet.error()));
      return;
    }
    Session::Answer answer = session.Handle({request.get(), packet->size}, {reply.get(), kReplySize});
    if (answer.size == 0) {
      LOG(kWarning, "gofer: dropped a channel: a packet of %d bytes is no request", packet->size);
      return;
    }
    if (!SendPacket(socket, {reply.get(), answer.size}, answer.fd.get()).ok()) return;
  }
}

int ServerMain(ServerOptions options) {
  prctl(PR_SET_NAME, "runsc-gofer", 0, 0, 0);
  umask(0);  // modes are the client's to choose
  // One heap for all threads: arenas would cost each a reservation, and the
  // filter a wider mmap rule.
  mallopt(M_ARENA_MAX, 1);
  JailError error;
  Result<std::vector<Export>> exports = EnterJail(options.mounts, &error);
  if (!exports.ok()) {
    LOG(kError, "gofer: cannot %s: %s", error.step, base::ErrnoName(error.error));
    return 1;
  }
  if (Result<void> r = DropRights(AccessOf(options.mounts)); !r.ok()) {
    LOG(kError, "gofer: cannot drop capabilities: %s", base::ErrnoName(r.error()));
    return 1;
  }
  Session session(std::move(*exports), DefaultLimits());
  Gate gate;
  std::vector<std::thread> threads;
  for (const base::UniqueFd& socket : options.sockets) {
    threads.emplace_back(ThreadMain, std::ref(session), std::ref(gate), std::cref(socket));
  }
  gate.AwaitWaiters(threads.size());
  if (options.install_filter && !options.install_filter()) {
    LOG(kError, "gofer: cannot install the seccomp filter: %s", base::ErrnoName(base::HostErrno()));
    _exit(1);
  }
  if (options.on_ready) options.on_ready();
  gate.Open();
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace fsgofer
