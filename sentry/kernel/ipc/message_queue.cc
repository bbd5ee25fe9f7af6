#include "sentry/kernel/ipc/message_queue.h"

#include <utility>

namespace sentry {

using base::MutexLock;

namespace {

constexpr uint32_t kRead = 0444, kWrite = 0222;
constexpr size_t kMessageCost = 128;

}  // namespace

Result<RefPtr<IpcMessage>> IpcMessage::Create(int64_t type, size_t size) {
  IpcCharge charge = TRY(IpcCharge::Take(size + kMessageCost));
  return RefPtr<IpcMessage>::Adopt(new IpcMessage(type, size, std::move(charge)));
}

bool MessageQueue::Wanted::Fits(const IpcMessage& message) const {
  switch (mode) {
    case Mode::kAny:
      return true;
    case Mode::kOfType:
      return message.type() == type;
    case Mode::kOfOtherType:
      return message.type() != type;
    case Mode::kLowestUpTo:
      return message.type() <= type;
  }
  return false;
}

MessageQueue::MessageQueue(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key, uint32_t flags,
                           IpcCharge charge, uint64_t max_bytes)
    : IpcObject(caller, std::move(owner), key, flags),
      charge_(std::move(charge)),
      max_bytes_(max_bytes),
      changed_at_(IpcNow()) {}

MessageQueue::~MessageQueue() = default;

bool MessageQueue::HasRoomLocked(const IpcMessage& message) const {
  return message.size() + bytes_ <= max_bytes_ && messages_.size() + 1 <= max_bytes_;
}

void MessageQueue::ReceivedLocked(const IpcCaller& caller) {
  receiver_ = RefPtr<Pid>(&caller.process);
  received_at_ = IpcNow();
}

void MessageQueue::DeliverLocked(Sending& sending) {
  RefPtr<IpcMessage> message = std::move(sending.message);
  sender_ = RefPtr<Pid>(&sending.caller.process);
  sent_at_ = IpcNow();
  sending.Finish();
  for (auto at = receivers_.begin(); at != receivers_.end();) {
    Receiving& receiver = **at;
    if (!receiver.wanted.Fits(*message)) {
      ++at;
      continue;
    }
    at = receivers_.erase(at);
    if (receiver.max_size < message->size()) {
      receiver.Finish(Errno::kE2BIG);
      continue;
    }
    ReceivedLocked(receiver.caller);
    receiver.message = std::move(message);
    receiver.Finish();
    return;
  }
  bytes_ += message->size();
  messages_.push_back(std::move(message));
}

Result<void> MessageQueue::Send(Sending& sending, Wait wait) {
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(sending.caller, kWrite));
  if (HasRoomLocked(*sending.message)) {
    DeliverLocked(sending);
    return Ok();
  }
  if (wait == Wait::kNever) return Errno::kEAGAIN;
  senders_.push_back(&sending);
  return Ok();
}

MessageQueue::Messages::iterator MessageQueue::FindLocked(const Wanted& wanted) {
  auto found = messages_.end();
  for (auto at = messages_.begin(); at != messages_.end(); ++at) {
    if (!wanted.Fits(**at)) continue;
    if (wanted.mode != Wanted::Mode::kLowestUpTo) return at;
    if (found == messages_.end() || (*at)->type() < (*found)->type()) found = at;
  }
  return found;
}

void MessageQueue::LetSendersLocked() {
  for (auto at = senders_.begin(); at != senders_.end();) {
    Sending& sending = **at;
    if (!HasRoomLocked(*sending.message)) {
      ++at;
      continue;
    }
    at = senders_.erase(at);
    DeliverLocked(sending);
  }
}

Result<void> MessageQueue::Receive(Receiving& receiving, Wait wait) {
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(receiving.caller, kRead));
  const auto found = FindLocked(receiving.wanted);
  if (found == messages_.end()) {
    if (wait == Wait::kNever) return Errno::kENOMSG;
    receivers_.push_back(&receiving);
    return Ok();
  }
  if ((*found)->size() > receiving.max_size) return Errno::kE2BIG;
  receiving.message = std::move(*found);
  messages_.erase(found);
  bytes_ -= receiving.message->size();
  ReceivedLocked(receiving.caller);
  receiving.Finish();
  LetSendersLocked();
  return Ok();
}

Result<RefPtr<IpcMessage>> MessageQueue::Peek(const IpcCaller& caller, int64_t position) const {
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(caller, kRead));
  if (position < 0 || static_cast<uint64_t>(position) >= messages_.size()) return Errno::kENOMSG;
  return *std::next(messages_.begin(), position);
}

void MessageQueue::UnlinkLocked(IpcWaiter& waiter) {
  senders_.remove_if([&](const Sending* waiting) { return waiting == &waiter; });
  receivers_.remove_if([&](const Receiving* waiting) { return waiting == &waiter; });
}

// Its messages go with the last reference, which is dropped behind all locks.
void MessageQueue::RemoveLocked() {
  for (Receiving* receiver : receivers_) receiver->Finish(Errno::kEIDRM);
  receivers_.clear();
  for (Sending* sender : senders_) sender->Finish(Errno::kEIDRM);
  senders_.clear();
}

// --- msgctl ---------------------------------------------------------------------

Result<abi::MsqidDs> MessageQueue::Stat(const IpcCaller& caller, IpcStatKind kind) const {
  MutexLock lock(mu_);
  TRY(CheckAccessLocked(caller, kind == IpcStatKind::kIndexAny ? 0 : kRead));
  return DescribeLocked(*caller.creds.user_ns, caller.process.ns());
}

abi::MsqidDs MessageQueue::Describe(const UserNamespace& seen_by, const PidNamespace& numbers) const {
  MutexLock lock(mu_);
  return DescribeLocked(seen_by, numbers);
}

abi::MsqidDs MessageQueue::DescribeLocked(const UserNamespace& seen_by, const PidNamespace& numbers) const {
  abi::MsqidDs out = {};
  out.perm = PermLocked(seen_by);
  out.stime = sent_at_, out.rtime = received_at_, out.ctime = changed_at_;
  out.cbytes = bytes_, out.qnum = messages_.size(), out.qbytes = max_bytes_;
  out.lspid = PidNumber(sender_, numbers), out.lrpid = PidNumber(receiver_, numbers);
  return out;
}

void MessageQueue::RecheckLocked() {
  const auto recheck = [&](auto& waiting, uint32_t access) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (auto at = waiting.begin(); at != waiting.end();) {
      const Result<void> may = CheckAccessLocked((*at)->caller, access);
      if (!may.ok()) (*at)->Finish(may.error());
      at = may.ok() ? std::next(at) : waiting.erase(at);
    }
  };
  recheck(receivers_, kRead);
  recheck(senders_, kWrite);
}

Result<void> MessageQueue::Set(const IpcCaller& caller, const abi::IpcPerm& perm, uint64_t max_bytes,
                               uint64_t allowed_bytes) {
  MutexLock lock(mu_);
  TRY(CheckOwnerLocked(caller));
  if (max_bytes > allowed_bytes && !caller.creds.Has(Capability::kSysResource)) return Errno::kEPERM;
  TRY(SetPermLocked(caller, perm));
  max_bytes_ = max_bytes;
  changed_at_ = IpcNow();
  RecheckLocked();
  LetSendersLocked();
  return Ok();
}

}  // namespace sentry
