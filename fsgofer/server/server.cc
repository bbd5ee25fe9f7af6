#include "fsgofer/server/server.h"

#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <thread>

#include "base/log.h"
#include "base/mutex.h"
#include "fsgofer/protocol/transport.h"

namespace fsgofer {
namespace {

using base::Result;

// Moves the thread to where its client waits. A wake-up across CPUs costs
// 30-45 us on the machines measured, one on the same CPU 3 us, and the client
// leaves that CPU free while it waits. A CPU that we may not use is not tried
// again.
class Follower {
 public:
  void Follow(std::span<const std::byte> request) {
    RequestHeader header;
    if (request.size() < sizeof(header)) return;
    std::memcpy(&header, request.data(), sizeof(header));
    if (header.cpu == cpu_ || header.cpu >= CPU_SETSIZE) return;
    cpu_ = header.cpu;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(header.cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
  }

 private:
  uint32_t cpu_ = ~0u;
};

JailAccess AccessOf(const std::vector<MountPoint>& mounts) {
  const bool writes = std::any_of(mounts.begin(), mounts.end(), [](const MountPoint& m) { return !m.readonly; });
  return writes ? JailAccess::kReadWrite : JailAccess::kReadOnly;
}

}  // namespace

NodeTable::Limits DefaultLimits() {
  NodeTable::Limits limits;
  rlimit rl = {};
  if (getrlimit(RLIMIT_NOFILE, &rl) == 0) limits.descriptors = std::clamp<size_t>(rl.rlim_cur / 4, 16, 1 << 16);
  return limits;
}

struct ChannelServer::Channel {
  base::UniqueFd socket;
  ChannelMemory* memory = nullptr;
  std::thread thread;
};

Result<std::unique_ptr<ChannelServer>> ChannelServer::Start(Session& session, ConnectionHalf half) {
  std::unique_ptr<SharedMemory> memory = TRY(SharedMemory::Map(half.memory, half.sockets.size()));
  return std::unique_ptr<ChannelServer>(new ChannelServer(session, std::move(half), std::move(memory)));
}

ChannelServer::ChannelServer(Session& session, ConnectionHalf half, std::unique_ptr<SharedMemory> memory)
    : session_(session), memory_(std::move(memory)) {
  for (size_t i = 0; i < half.sockets.size(); i++) {
    auto channel = std::make_unique<Channel>();
    channel->socket = std::move(half.sockets[i]);
    channel->memory = &memory_->channel(i);
    channels_.push_back(std::move(channel));
  }
  for (const auto& channel : channels_) channel->thread = std::thread([this, &c = *channel] { ThreadMain(c); });
}

ChannelServer::~ChannelServer() = default;

void ChannelServer::ThreadMain(Channel& channel) {
  {
    base::MutexLock lock(mu_);
    started_++;
    cv_.SignalAll();
    while (!open_) cv_.Wait(mu_);
  }
  Serve(channel);
  // The client learns of it, though the descriptor lives on.
  shutdown(channel.socket.get(), SHUT_RDWR);
}

void ChannelServer::AwaitStarted() {
  base::MutexLock lock(mu_);
  while (started_ < channels_.size()) cv_.Wait(mu_);
}

void ChannelServer::Open() {
  base::MutexLock lock(mu_);
  open_ = true;
  cv_.SignalAll();
}

void ChannelServer::AwaitPeerGone() {
  pollfd p = {.fd = channels_.front()->socket.get(), .events = 0, .revents = 0};
  while (poll(&p, 1, -1) != 1) {
  }
}

void ChannelServer::Stop() {
  stop_.store(true, std::memory_order_release);
  Open();
  for (const auto& channel : channels_) Interrupt(channel->memory->request);
  for (const auto& channel : channels_) {
    if (channel->thread.joinable()) channel->thread.join();
  }
}

void ChannelServer::Serve(Channel& channel) {
  // Our own copy of a request. Not cleared: most touch one page of it.
  const auto request = std::make_unique_for_overwrite<std::byte[]>(kRequestBytes);
  ChannelMemory& memory = *channel.memory;
  Follower follower;
  for (uint32_t seen = 0; !stop_.load(std::memory_order_acquire);) {
    const uint32_t turn = AwaitTurn(memory.request, seen, Patience::kForever);
    if (turn == seen || stop_.load(std::memory_order_acquire)) continue;
    seen = turn;
    const size_t size = CopyOut(memory.request, memory.request_bytes, {request.get(), kRequestBytes});
    const Session::Answer answer = session_.Handle({request.get(), size}, memory.reply_bytes);
    if (answer.size == 0) {
      LOG(kWarning, "gofer: dropped a channel: %d bytes are no request", size);
      return;
    }
    if (answer.fd.valid() && !SendFd(channel.socket.get(), answer.fd.get()).ok()) return;
    Publish(memory.reply, turn, answer.size);
    follower.Follow({request.get(), size});  // when nobody waits for it
  }
}

int ServerMain(ServerOptions options) {
  prctl(PR_SET_NAME, "runsc-gofer", 0, 0, 0);
  umask(0);  // modes are the client's to choose
  // One heap for all threads: arenas would cost each a reservation, and the
  // filter a wider mmap rule.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);  // a directory batch is 64 KiB: no brk for each
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
  // Both live as long as the process: see the header.
  auto* session = new Session(std::move(*exports), DefaultLimits());
  Result<std::unique_ptr<ChannelServer>> channels = ChannelServer::Start(*session, std::move(options.connection));
  if (!channels.ok()) {
    LOG(kError, "gofer: cannot map the connection: %s", base::ErrnoName(channels.error()));
    return 1;
  }
  ChannelServer* server = channels->release();
  server->AwaitStarted();
  if (options.install_filter && !options.install_filter()) {
    LOG(kError, "gofer: cannot install the seccomp filter: %s", base::ErrnoName(base::HostErrno()));
    return 1;
  }
  if (options.on_ready) options.on_ready();
  server->Open();
  server->AwaitPeerGone();
  return 0;
}

}  // namespace fsgofer
