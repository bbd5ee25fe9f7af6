// Names and connections of unix sockets: bind, listen, accept, connect.
#include <algorithm>
#include <cstring>
#include <utility>

#include "sentry/abi/socket.h"
#include "sentry/net/unix/endpoint.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/path_walk.h"

namespace sentry {
namespace {

constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;
constexpr base::EventMask kOut = base::kEventOut | base::kEventWrNorm | base::kEventWrBand;

}  // namespace

UnixName UnixEndpoint::name() const {
  base::MutexLock lock(mu_);
  return name_;
}

Result<UnixName> UnixEndpoint::PeerName() const {
  RefPtr<UnixEndpoint> other;
  {
    base::MutexLock lock(mu_);
    other = peer_;
  }
  if (!other) return Errno::kENOTCONN;
  return other->name();
}

// --- bind ---

Result<void> UnixEndpoint::StartBind() {
  base::MutexLock lock(mu_);
  if (binding_ || name_.kind != UnixName::Kind::kUnnamed) return Errno::kEINVAL;
  binding_ = true;
  return Ok();
}

Result<void> UnixEndpoint::FinishBind(Result<UnixName> name, RefPtr<UnixBinding> binding, Path path) {
  base::MutexLock lock(mu_);
  binding_ = false;
  if (!name.ok()) return name.error();
  bound_ = true;
  name_ = std::move(*name);
  binding_on_path_ = std::move(binding);
  path_ = std::move(path);
  return Ok();
}

Result<void> UnixEndpoint::Autobind() {
  if (!StartBind().ok()) return Ok();  // it has a name
  Result<std::string> text = names_->Autobind(type_, RefPtr<UnixEndpoint>(this));
  if (!text.ok()) return FinishBind(text.error(), nullptr, {});
  return FinishBind(UnixName{UnixName::Kind::kAbstract, std::move(*text)}, nullptr, {});
}

Result<void> UnixEndpoint::BindPath(const VfsContext& ctx, const UnixName& name) {
  if (!StartBind().ok()) {
    // As Linux, which makes the node first.
    return ResolvePath(ctx, ctx.cwd, name.text, {.follow = false}).ok() ? Errno::kEADDRINUSE : Errno::kEINVAL;
  }
  Result<Path> path = MakeSocketNode(ctx, ctx.cwd, name.text, 0777);
  if (!path.ok()) return FinishBind(path.error(), nullptr, {});
  RefPtr<Inode> inode = path->dentry->inode();
  if (!inode) return FinishBind(Errno::kENOENT, nullptr, {});  // already unlinked by somebody
  RefPtr<UnixBinding> binding = MakeRef<UnixBinding>(RefPtr<UnixEndpoint>(this));
  if (inode->AttachIfNone(binding).get() != binding.get()) {
    binding->Clear();
    return FinishBind(Errno::kEADDRINUSE, nullptr, {});
  }
  return FinishBind(name, std::move(binding), std::move(*path));
}

Result<void> UnixEndpoint::Bind(const VfsContext& ctx, const UnixName& name) {
  if (name.kind == UnixName::Kind::kUnnamed) return Autobind();
  if (name.kind == UnixName::Kind::kPath) return BindPath(ctx, name);
  TRY(StartBind());
  const Result<void> taken = names_->Bind(type_, name.text, RefPtr<UnixEndpoint>(this));
  return FinishBind(taken.ok() ? Result<UnixName>(name) : taken.error(), nullptr, {});
}

Result<RefPtr<UnixEndpoint>> UnixEndpoint::FindOther(const VfsContext& ctx, const UnixName& name) const {
  if (name.kind == UnixName::Kind::kUnnamed) return Errno::kEINVAL;
  if (name.kind == UnixName::Kind::kAbstract) {
    RefPtr<UnixEndpoint> found = names_->Find(type_, name.text);
    if (!found) return Errno::kECONNREFUSED;
    return found;
  }
  const Path path = TRY(ResolvePath(ctx, ctx.cwd, name.text));
  const RefPtr<Inode> inode = path.dentry->inode();
  if (!inode) return Errno::kENOENT;
  TRY(inode->CheckPermission(ctx, abi::kMayWrite));
  if (inode->type() != abi::kSIfSock) return Errno::kECONNREFUSED;
  // Whoever attaches to an inode of type S_IFSOCK attaches a UnixBinding.
  const RefPtr<base::RefCounted> attached = inode->attachment();
  if (!attached) return Errno::kECONNREFUSED;
  RefPtr<UnixEndpoint> found = static_cast<UnixBinding*>(attached.get())->endpoint();
  if (!found) return Errno::kECONNREFUSED;
  if (found->type() != type_) return Errno::kEPROTOTYPE;
  return found;
}

// --- listen, accept ---

Result<void> UnixEndpoint::Listen(const VfsContext& ctx, int backlog) {
  if (is_datagram()) return Errno::kEOPNOTSUPP;
  {
    base::MutexLock lock(mu_);
    if (name_.kind == UnixName::Kind::kUnnamed) return Errno::kEINVAL;
    if (state_ == State::kEstablished) return Errno::kEINVAL;
    // Compared as unsigned, so negative means the maximum.
    backlog_ = std::min<uint32_t>(static_cast<uint32_t>(backlog), abi::kSomaxconn);
    state_ = State::kListening;
    peer_identity_ = {RefPtr<Pid>(ctx.process), ctx.creds};
  }
  NotifyWriteWaiters();  // the queue may have grown
  return Ok();
}

Result<RefPtr<UnixEndpoint>> UnixEndpoint::Accept(Blocking blocking) {
  if (is_datagram()) return Errno::kEOPNOTSUPP;
  RefPtr<UnixEndpoint> accepted;
  {
    base::MutexLock lock(mu_);
    if (state_ != State::kListening) return Errno::kEINVAL;
    if (embryos_.empty()) {
      return (shutdown_ & kReceiveShut) != 0 && blocking == Blocking::kYes ? Errno::kEINVAL : Errno::kEAGAIN;
    }
    accepted = std::move(embryos_.front());
    embryos_.pop_front();
  }
  NotifyWriteWaiters();
  accepted->has_file_.store(true, std::memory_order_relaxed);
  accepted->pass_credentials.store(pass_credentials.load(std::memory_order_relaxed), std::memory_order_relaxed);
  return accepted;
}

// --- connect ---

Result<void> UnixEndpoint::Connect(const VfsContext& ctx, std::span<const std::byte> address) {
  uint16_t family;
  if (address.size() < sizeof(family)) return Errno::kEINVAL;
  memcpy(&family, address.data(), sizeof(family));
  if (is_datagram() && family == abi::kAfUnspec) return ConnectDatagram(ctx, nullptr);
  const UnixName name = TRY(ParseUnixName(address));
  if (name.kind == UnixName::Kind::kUnnamed) return Errno::kEINVAL;
  if (pass_credentials.load(std::memory_order_relaxed)) TRY(Autobind());
  return is_datagram() ? ConnectDatagram(ctx, &name) : ConnectStream(ctx, name);
}

// Nobody else knows of the object yet.
void UnixEndpoint::InitAccepted(const VfsContext& ctx, RefPtr<UnixEndpoint> client,
                                UnixName name) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  state_ = State::kEstablished;
  peer_ = std::move(client);
  peer_identity_ = {RefPtr<Pid>(ctx.process), ctx.creds};
  name_ = std::move(name);
  has_file_.store(false, std::memory_order_relaxed);
}

Result<void> UnixEndpoint::ConnectStream(const VfsContext& ctx, const UnixName& name) {
  const RefPtr<UnixEndpoint> other = TRY(FindOther(ctx, name));
  RefPtr<UnixEndpoint> server = MakeRef<UnixEndpoint>(other->names_, type_);
  {
    base::MutexPairLock lock(mu_, other->mu_);
    if (other->state_ != State::kListening || (other->shutdown_ & kReceiveShut) != 0) return Errno::kECONNREFUSED;
    if (other->QueueFull()) {
      other->AddWriteWaiter(*this);
      return Errno::kEAGAIN;
    }
    if (state_ == State::kEstablished) return Errno::kEISCONN;
    if (state_ == State::kListening) return Errno::kEINVAL;
    server->InitAccepted(ctx, RefPtr<UnixEndpoint>(this), other->name_);
    state_ = State::kEstablished;
    peer_ = server;
    peer_identity_ = other->peer_identity_;
    other->embryos_.push_back(std::move(server));
  }
  other->wait_queue_.Notify(kIn);
  return Ok();
}

Result<RefPtr<UnixEndpoint>> UnixEndpoint::SwapPeer(const RefPtr<UnixEndpoint>& other, Queue* dropped) {
  UnixEndpoint& second = other ? *other : *this;
  base::MutexPairLock lock(mu_, second.mu_);
  if (other) {
    if (second.dead()) return Errno::kECONNREFUSED;
    if (second.peer_ && second.peer_.get() != this) return Errno::kEPERM;
  }
  RefPtr<UnixEndpoint> old = std::exchange(peer_, other);
  if (old && old != other) dropped->swap(queue_);  // what the old peer sent is lost
  return old;
}

// Linux's unix_dgram_disconnected, after messages were dropped.
void UnixEndpoint::Disconnected(const RefPtr<UnixEndpoint>& old) {
  NotifyWriteWaiters();
  {
    base::MutexLock lock(old->mu_);
    if (old->dead() || old->peer_.get() != this) return;
    old->SetError(Errno::kECONNRESET);
  }
  old->wait_queue_.Notify(kIn | kOut | base::kEventErr);
}

Result<void> UnixEndpoint::ConnectDatagram(const VfsContext& ctx, const UnixName* name) {
  RefPtr<UnixEndpoint> other;
  if (name != nullptr) other = TRY(FindOther(ctx, *name));
  Queue dropped;
  const RefPtr<UnixEndpoint> old = TRY(SwapPeer(other, &dropped));
  if (!dropped.empty()) Disconnected(old);
  wait_queue_.Notify(kOut);  // who waited for the old peer's queue
  return Ok();
}

void UnixEndpoint::ConnectPair(const VfsContext& ctx, UnixEndpoint& a, UnixEndpoint& b) {
  base::MutexPairLock lock(a.mu_, b.mu_);
  a.state_ = b.state_ = State::kEstablished;
  a.peer_ = RefPtr<UnixEndpoint>(&b);
  b.peer_ = RefPtr<UnixEndpoint>(&a);
  a.peer_identity_ = b.peer_identity_ = {RefPtr<Pid>(ctx.process), ctx.creds};
}

}  // namespace sentry
