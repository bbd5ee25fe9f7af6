// Socket options: which are the sentry's own, and what the host may be asked.
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "sentry/abi/inet.h"
#include "sentry/abi/socket.h"
#include "sentry/net/hostinet/inet_socket.h"
#include "sentry/net/hostinet/option_table.h"

namespace sentry::hostinet {
namespace {

bool IsTimeLimit(int name) {
  return name == abi::kSoRcvTimeoOld || name == abi::kSoRcvTimeoNew || name == abi::kSoSndTimeoOld ||
         name == abi::kSoSndTimeoNew;
}

bool IsKnownLevel(int level) {
  return std::any_of(std::begin(kHostOptions), std::end(kHostOptions),
                     [level](const HostOption& option) { return option.level == level; });
}

}  // namespace

Result<OptionValue> InetSocket::GetOption(const VfsContext&, int level, int name, size_t max) {
  if (level == abi::kSolSocket) {
    if (IsTimeLimit(name) || name == abi::kSoLinger) return options_.Get(name, max);
    if (name == abi::kSoType) return ToOption(int32_t{kind_.type}, max);
    if (name == abi::kSoDomain) return ToOption(int32_t{kind_.domain}, max);
    if (name == abi::kSoProtocol) return ToOption(int32_t{kind_.protocol}, max);
    if (name == abi::kSoError) {
      const int32_t late = late_error_.exchange(0, std::memory_order_relaxed);
      if (late != 0) return ToOption(late, max);
    }
  }
  const HostOption* const option = FindHostOption(level, name, OptionUse::kGet);
  // As ip_getsockopt says of levels that nobody has.
  if (option == nullptr && !IsKnownLevel(level) && kind_.domain == abi::kAfInet) return Errno::kEOPNOTSUPP;
  if (option == nullptr) return Errno::kENOPROTOOPT;
  OptionValue value(std::min<size_t>(max, option->max_size));
  socklen_t length = static_cast<socklen_t>(value.size());
  if (getsockopt(fd_.get(), level, name, value.data(), &length) != 0) return base::HostErrno();
  value.resize(std::min<size_t>(length, value.size()));
  return value;
}

// close(2) of the last descriptor must not wait in the host, and would: the
// guest is told what it has set, the host does only what needs no wait.
Result<void> InetSocket::SetLinger(const VfsContext& ctx, std::span<const std::byte> value) {
  TRY(options_.Set(ctx, abi::kSoLinger, value));
  abi::Linger linger;
  std::memcpy(&linger, value.data(), sizeof linger);
  if (linger.linger != 0) linger = {};
  return SetOnHost(abi::kSolSocket, abi::kSoLinger, std::as_bytes(std::span(&linger, 1)));
}

Result<void> InetSocket::SetOnHost(int level, int name, std::span<const std::byte> value) {
  const HostOption* const option = FindHostOption(level, name, OptionUse::kSet);
  if (option == nullptr) return Errno::kENOPROTOOPT;
  const socklen_t length = static_cast<socklen_t>(std::min<size_t>(value.size(), option->max_size));
  if (setsockopt(fd_.get(), level, name, value.data(), length) != 0) return base::HostErrno();
  return Ok();
}

Result<void> InetSocket::SetOption(const VfsContext& ctx, int level, int name, std::span<const std::byte> value) {
  if (level != abi::kSolSocket) return SetOnHost(level, name, value);
  if (IsTimeLimit(name)) return options_.Set(ctx, name, value);
  switch (name) {
    case abi::kSoLinger:
      return SetLinger(ctx, value);
    case abi::kSoSndBufForce:
    case abi::kSoRcvBufForce:
      TRY(OptionInt(value));
      if (!ctx.creds->Has(Capability::kNetAdmin)) return Errno::kEPERM;
      // The memory is the host's: its maximum holds for all.
      return SetOnHost(level, name == abi::kSoSndBufForce ? abi::kSoSndBuf : abi::kSoRcvBuf, value);
    case abi::kSoMark:
    case abi::kSoBindToDevice:
      return Errno::kEPERM;  // where packets go is for the operator to say
    default:
      return SetOnHost(level, name, value);
  }
}

}  // namespace sentry::hostinet
