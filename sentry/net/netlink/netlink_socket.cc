#include "sentry/net/netlink/netlink_socket.h"

#include <algorithm>
#include <cstring>

#include "sentry/abi/netlink.h"
#include "sentry/abi/socket.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {
namespace {

// A dump is as large as the host's tables; a reader may be slow.
constexpr size_t kMaxQueued = 4 << 20;
constexpr size_t kMaxQuestion = 4 << 10;

Result<abi::SockaddrNl> ParseAddress(std::span<const std::byte> address) {
  abi::SockaddrNl nl;
  if (address.size() < sizeof nl) return Errno::kEINVAL;
  memcpy(&nl, address.data(), sizeof nl);
  if (nl.family != abi::kAfNetlink) return Errno::kEINVAL;
  return nl;
}

SocketAddress ToBytes(uint32_t port) {
  const abi::SockaddrNl nl{abi::kAfNetlink, 0, port, 0};
  const auto bytes = std::as_bytes(std::span(&nl, 1));
  return {bytes.begin(), bytes.end()};
}

// An answer as its asker expects it: with its own sequence number and port.
void Readdress(std::span<std::byte> datagram, uint32_t seq, uint32_t port) {
  while (datagram.size() >= sizeof(abi::Nlmsghdr)) {
    abi::Nlmsghdr header;
    memcpy(&header, datagram.data(), sizeof header);
    if (header.len < sizeof header || header.len > datagram.size()) return;
    header.seq = seq;
    header.port = port;
    memcpy(datagram.data(), &header, sizeof header);
    datagram = datagram.subspan(std::min(abi::NlmsgAlign(header.len), datagram.size()));
  }
}

}  // namespace

NetlinkSocket::NetlinkSocket(Path path, uint32_t flags, RefPtr<NetState> net, int type)
    : Socket(std::move(path), flags), net_(std::move(net)), type_(type) {}

NetlinkSocket::~NetlinkSocket() {
  if (port_ != 0) net_->DropPort(port_);
}

int NetlinkSocket::domain() const { return abi::kAfNetlink; }

uint32_t NetlinkSocket::Port(const VfsContext& ctx) {
  {
    base::MutexLock lock(mu_);
    if (port_ != 0) return port_;
  }
  const uint32_t port = net_->TakeAnyPort(static_cast<uint32_t>(ctx.tgid));
  base::MutexLock lock(mu_);
  if (port_ == 0) {
    port_ = port;
    return port;
  }
  const uint32_t first = port_;  // another thread's
  net_->DropPort(port);
  return first;
}

Result<void> NetlinkSocket::Bind(const VfsContext& ctx, std::span<const std::byte> address) {
  const abi::SockaddrNl nl = TRY(ParseAddress(address));
  if (nl.groups != 0) return Errno::kEPERM;  // there are no news to tell
  uint32_t own;
  {
    base::MutexLock lock(mu_);
    own = port_;
  }
  if (own != 0) return nl.port == own ? Ok() : Errno::kEINVAL;
  if (nl.port == 0) {
    Port(ctx);
    return Ok();
  }
  TRY(net_->TakePort(nl.port));
  base::MutexLock lock(mu_);
  if (port_ == 0) {
    port_ = nl.port;
    return Ok();
  }
  net_->DropPort(nl.port);
  return Errno::kEINVAL;
}

// The kernel is the only peer there is.
Result<void> NetlinkSocket::Connect(const VfsContext& ctx, std::span<const std::byte> address) {
  uint16_t family;
  if (address.size() < sizeof family) return Errno::kEINVAL;
  memcpy(&family, address.data(), sizeof family);
  if (family == abi::kAfUnspec) return Ok();
  const abi::SockaddrNl nl = TRY(ParseAddress(address));
  if (nl.groups != 0 || nl.port != 0) return Errno::kEPERM;
  Port(ctx);
  return Ok();
}

Result<SocketAddress> NetlinkSocket::LocalAddress() {
  base::MutexLock lock(mu_);
  return ToBytes(port_);
}

Result<SocketAddress> NetlinkSocket::PeerAddress() { return ToBytes(0); }

Result<size_t> NetlinkSocket::SendMessage(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to,
                                          ControlData, uint32_t flags) {
  if ((flags & abi::kMsgOob) != 0) return Errno::kEOPNOTSUPP;
  if (!to.empty()) {
    const abi::SockaddrNl nl = TRY(ParseAddress(to));
    if (nl.groups != 0) return Errno::kEPERM;
    if (nl.port != 0) return Errno::kECONNREFUSED;
  }
  const size_t size = src.remaining();
  if (size > kMaxQuestion) return Errno::kEMSGSIZE;
  Datagram message(size);
  if (size > 0 && TRY(src.Read(message)) < size) return Errno::kEFAULT;
  // Linux's netlink_rcv_skb.
  std::span<const std::byte> rest = message;
  while (rest.size() >= sizeof(abi::Nlmsghdr)) {
    abi::Nlmsghdr header;
    memcpy(&header, rest.data(), sizeof header);
    if (header.len < sizeof header || header.len > rest.size()) break;
    Answer(ctx, rest.first(header.len));
    rest = rest.subspan(std::min(abi::NlmsgAlign(header.len), rest.size()));
  }
  return size;
}

void NetlinkSocket::Answer(const VfsContext& ctx, std::span<const std::byte> question) {
  abi::Nlmsghdr header;
  memcpy(&header, question.data(), sizeof header);
  const uint32_t port = Port(ctx);
  const bool asks = (header.flags & abi::kNlmFRequest) != 0 && header.type >= abi::kNlmsgMinType;
  Errno error{};
  bool failed = false;
  if (asks) {
    // Of each kind's four messages the third asks; the others change.
    const bool changes = header.type <= abi::kRtmMax && ((header.type - abi::kRtmBase) & 3) != 2;
    const auto check =
        strict_.load(std::memory_order_relaxed) ? NetStack::RouteCheck::kStrict : NetStack::RouteCheck::kLoose;
    Result<NetStack::Datagrams> answer = Errno::kEOPNOTSUPP;
    if (changes) {
      answer = Errno::kEPERM;
    } else if (net_->stack() != nullptr) {
      answer = net_->stack()->Route(question, check);
    }
    failed = !answer.ok();
    if (failed) {
      error = answer.error();
    } else {
      for (Datagram& datagram : *answer) {
        Readdress(datagram, header.seq, port);
        if (!Enqueue(std::move(datagram))) return;
      }
    }
  }
  if (failed || (header.flags & abi::kNlmFAck) != 0) Acknowledge(question, error, failed);
}

void NetlinkSocket::Acknowledge(std::span<const std::byte> question, Errno error, bool failed) {
  abi::Nlmsgerr body{};
  body.error = failed ? -static_cast<int32_t>(error) : 0;
  memcpy(&body.request, question.data(), sizeof body.request);
  // An error carries the whole question, an acknowledgement its header.
  const size_t payload = failed ? question.size() - sizeof body.request : 0;
  abi::Nlmsghdr header{};
  header.len = static_cast<uint32_t>(sizeof header + sizeof body + payload);
  header.type = abi::kNlmsgError;
  header.flags = failed ? 0 : abi::kNlmFCapped;
  header.seq = body.request.seq;
  {
    base::MutexLock lock(mu_);
    header.port = port_;
  }
  Datagram datagram(abi::NlmsgAlign(header.len));
  memcpy(datagram.data(), &header, sizeof header);
  memcpy(datagram.data() + sizeof header, &body, sizeof body);
  if (payload > 0) {
    memcpy(datagram.data() + sizeof header + sizeof body, question.data() + sizeof body.request, payload);
  }
  Enqueue(std::move(datagram));
}

bool NetlinkSocket::Enqueue(Datagram datagram) {
  {
    base::MutexLock lock(mu_);
    if (bytes_ + datagram.size() > kMaxQueued) {
      overrun_ = true;
    } else {
      bytes_ += datagram.size();
      received_.push_back(std::move(datagram));
    }
  }
  queue_.Notify(base::kEventIn | base::kEventRdNorm);
  base::MutexLock lock(mu_);
  return !overrun_;
}

Result<ReceiveResult> NetlinkSocket::ReceiveMessage(const VfsContext&, IoSink& dst, uint32_t flags) {
  if ((flags & abi::kMsgOob) != 0) return Errno::kEOPNOTSUPP;
  Datagram datagram;
  {
    base::MutexLock lock(mu_);
    if (overrun_) {
      overrun_ = false;
      return Errno::kENOBUFS;
    }
    if (received_.empty()) return Errno::kEAGAIN;
    if ((flags & abi::kMsgPeek) != 0) {
      datagram = received_.front();
    } else {
      datagram = std::move(received_.front());
      received_.pop_front();
      bytes_ -= datagram.size();
    }
  }
  ReceiveResult result;
  const size_t n = std::min(dst.remaining(), datagram.size());
  if (n > 0 && TRY(dst.Write(std::span(datagram).first(n))) < n) return Errno::kEFAULT;
  if (n < datagram.size()) result.flags |= abi::kMsgTrunc;
  result.bytes = (flags & abi::kMsgTrunc) != 0 ? datagram.size() : n;
  result.from = ToBytes(0);
  return result;
}

Result<OptionValue> NetlinkSocket::GetOption(const VfsContext&, int level, int name, size_t max) {
  if (level == abi::kSolNetlink && name == abi::kNetlinkGetStrictChk) {
    if (max < sizeof(int32_t)) return Errno::kEINVAL;
    return ToOption(int32_t{strict_.load(std::memory_order_relaxed) ? 1 : 0}, max);
  }
  if (level != abi::kSolSocket) return Errno::kENOPROTOOPT;
  switch (name) {
    case abi::kSoType:
      return ToOption(int32_t{type_}, max);
    case abi::kSoDomain:
      return ToOption(int32_t{abi::kAfNetlink}, max);
    case abi::kSoProtocol:
      return ToOption(int32_t{abi::kNetlinkRoute}, max);
    case abi::kSoError:
    case abi::kSoAcceptConn:
      return ToOption(int32_t{0}, max);
    default:
      return options_.Get(name, max);
  }
}

Result<void> NetlinkSocket::SetOption(const VfsContext& ctx, int level, int name, std::span<const std::byte> value) {
  if (level == abi::kSolNetlink && name == abi::kNetlinkGetStrictChk) {
    strict_.store(TRY(OptionInt(value)) != 0, std::memory_order_relaxed);
    return Ok();
  }
  if (level != abi::kSolSocket) return Errno::kENOPROTOOPT;
  return options_.Set(ctx, name, value);
}

base::EventMask NetlinkSocket::Readiness(base::EventMask mask) {
  base::MutexLock lock(mu_);
  base::EventMask now = base::kEventOut | base::kEventWrNorm;
  if (!received_.empty()) now |= base::kEventIn | base::kEventRdNorm;
  if (overrun_) now |= base::kEventErr;
  return now & (mask | base::kEventErr);
}

Result<uint64_t> NetlinkSocket::Ioctl(const VfsContext&, uint32_t, uint64_t) { return Errno::kENOTTY; }

Result<RefPtr<Socket>> NewNetlinkSocket(const VfsContext& ctx, RefPtr<NetState> net, int type, int protocol,
                                        uint32_t flags) {
  if (type != abi::kSockRaw && type != abi::kSockDgram) return Errno::kESOCKTNOSUPPORT;
  if (protocol != abi::kNetlinkRoute || net->stack() == nullptr) return Errno::kEPROTONOSUPPORT;
  return RefPtr<Socket>(
      MakeRef<NetlinkSocket>(NewSocketPath(ctx), abi::kORdWr | (flags & abi::kONonBlock), std::move(net), type));
}

}  // namespace sentry
