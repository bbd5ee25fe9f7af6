// Data of SOCK_STREAM unix sockets, and the doors common to all types.
#include <algorithm>
#include <utility>

#include "sentry/abi/socket.h"
#include "sentry/net/unix/endpoint.h"

namespace sentry {
namespace {

constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;
constexpr size_t kMaxMessage = 4 * kPageSize - 320 + 32768;  // Linux: SKB_MAX_ALLOC + UNIX_SKB_FRAGS_SZ

// Linux's scm_check_creds: only one's own ids, or with the capability to have
// any.
Result<void> CheckCredentials(const VfsContext& ctx, const PeerCredentials& told) {
  const Credentials& c = *ctx.creds;
  const UserNamespace& pid_owner = ctx.process ? *ctx.process->ns().owner() : *UserNamespace::Initial();
  const bool pid = told.pid.get() == ctx.process || c.HasIn(pid_owner, Capability::kSysAdmin);
  const bool uid = told.uid == c.uid || told.uid == c.euid || told.uid == c.suid || c.HasHere(Capability::kSetuid);
  const bool gid = told.gid == c.gid || told.gid == c.egid || told.gid == c.sgid || c.HasHere(Capability::kSetgid);
  if (told.uid == UINT32_MAX || told.gid == UINT32_MAX) return Errno::kEINVAL;
  return pid && uid && gid ? Ok() : Errno::kEPERM;
}

bool SameSender(const UnixMessage& a, const std::optional<PeerCredentials>& b) {
  const auto& c = a.credentials;
  if (!c || !b) return !c && !b;
  return c->pid == b->pid && c->uid == b->uid && c->gid == b->gid;
}

}  // namespace

Result<size_t> UnixEndpoint::Send(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to,
                                  ControlData control, uint32_t flags) {
  if (control.files.size() > abi::kScmMaxFd) return Errno::kEINVAL;
  if (control.credentials) TRY(CheckCredentials(ctx, *control.credentials));
  if ((flags & abi::kMsgOob) != 0) return Errno::kEOPNOTSUPP;
  if (is_stream()) return SendStream(ctx, src, to, std::move(control));
  if (is_datagram()) return SendDatagram(ctx, src, to, std::move(control));
  {
    base::MutexLock lock(mu_);
    if (state_ != State::kEstablished) return Errno::kENOTCONN;
  }
  return SendDatagram(ctx, src, {}, std::move(control));  // SOCK_SEQPACKET ignores the address
}

Result<ReceiveResult> UnixEndpoint::Receive(IoSink& dst, uint32_t flags, Blocking blocking, Want want) {
  if (!is_datagram()) {
    base::MutexLock lock(mu_);
    if (state_ != State::kEstablished) return is_stream() ? Errno::kEINVAL : Errno::kENOTCONN;
  }
  if ((flags & abi::kMsgOob) != 0) return Errno::kEOPNOTSUPP;
  return is_stream() ? ReceiveStream(dst, (flags & abi::kMsgPeek) != 0, want)
                     : ReceiveDatagram(dst, flags, blocking, want);
}

Result<size_t> UnixEndpoint::SendStream(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to,
                                        ControlData control) {
  RefPtr<UnixEndpoint> other;
  {
    base::MutexLock lock(mu_);
    if (!to.empty()) return state_ == State::kEstablished ? Errno::kEISCONN : Errno::kEOPNOTSUPP;
    if (!peer_) return Errno::kENOTCONN;
    if ((shutdown_ & kSendShut) != 0) return Errno::kEPIPE;
    other = peer_;
  }
  const size_t piece = std::min<size_t>(kMaxMessage, static_cast<size_t>(options_.send_buffer()) / 2 - 64);
  size_t sent = 0;
  const auto stop = [&](Errno e) { return sent > 0 ? Result<size_t>(sent) : Result<size_t>(e); };
  while (src.remaining() > 0) {
    const size_t size = std::min(piece, src.remaining());
    const size_t charge = UnixMessage::StreamCharge(size);
    if (sent > 0 && SendIsShut()) return sent;
    if (const Result<void> r = ReserveWrite(charge); !r.ok()) return stop(r.error());
    auto message = std::make_unique<UnixMessage>(size, RefPtr<UnixEndpoint>(this), charge);
    const Result<size_t> n = src.Read(message->bytes());
    if (!n.ok() || *n < size) return stop(Errno::kEFAULT);
    message->credentials = control.credentials;
    if (!control.files.empty()) {  // with the first byte
      const Result<void> r = message->AttachFiles(*ctx.creds, std::move(control.files));
      if (!r.ok()) return stop(r.error());
      control.files.clear();
    }
    MaybeAddCredentials(ctx, *message, *other);
    {
      base::MutexLock lock(other->mu_);
      if (!other->dead() && (other->shutdown_ & kReceiveShut) == 0) other->queue_.push_back(std::move(message));
    }
    if (message) return stop(Errno::kEPIPE);
    other->wait_queue_.Notify(kIn);
    sent += size;
  }
  return sent;
}

// The first message that has bytes behind `skip`; null: end of the stream. The
// pending error is only taken if it is what the call will tell.
Result<UnixMessage*> UnixEndpoint::FindUnread(size_t* index, size_t* skip, Position position) {
  base::MutexLock lock(mu_);
  for (; *index < queue_.size(); ++*index) {
    const size_t len = queue_[*index]->unread().size();
    if (*skip < len) return queue_[*index].get();
    *skip -= len;
  }
  if (position == Position::kLater) return Errno::kEAGAIN;
  TRY(PendingError());
  if ((shutdown_ & kReceiveShut) != 0) return static_cast<UnixMessage*>(nullptr);
  return Errno::kEAGAIN;
}

// Takes `n` bytes off the first message, and the message itself when it is empty.
std::unique_ptr<UnixMessage> UnixEndpoint::ConsumeStream(UnixMessage& message, size_t n) {
  base::MutexLock lock(mu_);
  message.Consume(n);
  if (!message.unread().empty()) return nullptr;
  std::unique_ptr<UnixMessage> done = std::move(queue_.front());
  queue_.pop_front();
  return done;
}

Result<ReceiveResult> UnixEndpoint::ReceiveStream(IoSink& dst, bool peek, Want want) {
  ReceiveResult out;
  base::MutexLock one_receiver(receive_mu_);
  const int32_t offset = peek ? peek_offset.load(std::memory_order_relaxed) : -1;
  size_t skip = offset > 0 ? static_cast<size_t>(offset) : 0;
  size_t index = 0;
  std::optional<PeerCredentials> writer;
  bool first = true;
  do {
    const Result<UnixMessage*> found = FindUnread(&index, &skip, first ? Position::kFirst : Position::kLater);
    if (!found.ok()) {
      if (first) return found.error();
      break;
    }
    UnixMessage* message = *found;
    if (message == nullptr) break;
    if (first) {
      writer = message->credentials;
      FillCredentials(*message, &out.control);
      if (want == Want::kMessage) FillAddress(*message, &out.from);
    } else if (out.control.credentials && !SameSender(*message, writer)) {
      break;  // never glue messages of different writers
    }
    // The message stays in the queue: only receivers take it out (receive_mu_).
    const auto bytes = message->unread().subspan(skip);
    const size_t len = std::min(bytes.size(), dst.remaining());
    const Result<size_t> n = len > 0 ? dst.Write(bytes.first(len)) : size_t{0};
    if (!n.ok() || *n < len) {
      if (first) return Errno::kEFAULT;
      break;
    }
    first = false;
    out.bytes += len;
    MovePeekOffset(peek, len);
    const bool had_files = message->has_files();
    if (peek) {
      if (had_files) out.control.files = message->PeekFiles();
      skip = 0;
      ++index;
    } else {
      if (had_files) out.control.files = message->DetachFiles();
      if (!ConsumeStream(*message, len)) break;  // more is left than fits
    }
    if (had_files) break;
  } while (dst.remaining() > 0);
  return out;
}

}  // namespace sentry
