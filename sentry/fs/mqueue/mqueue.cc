#include "sentry/fs/mqueue/mqueue.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_format.h"

namespace sentry {

using base::MutexLock;
using base::RefPtr;

namespace {

constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;
constexpr base::EventMask kOut = base::kEventOut | base::kEventWrNorm;

// RLIMIT_MSGQUEUE is a guest's root's to raise.
constexpr size_t kMaxBytes = 64 << 20;
constexpr size_t kMessageCost = 128;
std::atomic<size_t> bytes_in_use{0};  // a sum alone

}  // namespace

Result<std::unique_ptr<MqueueMessage>> MqueueMessage::Create(uint32_t priority, size_t size) {
  const size_t cost = size + kMessageCost;
  if (bytes_in_use.fetch_add(cost, std::memory_order_relaxed) + cost > kMaxBytes) {
    bytes_in_use.fetch_sub(cost, std::memory_order_relaxed);
    return Errno::kENOMEM;
  }
  return std::unique_ptr<MqueueMessage>(new MqueueMessage(priority, size));
}

MqueueMessage::~MqueueMessage() { bytes_in_use.fetch_sub(bytes_.size() + kMessageCost, std::memory_order_relaxed); }

void Mqueue::InsertLocked(std::unique_ptr<MqueueMessage> message) {
  ++count_;
  bytes_ += message->bytes().size();
  messages_[message->priority()].push_back(std::move(message));
}

std::unique_ptr<MqueueMessage> Mqueue::TakeLocked() {
  const auto highest = messages_.begin();
  std::unique_ptr<MqueueMessage> message = std::move(highest->second.front());
  highest->second.pop_front();
  if (highest->second.empty()) messages_.erase(highest);
  --count_;
  bytes_ -= message->bytes().size();
  return message;
}

Result<int> Mqueue::Send(const VfsContext& ctx, Waiter& waiter, Wait wait) {
  RefPtr<MqueueNotification> tell;
  {
    MutexLock lock(mu_);
    if (waiter.state == Waiter::State::kDone) return 0;
    if (waiter.state == Waiter::State::kWaits) return Errno::kEAGAIN;
    if (count_ == max_messages_) {
      if (wait == Wait::kNever) return Errno::kEAGAIN;
      waiter.state = Waiter::State::kWaits;
      senders_.push_back(&waiter);
      return Errno::kEAGAIN;
    }
    waiter.state = Waiter::State::kDone;
    if (!receivers_.empty()) {
      Waiter& receiver = *receivers_.front();
      receivers_.pop_front();
      receiver.message = std::move(waiter.message);
      receiver.state = Waiter::State::kDone;
    } else {
      InsertLocked(std::move(waiter.message));
      if (count_ == 1) tell = std::move(notification_);
    }
  }
  if (tell) tell->Deliver(ctx);
  wait_queue_.Notify(kIn);
  return 0;
}

Result<int> Mqueue::Receive(Waiter& waiter, Wait wait) {
  {
    MutexLock lock(mu_);
    if (waiter.state == Waiter::State::kDone) return 0;
    if (waiter.state == Waiter::State::kWaits) return Errno::kEAGAIN;
    if (count_ == 0) {
      if (wait == Wait::kNever) return Errno::kEAGAIN;
      waiter.state = Waiter::State::kWaits;
      receivers_.push_back(&waiter);
      return Errno::kEAGAIN;
    }
    waiter.message = TakeLocked();
    waiter.state = Waiter::State::kDone;
    if (!senders_.empty()) {
      Waiter& sender = *senders_.front();
      senders_.pop_front();
      InsertLocked(std::move(sender.message));
      sender.state = Waiter::State::kDone;
    }
  }
  wait_queue_.Notify(kOut);
  return 0;
}

Mqueue::Outcome Mqueue::Cancel(Waiter& waiter) {
  MutexLock lock(mu_);
  if (waiter.state == Waiter::State::kDone) return Outcome::kDone;
  senders_.remove(&waiter);
  receivers_.remove(&waiter);
  return Outcome::kCancelled;
}

Result<void> Mqueue::SetNotification(int32_t tgid, RefPtr<MqueueNotification> notification) {
  MutexLock lock(mu_);
  if (notification) {
    if (notification_) return Errno::kEBUSY;
  } else if (!notification_ || notification_->owner != tgid) {
    return Ok();
  }
  // The old one goes with the argument, behind the lock.
  std::swap(notification_, notification);
  return Ok();
}

abi::MqAttr Mqueue::attributes() const {
  MutexLock lock(mu_);
  return {.flags = 0, .maxmsg = max_messages_, .msgsize = message_size_, .curmsgs = count_, .reserved = {}};
}

std::string Mqueue::Text() const {
  MutexLock lock(mu_);
  const MqueueNotification* const n = notification_.get();
  const bool signals = n != nullptr && n->kind == 0;  // SIGEV_SIGNAL
  return absl::StrFormat("QSIZE:%-10u NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", bytes_, n != nullptr ? n->kind : 0,
                         signals ? n->signo : 0, n != nullptr ? n->owner : 0);
}

base::EventMask Mqueue::Readiness() const {
  MutexLock lock(mu_);
  return (count_ > 0 ? kIn : 0) | (count_ < max_messages_ ? kOut : 0);
}

}  // namespace sentry
