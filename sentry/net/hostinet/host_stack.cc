#include "sentry/net/hostinet/host_stack.h"

#include "base/log.h"
#include "netgofer/protocol/proc_files.h"
#include "sentry/abi/inet.h"
#include "sentry/net/hostinet/inet_socket.h"

namespace sentry::hostinet {
namespace {

// As Linux's inet_create and inet6_create choose among their protocols.
Result<void> CheckProtocol(const VfsContext& ctx, int domain, int type, int protocol) {
  if (protocol < 0 || protocol >= abi::kIpprotoMax) return Errno::kEINVAL;
  const int icmp = domain == abi::kAfInet ? abi::kIpprotoIcmp : abi::kIpprotoIcmpv6;
  bool known = false;
  if (type == abi::kSockStream) {
    known = protocol == 0 || protocol == abi::kIpprotoTcp;
  } else if (type == abi::kSockDgram) {
    known = protocol == 0 || protocol == abi::kIpprotoUdp || protocol == icmp;
  } else if (type == abi::kSockRaw) {
    known = protocol != 0;
  } else {
    return Errno::kESOCKTNOSUPPORT;
  }
  if (!known) return Errno::kEPROTONOSUPPORT;
  if (type == abi::kSockRaw && !ctx.creds->Has(Capability::kNetRaw)) return Errno::kEPERM;
  return Ok();
}

}  // namespace

HostStack::HostStack(std::unique_ptr<netgofer::Client> client, std::unique_ptr<SocketPoller> poller, size_t max_sockets)
    : client_(std::move(client)), poller_(std::move(poller)), max_sockets_(max_sockets) {}

HostStack::~HostStack() = default;

Result<RefPtr<Socket>> HostStack::NewSocket(const VfsContext& ctx, int domain, int type, int protocol, uint32_t flags) {
  TRY(CheckProtocol(ctx, domain, type, protocol));
  SocketSlot slot = TRY(SocketSlot::Take(RefPtr<HostStack>(this)));
  base::UniqueFd fd = TRY(client_->NewSocket(domain, type, protocol));
  if (protocol == 0) protocol = type == abi::kSockStream ? abi::kIpprotoTcp : abi::kIpprotoUdp;
  return RefPtr<Socket>(InetSocket::Make(ctx, std::move(slot), std::move(fd), {domain, type, protocol}, flags));
}

Result<std::vector<std::byte>> HostStack::Interface(uint32_t request, std::span<const std::byte> ifreq) {
  return client_->Interface(request, ifreq);
}

Result<std::vector<std::byte>> HostStack::Interfaces() { return client_->Interfaces(); }

Result<NetStack::Datagrams> HostStack::Route(std::span<const std::byte> question, RouteCheck check) {
  using Strict = netgofer::Client::Strict;
  return client_->Route(question, check == RouteCheck::kStrict ? Strict::kYes : Strict::kNo);
}

bool HostStack::HasProcFile(std::string_view directory, std::string_view name) const {
  return client_->HasProcFile(netgofer::FindProcFile(directory, name));
}

Result<std::string> HostStack::ProcFile(std::string_view directory, std::string_view name) {
  const size_t index = netgofer::FindProcFile(directory, name);
  if (index == netgofer::kProcFileCount) return Errno::kENOENT;
  return client_->ReadProcFile(index);
}

Result<SocketSlot> SocketSlot::Take(RefPtr<HostStack> stack) {
  if (stack->sockets_.fetch_add(1, std::memory_order_relaxed) < stack->max_sockets_) {
    return SocketSlot(std::move(stack));
  }
  stack->sockets_.fetch_sub(1, std::memory_order_relaxed);
  LOG(kWarning, "the sandbox has %d sockets of the host, as many as it may", stack->max_sockets_);
  return Errno::kENFILE;
}

SocketSlot::~SocketSlot() {
  if (stack_) stack_->sockets_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace sentry::hostinet
