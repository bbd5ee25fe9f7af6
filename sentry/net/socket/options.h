// The options of SOL_SOCKET that every address family has (man 7 socket), and
// helpers for the families' own.
#ifndef SENTRY_NET_SOCKET_OPTIONS_H_
#define SENTRY_NET_SOCKET_OPTIONS_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "sentry/vfs/context.h"

namespace sentry {

using OptionValue = std::vector<std::byte>;

// The first `max` bytes of `value`, as getsockopt(2) gives them out.
template <typename T>
OptionValue ToOption(const T& value, size_t max) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return OptionValue(bytes.begin(), bytes.begin() + std::min(max, bytes.size()));
}
// EINVAL when shorter than an int.
Result<int32_t> OptionInt(std::span<const std::byte> value);

// Each field is independent of all others, so they are relaxed atomics.
class SocketOptions {
 public:
  int32_t send_buffer() const { return send_buffer_.load(std::memory_order_relaxed); }
  int32_t receive_buffer() const { return receive_buffer_.load(std::memory_order_relaxed); }
  int64_t receive_timeout_ns() const { return receive_timeout_.load(std::memory_order_relaxed); }
  int64_t send_timeout_ns() const { return send_timeout_.load(std::memory_order_relaxed); }

  // ENOPROTOOPT for names of the family's own, or unknown.
  Result<OptionValue> Get(int name, size_t max) const;
  Result<void> Set(const VfsContext& ctx, int name, std::span<const std::byte> value);
  // Of a connection: what its listener had set.
  void Inherit(const SocketOptions& from);

 private:
  std::atomic<int32_t> send_buffer_{212992};  // net.core.wmem_default
  std::atomic<int32_t> receive_buffer_{212992};
  std::atomic<int32_t> receive_low_water_{1};
  std::atomic<int32_t> priority_{0};
  std::atomic<uint64_t> flags_{0};           // bit n: the boolean option n is on
  std::atomic<uint64_t> linger_{0};          // struct linger as an integer
  std::atomic<int64_t> receive_timeout_{0};  // ns; 0: none
  std::atomic<int64_t> send_timeout_{0};
};

}  // namespace sentry

#endif  // SENTRY_NET_SOCKET_OPTIONS_H_
