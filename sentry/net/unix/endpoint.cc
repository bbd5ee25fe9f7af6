#include "sentry/net/unix/endpoint.h"

#include <algorithm>
#include <utility>

#include "sentry/abi/socket.h"
#include "sentry/net/unix/gc.h"

namespace sentry {
namespace {

constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;
constexpr base::EventMask kOut = base::kEventOut | base::kEventWrNorm | base::kEventWrBand;

}  // namespace

UnixEndpoint::UnixEndpoint(RefPtr<UnixNamespace> names, int type) : names_(std::move(names)), type_(type) {}
UnixEndpoint::~UnixEndpoint() = default;

bool UnixEndpoint::is_stream() const { return type_ == abi::kSockStream; }
bool UnixEndpoint::is_datagram() const { return type_ == abi::kSockDgram; }

bool UnixEndpoint::listening() const {
  base::MutexLock lock(mu_);
  return state_ == State::kListening;
}

UnixEndpoint::Identity UnixEndpoint::peer_identity() const {
  base::MutexLock lock(mu_);
  return peer_identity_;
}

int32_t UnixEndpoint::TakeError() {
  // Cheap when there is none, which is nearly always.
  if (error_.load(std::memory_order_relaxed) == 0) return 0;
  return error_.exchange(0, std::memory_order_relaxed);
}

Result<void> UnixEndpoint::PendingError() {
  const int32_t e = TakeError();
  return e == 0 ? Ok() : static_cast<Errno>(e);
}

Result<void> UnixEndpoint::Shutdown(int how) {
  if (how < abi::kShutRd || how > abi::kShutRdWr) return Errno::kEINVAL;
  const uint8_t mode = static_cast<uint8_t>(how + 1);  // SHUT_RD is kReceiveShut
  RefPtr<UnixEndpoint> other;
  {
    base::MutexLock lock(mu_);
    shutdown_ |= mode;
    other = peer_;
  }
  constexpr base::EventMask kChanged = kIn | kOut | base::kEventRdHup;
  wait_queue_.Notify(kChanged | (mode == kBothShut ? base::kEventHup : 0));
  if ((mode & kReceiveShut) != 0) NotifyWriteWaiters();  // theirs is EPIPE or ECONNREFUSED now
  if (!other || is_datagram()) return Ok();
  const uint8_t theirs =
      static_cast<uint8_t>(((mode & kReceiveShut) != 0 ? kSendShut : 0) | ((mode & kSendShut) != 0 ? kReceiveShut : 0));
  {
    base::MutexLock lock(other->mu_);
    other->shutdown_ |= theirs;
  }
  other->wait_queue_.Notify(kChanged | (theirs == kBothShut ? base::kEventHup : 0));
  return Ok();
}

void UnixEndpoint::Release(Reason reason) {
  RefPtr<UnixEndpoint> other;
  Queue queue;
  std::deque<RefPtr<UnixEndpoint>> embryos;
  RefPtr<UnixBinding> binding;
  Path path;
  UnixName name;
  bool owns_name;
  {
    base::MutexLock lock(mu_);
    dead_.store(true, std::memory_order_release);
    shutdown_ = kBothShut;
    state_ = State::kClosed;
    other = std::move(peer_);
    queue.swap(queue_);
    embryos.swap(embryos_);
    binding = std::move(binding_on_path_);
    std::swap(path, path_);
    // An accepted connection has its listener's name but does not own it.
    owns_name = bound_ && name_.kind == UnixName::Kind::kAbstract;
    name = name_;
  }
  if (owns_name) names_->Unbind(type_, name.text);
  if (binding) binding->Clear();
  NotifyWriteWaiters();
  if (other && !is_datagram()) {
    // Before the shutdown, or its reader might see a plain end of file.
    if (!queue.empty() || reason == Reason::kEmbryo) other->SetError(Errno::kECONNRESET);
    {
      base::MutexLock lock(other->mu_);
      other->shutdown_ = kBothShut;
    }
    other->wait_queue_.Notify(kIn | kOut | base::kEventHup | base::kEventRdHup);
  }
  for (const RefPtr<UnixEndpoint>& embryo : embryos) embryo->Release(Reason::kEmbryo);
  queue.clear();
  UnixGc::Collect();
}

bool UnixEndpoint::Writable() const {
  return write_memory_.load(std::memory_order_relaxed) * 4 <= static_cast<size_t>(options_.send_buffer());
}

void UnixEndpoint::ReturnWriteMemory(size_t charge) {
  write_memory_.fetch_sub(charge, std::memory_order_relaxed);
  if (Writable()) wait_queue_.Notify(kOut);
}

Result<void> UnixEndpoint::ReserveWrite(size_t charge) {
  TRY(PendingError());
  // As Linux: the message that crosses the limit still goes.
  if (write_memory_.load(std::memory_order_relaxed) >= static_cast<size_t>(options_.send_buffer())) {
    return Errno::kEAGAIN;
  }
  write_memory_.fetch_add(charge, std::memory_order_relaxed);
  return Ok();
}

bool UnixEndpoint::SendIsShut() const {
  base::MutexLock lock(mu_);
  return (shutdown_ & kSendShut) != 0;
}

void UnixEndpoint::AddWriteWaiter(UnixEndpoint& waiter) {
  if (write_waiters_.size() >= prune_waiters_at_) {
    std::erase_if(write_waiters_, [](const auto& entry) { return entry.second->dead(); });
    prune_waiters_at_ = std::max<size_t>(16, 2 * write_waiters_.size());
  }
  write_waiters_.try_emplace(&waiter, RefPtr<UnixEndpoint>(&waiter));
}

void UnixEndpoint::NotifyWriteWaiters() {
  std::map<UnixEndpoint*, RefPtr<UnixEndpoint>> waiters;
  {
    base::MutexLock lock(mu_);
    waiters.swap(write_waiters_);
  }
  for (const auto& entry : waiters) entry.second->wait_queue_.Notify(kOut);
}

bool UnixEndpoint::PeerHasRoom() {
  RefPtr<UnixEndpoint> other;
  {
    base::MutexLock lock(mu_);
    other = peer_;
  }
  if (!other || other.get() == this) return true;
  base::MutexLock lock(other->mu_);
  if (other->dead() || other->peer_.get() == this || !other->QueueFull()) return true;
  other->AddWriteWaiter(*this);
  return false;
}

base::EventMask UnixEndpoint::Readiness(base::EventMask mask) {
  base::EventMask ready = 0;
  bool listening;
  {
    base::MutexLock lock(mu_);
    listening = state_ == State::kListening;
    if (!queue_.empty() || !embryos_.empty()) ready |= kIn;
    if ((shutdown_ & kReceiveShut) != 0) ready |= kIn | base::kEventRdHup;
    if (shutdown_ == kBothShut) ready |= base::kEventHup;
    if (!is_datagram() && state_ == State::kClosed) ready |= base::kEventHup;
  }
  if (error_.load(std::memory_order_relaxed) != 0) ready |= base::kEventErr;
  if ((mask & kOut) != 0 && !listening && Writable() && (!is_datagram() || PeerHasRoom())) ready |= kOut;
  return ready & mask;
}

Result<size_t> UnixEndpoint::BytesToRead() const {
  base::MutexLock lock(mu_);
  if (state_ == State::kListening) return Errno::kEINVAL;
  if (is_datagram()) return queue_.empty() ? 0 : queue_.front()->unread().size();
  size_t sum = 0;
  for (const auto& message : queue_) sum += message->unread().size();
  return sum;
}

void UnixEndpoint::AppendQueuedFiles(std::vector<FileDescription*>* out) const {
  std::deque<RefPtr<UnixEndpoint>> embryos;
  {
    base::MutexLock lock(mu_);
    embryos = embryos_;
    for (const auto& message : queue_) {
      for (const RefPtr<FileDescription>& file : message->files()) out->push_back(file.get());
    }
  }
  for (const RefPtr<UnixEndpoint>& embryo : embryos) embryo->AppendQueuedFiles(out);
}

void UnixEndpoint::TakeMessagesWithFiles(std::vector<std::unique_ptr<UnixMessage>>* out) {
  std::deque<RefPtr<UnixEndpoint>> embryos;
  {
    base::MutexLock lock(mu_);
    embryos = embryos_;
    for (auto& message : queue_) {
      if (message->has_files()) out->push_back(std::move(message));
    }
    std::erase(queue_, nullptr);
  }
  for (const RefPtr<UnixEndpoint>& embryo : embryos) embryo->TakeMessagesWithFiles(out);
}

void UnixEndpoint::MaybeAddCredentials(const VfsContext& ctx, UnixMessage& message, const UnixEndpoint& other) const {
  if (message.credentials) return;
  // As Linux: only if an end asks for them, or may still do so before accept.
  if (!pass_credentials.load(std::memory_order_relaxed) && !other.pass_credentials.load(std::memory_order_relaxed) &&
      other.has_file_.load(std::memory_order_relaxed)) {
    return;
  }
  message.credentials = PeerCredentials{RefPtr<Pid>(ctx.process), ctx.creds->uid, ctx.creds->gid};
}

void UnixEndpoint::FillAddress(const UnixMessage& message, SocketAddress* from) const {
  const UnixName name = message.sender().name();
  if (name.kind != UnixName::Kind::kUnnamed) *from = name.ToBytes();
}

void UnixEndpoint::FillCredentials(const UnixMessage& message, ControlData* control) const {
  if (!pass_credentials.load(std::memory_order_relaxed)) return;
  control->credentials = message.credentials.value_or(PeerCredentials{nullptr, kInvalidId, kInvalidId});
}

void UnixEndpoint::MovePeekOffset(bool peek, size_t bytes) {
  const int32_t at = peek_offset.load(std::memory_order_relaxed);
  if (at < 0) return;
  const int64_t moved = peek ? int64_t{at} + static_cast<int64_t>(bytes) : int64_t{at} - static_cast<int64_t>(bytes);
  peek_offset.store(static_cast<int32_t>(std::clamp<int64_t>(moved, 0, INT32_MAX)), std::memory_order_relaxed);
}

}  // namespace sentry
