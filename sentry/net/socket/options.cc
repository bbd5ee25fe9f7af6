#include "sentry/net/socket/options.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "sentry/abi/socket.h"

namespace sentry {
namespace {

constexpr int32_t kBufferMax = 212992;  // net.core.wmem_max, rmem_max
constexpr int32_t kMinSendBuffer = 4608, kMinReceiveBuffer = 2304;
constexpr int64_t kUsecPerSec = 1'000'000;

// Booleans that are kept and told, and change nothing here.
bool IsFlag(int name) {
  switch (name) {
    case abi::kSoDebug:
    case abi::kSoReuseAddr:
    case abi::kSoDontRoute:
    case abi::kSoBroadcast:
    case abi::kSoKeepAlive:
    case abi::kSoOobInline:
    case abi::kSoNoCheck:
    case abi::kSoReusePort:
    case abi::kSoTimestampOld:
      return true;
    default:
      return false;
  }
}

struct TimevalBytes {
  int64_t sec;
  int64_t usec;
};

Result<int64_t> TimeoutFrom(std::span<const std::byte> value) {
  TimevalBytes tv;
  if (value.size() < sizeof(tv)) return Errno::kEINVAL;
  memcpy(&tv, value.data(), sizeof(tv));
  if (tv.usec < 0 || tv.usec >= kUsecPerSec) return Errno::kEDOM;
  if (tv.sec < 0) return int64_t{1};  // as Linux: over at once
  if (tv.sec > INT64_MAX / 1'000'000'000 - 1) return int64_t{0};
  return tv.sec * 1'000'000'000 + tv.usec * 1000;
}

OptionValue TimeoutToOption(int64_t ns, size_t max) {
  return ToOption(TimevalBytes{ns / 1'000'000'000, ns / 1000 % kUsecPerSec}, max);
}

}  // namespace

Result<int32_t> OptionInt(std::span<const std::byte> value) {
  int32_t v;
  if (value.size() < sizeof(v)) return Errno::kEINVAL;
  memcpy(&v, value.data(), sizeof(v));
  return v;
}

Result<OptionValue> SocketOptions::Get(int name, size_t max) const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (IsFlag(name)) return ToOption(static_cast<int32_t>((flags_.load(kRelaxed) >> name) & 1), max);
  switch (name) {
    case abi::kSoSndBuf:
      return ToOption(send_buffer_.load(kRelaxed), max);
    case abi::kSoRcvBuf:
      return ToOption(receive_buffer_.load(kRelaxed), max);
    case abi::kSoPriority:
      return ToOption(priority_.load(kRelaxed), max);
    case abi::kSoLinger:
      return ToOption(linger_.load(kRelaxed), max);
    case abi::kSoRcvLoWat:
      return ToOption(receive_low_water_.load(kRelaxed), max);
    case abi::kSoSndLoWat:
      return ToOption(int32_t{1}, max);
    case abi::kSoRcvTimeoOld:
    case abi::kSoRcvTimeoNew:
      return TimeoutToOption(receive_timeout_ns(), max);
    case abi::kSoSndTimeoOld:
    case abi::kSoSndTimeoNew:
      return TimeoutToOption(send_timeout_ns(), max);
    default:
      return Errno::kENOPROTOOPT;
  }
}

void SocketOptions::Inherit(const SocketOptions& from) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  send_buffer_.store(from.send_buffer_.load(kRelaxed), kRelaxed);
  receive_buffer_.store(from.receive_buffer_.load(kRelaxed), kRelaxed);
  receive_low_water_.store(from.receive_low_water_.load(kRelaxed), kRelaxed);
  priority_.store(from.priority_.load(kRelaxed), kRelaxed);
  flags_.store(from.flags_.load(kRelaxed), kRelaxed);
  linger_.store(from.linger_.load(kRelaxed), kRelaxed);
  receive_timeout_.store(from.receive_timeout_.load(kRelaxed), kRelaxed);
  send_timeout_.store(from.send_timeout_.load(kRelaxed), kRelaxed);
}

Result<void> SocketOptions::Set(const VfsContext& ctx, int name, std::span<const std::byte> value) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  const int32_t v = TRY(OptionInt(value));
  if (IsFlag(name)) {
    if (name == abi::kSoDebug && v != 0 && !ctx.creds->Has(Capability::kNetAdmin)) return Errno::kEACCES;
    const uint64_t bit = uint64_t{1} << name;
    v != 0 ? flags_.fetch_or(bit, kRelaxed) : flags_.fetch_and(~bit, kRelaxed);
    return Ok();
  }
  switch (name) {
    case abi::kSoSndBufForce:
    case abi::kSoRcvBufForce:
      if (!ctx.creds->Has(Capability::kNetAdmin)) return Errno::kEPERM;
      [[fallthrough]];  // the memory is the sentry's own: the maximum holds for all
    case abi::kSoSndBuf:
    case abi::kSoRcvBuf: {
      const bool send = name == abi::kSoSndBuf || name == abi::kSoSndBufForce;
      // Linux compares as unsigned, so negative means the maximum, and doubles.
      const int32_t bounded = v < 0 ? kBufferMax : std::min(v, kBufferMax);
      (send ? send_buffer_ : receive_buffer_)
          .store(std::max(bounded * 2, send ? kMinSendBuffer : kMinReceiveBuffer), kRelaxed);
      return Ok();
    }
    case abi::kSoPriority:
      if ((v < 0 || v > 6) && !ctx.creds->Has(Capability::kNetAdmin)) return Errno::kEPERM;
      priority_.store(v, kRelaxed);
      return Ok();
    case abi::kSoLinger: {
      abi::Linger linger;
      if (value.size() < sizeof(linger)) return Errno::kEINVAL;
      memcpy(&linger, value.data(), sizeof(linger));
      linger.onoff = linger.onoff != 0 ? 1 : 0;
      linger_.store(std::bit_cast<uint64_t>(linger), kRelaxed);
      return Ok();
    }
    case abi::kSoRcvLoWat:
      receive_low_water_.store(v < 0 ? INT32_MAX : std::max(v, 1), kRelaxed);
      return Ok();
    case abi::kSoRcvTimeoOld:
    case abi::kSoRcvTimeoNew:
      receive_timeout_.store(TRY(TimeoutFrom(value)), kRelaxed);
      return Ok();
    case abi::kSoSndTimeoOld:
    case abi::kSoSndTimeoNew:
      send_timeout_.store(TRY(TimeoutFrom(value)), kRelaxed);
      return Ok();
    default:
      return Errno::kENOPROTOOPT;
  }
}

}  // namespace sentry
