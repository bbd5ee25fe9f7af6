// Data of SOCK_DGRAM and SOCK_SEQPACKET unix sockets.
#include <algorithm>
#include <utility>

#include "sentry/abi/socket.h"
#include "sentry/net/unix/endpoint.h"

namespace sentry {
namespace {

constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;

}  // namespace

Result<size_t> UnixEndpoint::SendDatagram(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to,
                                          ControlData control) {
  RefPtr<UnixEndpoint> other;
  UnixName name;
  if (!to.empty()) {
    name = TRY(ParseUnixName(to));
    if (name.kind == UnixName::Kind::kUnnamed) return Errno::kEINVAL;
  } else {
    base::MutexLock lock(mu_);
    if (!peer_) return Errno::kENOTCONN;
    other = peer_;
  }
  if (pass_credentials.load(std::memory_order_relaxed)) TRY(Autobind());
  const size_t size = src.remaining();
  if (size > static_cast<size_t>(options_.send_buffer()) - 32) return Errno::kEMSGSIZE;
  const size_t charge = UnixMessage::DatagramCharge(size);
  if (SendIsShut()) return Errno::kEPIPE;
  TRY(ReserveWrite(charge));
  auto message = std::make_unique<UnixMessage>(size, RefPtr<UnixEndpoint>(this), charge);
  message->credentials = control.credentials;
  if (!control.files.empty()) TRY(message->AttachFiles(*ctx.creds, std::move(control.files)));
  if (size > 0 && TRY(src.Read(message->bytes())) < size) return Errno::kEFAULT;
  if (!other) other = TRY(FindOther(ctx, name));
  const Result<void> sent = DeliverDatagram(ctx, *other, message);
  if (sent.ok()) return size;
  if (sent.Is(Errno::kEAGAIN)) src.Rewind(size);
  return sent.error();
}

Result<void> UnixEndpoint::DeliverDatagram(const VfsContext& ctx, UnixEndpoint& other,
                                           std::unique_ptr<UnixMessage>& message) {
  MaybeAddCredentials(ctx, *message, other);
  bool dead;
  {
    base::MutexLock lock(other.mu_);
    const bool connected_back = other.peer_.get() == this;
    if (other.peer_ && !connected_back) return Errno::kEPERM;
    dead = other.dead();
    if (!dead) {
      if ((other.shutdown_ & kReceiveShut) != 0) return Errno::kEPIPE;
      if (&other != this && !connected_back && other.QueueFull()) {
        other.AddWriteWaiter(*this);
        return Errno::kEAGAIN;
      }
      other.queue_.push_back(std::move(message));
    }
  }
  if (dead) return PeerIsDead(other);
  other.wait_queue_.Notify(kIn);
  return Ok();
}

Errno UnixEndpoint::PeerIsDead(const UnixEndpoint& other) {
  if (!is_datagram()) return Errno::kEPIPE;
  RefPtr<UnixEndpoint> old;
  Queue dropped;  // what the dead peer sent goes with it, as in Linux
  {
    base::MutexLock lock(mu_);
    if (peer_.get() == &other) {
      old = std::move(peer_);
      dropped.swap(queue_);
    }
  }
  if (!dropped.empty()) NotifyWriteWaiters();
  return Errno::kECONNREFUSED;
}

// The datagram to read: taken out of the queue into `taken` unless peeked at.
// Null: end of file.
Result<UnixMessage*> UnixEndpoint::NextDatagram(bool peek, Blocking blocking, size_t* skip,
                                                std::unique_ptr<UnixMessage>* taken) {
  TRY(PendingError());
  base::MutexLock lock(mu_);
  size_t index = 0;
  while (peek && *skip > 0 && index < queue_.size() && *skip >= queue_[index]->unread().size()) {
    *skip -= queue_[index++]->unread().size();
  }
  if (index == queue_.size()) {
    const bool end = (shutdown_ & kReceiveShut) != 0 && (!is_datagram() || blocking == Blocking::kYes);
    return end ? Result<UnixMessage*>(nullptr) : Errno::kEAGAIN;
  }
  if (peek) return queue_[index].get();
  *taken = std::move(queue_.front());
  queue_.pop_front();
  return taken->get();
}

Result<ReceiveResult> UnixEndpoint::ReceiveDatagram(IoSink& dst, uint32_t flags, Blocking blocking, Want want) {
  ReceiveResult out;
  std::unique_ptr<UnixMessage> taken;  // dropped after the lock, even if it can't be copied out
  const bool peek = (flags & abi::kMsgPeek) != 0;
  {
    base::MutexLock one_receiver(receive_mu_);
    const int32_t offset = peek ? peek_offset.load(std::memory_order_relaxed) : -1;
    size_t skip = offset > 0 ? static_cast<size_t>(offset) : 0;
    UnixMessage* message = TRY(NextDatagram(peek, blocking, &skip, &taken));
    if (message == nullptr) return out;
    if (!peek) NotifyWriteWaiters();
    if (want == Want::kMessage) FillAddress(*message, &out.from);
    const auto bytes = message->unread().subspan(std::min(skip, message->unread().size()));
    const size_t len = std::min(bytes.size(), dst.remaining());
    if (len < bytes.size()) out.flags |= abi::kMsgTrunc;
    if (len > 0 && TRY(dst.Write(bytes.first(len))) < len) return Errno::kEFAULT;
    FillCredentials(*message, &out.control);
    out.bytes = (flags & abi::kMsgTrunc) != 0 ? bytes.size() : len;
    MovePeekOffset(peek, peek ? len : bytes.size());
    if (message->has_files()) out.control.files = peek ? message->PeekFiles() : message->DetachFiles();
  }
  return out;
}

}  // namespace sentry
