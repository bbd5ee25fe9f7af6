#include "sentry/net/unix/unix_socket.h"

#include <algorithm>

#include "sentry/abi/socket.h"

namespace sentry {
namespace {

constexpr uint32_t kUnknownId = UINT32_MAX;

RefPtr<Socket> MakeFile(const VfsContext& ctx, RefPtr<UnixEndpoint> endpoint, uint32_t flags) {
  return MakeRef<UnixSocket>(NewSocketPath(ctx), abi::kORdWr | (flags & abi::kONonBlock), std::move(endpoint));
}

// The type as Linux's unix_create takes it.
Result<int> CheckType(int type, int protocol) {
  if (protocol != 0 && protocol != abi::kAfUnix) return Errno::kEPROTONOSUPPORT;
  switch (type) {
    case abi::kSockRaw:  // BSD has it; Linux takes it for datagrams
      return abi::kSockDgram;
    case abi::kSockStream:
    case abi::kSockDgram:
    case abi::kSockSeqPacket:
      return type;
    default:
      return Errno::kESOCKTNOSUPPORT;
  }
}

}  // namespace

UnixSocket::UnixSocket(Path path, uint32_t flags, RefPtr<UnixEndpoint> endpoint)
    : Socket(std::move(path), flags), endpoint_(std::move(endpoint)) {}

UnixSocket::~UnixSocket() { endpoint_->Release(UnixEndpoint::Reason::kClosed); }

UnixSocket* UnixSocket::From(FileDescription* file) {
  if (file->kind() != Socket::Kind()) return nullptr;
  Socket* const socket = static_cast<Socket*>(file);
  return socket->domain() == abi::kAfUnix ? static_cast<UnixSocket*>(socket) : nullptr;
}

int UnixSocket::domain() const { return abi::kAfUnix; }

Result<void> UnixSocket::Bind(const VfsContext& ctx, std::span<const std::byte> address) {
  return endpoint_->Bind(ctx, TRY(ParseUnixName(address)));
}

Result<void> UnixSocket::Listen(const VfsContext& ctx, int backlog) { return endpoint_->Listen(ctx, backlog); }

Result<RefPtr<Socket>> UnixSocket::Accept(const VfsContext& ctx, uint32_t flags, SocketAddress* peer) {
  RefPtr<UnixEndpoint> accepted = TRY(endpoint_->Accept(nonblocking() ? Blocking::kNo : Blocking::kYes));
  if (peer != nullptr) {
    const Result<UnixName> name = accepted->PeerName();
    *peer = (name.ok() ? *name : UnixName{}).ToBytes();
  }
  return MakeFile(ctx, std::move(accepted), flags);
}

Result<void> UnixSocket::Connect(const VfsContext& ctx, std::span<const std::byte> address) {
  return endpoint_->Connect(ctx, address);
}

Result<void> UnixSocket::Shutdown(int how) { return endpoint_->Shutdown(how); }
Result<SocketAddress> UnixSocket::LocalAddress() { return endpoint_->name().ToBytes(); }
Result<SocketAddress> UnixSocket::PeerAddress() { return TRY(endpoint_->PeerName()).ToBytes(); }

Result<size_t> UnixSocket::SendMessage(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to,
                                       ControlData control, uint32_t flags) {
  return endpoint_->Send(ctx, src, to, std::move(control), flags);
}

Result<ReceiveResult> UnixSocket::ReceiveMessage(const VfsContext&, IoSink& dst, uint32_t flags) {
  const bool wait = !nonblocking() && (flags & abi::kMsgDontWait) == 0;
  return endpoint_->Receive(dst, flags, wait ? Blocking::kYes : Blocking::kNo, Want::kMessage);
}

Result<size_t> UnixSocket::Read(const VfsContext&, IoSink& dst) {
  if (dst.remaining() == 0) return size_t{0};
  ReceiveResult got = TRY(endpoint_->Receive(dst, 0, nonblocking() ? Blocking::kNo : Blocking::kYes, Want::kBytes));
  DropFiles(std::move(got.control.files));
  return got.bytes;
}

Result<OptionValue> UnixSocket::PeerGroups(const UserNamespace& viewer, size_t max) const {
  const UnixEndpoint::Identity peer = endpoint_->peer_identity();
  if (!peer.creds) return Errno::kENODATA;
  std::vector<uint32_t> shown = peer.creds->groups;
  for (uint32_t& gid : shown) gid = viewer.ShownGid(gid);
  const auto groups = std::as_bytes(std::span(shown));
  if (groups.size() > max) return Errno::kERANGE;
  return OptionValue(groups.begin(), groups.end());
}

Result<OptionValue> UnixSocket::GetOption(const VfsContext& ctx, int level, int name, size_t max) {
  if (level != abi::kSolSocket) return Errno::kEOPNOTSUPP;
  UnixEndpoint& e = *endpoint_;
  switch (name) {
    case abi::kSoType:
      return ToOption(int32_t{e.type()}, max);
    case abi::kSoDomain:
      return ToOption(int32_t{abi::kAfUnix}, max);
    case abi::kSoProtocol:
      return ToOption(int32_t{0}, max);
    case abi::kSoAcceptConn:
      return ToOption(int32_t{e.listening() ? 1 : 0}, max);
    case abi::kSoError:
      return ToOption(e.TakeError(), max);
    case abi::kSoPassCred:
      return ToOption(int32_t{e.pass_credentials.load(std::memory_order_relaxed) ? 1 : 0}, max);
    case abi::kSoPeekOff:
      return ToOption(e.peek_offset.load(std::memory_order_relaxed), max);
    case abi::kSoPeerCred: {
      const UnixEndpoint::Identity peer = e.peer_identity();
      if (!peer.creds) return ToOption(abi::Ucred{0, kUnknownId, kUnknownId}, max);
      const UserNamespace& ns = *ctx.creds->user_ns;
      return ToOption(
          abi::Ucred{ctx.NumberOf(peer.pid.get()), ns.ShownUid(peer.creds->euid), ns.ShownGid(peer.creds->egid)}, max);
    }
    case abi::kSoPeerGroups:
      return PeerGroups(*ctx.creds->user_ns, max);
    default:
      return e.options().Get(name, max);
  }
}

Result<void> UnixSocket::SetOption(const VfsContext& ctx, int level, int name, std::span<const std::byte> value) {
  if (level != abi::kSolSocket) return Errno::kEOPNOTSUPP;
  switch (name) {
    case abi::kSoType:
    case abi::kSoDomain:
    case abi::kSoProtocol:
    case abi::kSoError:
    case abi::kSoAcceptConn:
      return Errno::kENOPROTOOPT;
    case abi::kSoPassCred:
      endpoint_->pass_credentials.store(TRY(OptionInt(value)) != 0, std::memory_order_relaxed);
      return Ok();
    case abi::kSoPeekOff:
      endpoint_->peek_offset.store(std::max(TRY(OptionInt(value)), -1), std::memory_order_relaxed);
      return Ok();
    default:
      return endpoint_->options().Set(ctx, name, value);
  }
}

Result<uint64_t> UnixSocket::Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) {
  size_t bytes;
  if (request == abi::kSiocInq) {
    bytes = TRY(endpoint_->BytesToRead());
  } else if (request == abi::kSiocOutq) {
    bytes = endpoint_->write_memory();
  } else {
    return Errno::kENOTTY;
  }
  if (ctx.memory == nullptr) return Errno::kEFAULT;
  const int32_t value = static_cast<int32_t>(std::min<size_t>(bytes, INT32_MAX));
  TRY(CopyOutFull(*ctx.memory, UserAddr(arg), std::as_bytes(std::span(&value, 1))));
  return uint64_t{0};
}

Result<RefPtr<Socket>> NewUnixSocket(const VfsContext& ctx, RefPtr<UnixNamespace> names, int type, int protocol,
                                     uint32_t flags) {
  const int checked = TRY(CheckType(type, protocol));
  return MakeFile(ctx, MakeRef<UnixEndpoint>(std::move(names), checked), flags);
}

Result<SocketPair> NewUnixSocketPair(const VfsContext& ctx, RefPtr<UnixNamespace> names, int type, int protocol,
                                     uint32_t flags) {
  const int checked = TRY(CheckType(type, protocol));
  RefPtr<UnixEndpoint> a = MakeRef<UnixEndpoint>(names, checked);
  RefPtr<UnixEndpoint> b = MakeRef<UnixEndpoint>(std::move(names), checked);
  UnixEndpoint::ConnectPair(ctx, *a, *b);
  return SocketPair{MakeFile(ctx, std::move(a), flags), MakeFile(ctx, std::move(b), flags)};
}

}  // namespace sentry
