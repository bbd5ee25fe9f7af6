#include "sentry/net/unix/gc.h"

#include <iterator>
#include <map>
#include <unordered_map>
#include <utility>

#include "sentry/net/unix/unix_socket.h"

namespace sentry {
namespace {

struct State {
  base::RankedMutex<base::LockRank::kUnixSocketPair> mu;
  std::unordered_map<UnixSocket*, uint32_t> sockets ABSL_GUARDED_BY(mu);  // how many messages hold it
  std::map<uint32_t, int64_t> by_user ABSL_GUARDED_BY(mu);
  int64_t files ABSL_GUARDED_BY(mu) = 0;
  std::atomic<size_t> socket_count{0};  // sockets.size(), to spare the lock
};

// Never destroyed: sockets may outlive static objects.
State& Get() {
  static State* const state = new State;
  return *state;
}

// A socket of which every reference is in flight.
struct Candidate {
  uint32_t outside = 0;  // references not found in candidates' queues so far
  bool reachable = false;
  std::vector<UnixSocket*> queued;  // candidates in its queue, once each time
};
using Candidates = std::unordered_map<UnixSocket*, Candidate>;

Candidates FindCandidates(State& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mu) {
  Candidates out;
  for (const auto& [socket, in_flight] : state.sockets) {
    if (socket->ref_count() == in_flight) out[socket].outside = in_flight;
  }
  std::vector<FileDescription*> files;
  for (auto& [socket, candidate] : out) {
    files.clear();
    socket->endpoint().AppendQueuedFiles(&files);
    for (FileDescription* file : files) {
      UnixSocket* const child = UnixSocket::From(file);
      const auto it = child == nullptr ? out.end() : out.find(child);
      if (it == out.end()) continue;
      candidate.queued.push_back(child);
      if (it->second.outside > 0) --it->second.outside;
    }
  }
  return out;
}

// What is held from outside, and all that lies in its queue, stays.
void MarkReachable(Candidates& candidates) {
  std::vector<Candidate*> work;
  const auto mark = [&](Candidate& c) {
    if (c.reachable) return;
    c.reachable = true;
    work.push_back(&c);
  };
  for (auto& entry : candidates) {
    if (entry.second.outside > 0) mark(entry.second);
  }
  while (!work.empty()) {
    Candidate* const c = work.back();
    work.pop_back();
    for (UnixSocket* child : c->queued) mark(candidates[child]);
  }
}

}  // namespace

Result<void> UnixGc::Attach(const Credentials& creds, const Files& files) {
  State& state = Get();
  const int64_t n = static_cast<int64_t>(files.size());
  base::MutexLock lock(state.mu);
  const auto user = state.by_user.try_emplace(creds.uid, 0).first;
  const bool free = creds.Has(Capability::kSysResource) || creds.Has(Capability::kSysAdmin);
  if (state.files + n > kMaxInFlight || (!free && user->second + n > kMaxInFlightPerUser)) {
    if (user->second == 0) state.by_user.erase(user);
    return Errno::kETOOMANYREFS;
  }
  user->second += n;
  state.files += n;
  for (const RefPtr<FileDescription>& file : files) {
    if (UnixSocket* socket = UnixSocket::From(file.get())) ++state.sockets[socket];
  }
  state.socket_count.store(state.sockets.size(), std::memory_order_relaxed);
  return Ok();
}

void UnixGc::Detach(uint32_t uid, const Files& files) {
  State& state = Get();
  const int64_t n = static_cast<int64_t>(files.size());
  base::MutexLock lock(state.mu);
  if ((state.by_user[uid] -= n) == 0) state.by_user.erase(uid);
  state.files -= n;
  for (const RefPtr<FileDescription>& file : files) {
    UnixSocket* const socket = UnixSocket::From(file.get());
    if (socket != nullptr && --state.sockets[socket] == 0) state.sockets.erase(socket);
  }
  state.socket_count.store(state.sockets.size(), std::memory_order_relaxed);
}

Files UnixGc::Copy(const Files& files) {
  base::MutexLock lock(Get().mu);
  return files;
}

size_t UnixGc::files_in_flight() {
  base::MutexLock lock(Get().mu);
  return static_cast<size_t>(Get().files);
}

void UnixGc::Collect() {
  State& state = Get();
  if (state.socket_count.load(std::memory_order_relaxed) == 0) return;
  if (CollectAfterDrop()) return;  // once for a whole chain of sockets
  std::vector<std::unique_ptr<UnixMessage>> garbage;
  {
    base::MutexLock lock(state.mu);
    Candidates candidates = FindCandidates(state);
    MarkReachable(candidates);
    for (auto& [socket, candidate] : candidates) {
      if (!candidate.reachable) socket->endpoint().TakeMessagesWithFiles(&garbage);
    }
  }
  // All files first into one list: a socket dropped here drops others.
  Files files;
  for (const std::unique_ptr<UnixMessage>& message : garbage) {
    Files some = message->DetachFiles();
    std::move(some.begin(), some.end(), std::back_inserter(files));
  }
  garbage.clear();
  DropFiles(std::move(files));
}

}  // namespace sentry
