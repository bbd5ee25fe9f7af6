// Messages between the sentry and the netgofer: one request, then its reply in
// one packet or more, over a SEQPACKET socket. A descriptor that a message is
// about goes with it by SCM_RIGHTS.
#ifndef NETGOFER_PROTOCOL_WIRE_H_
#define NETGOFER_PROTOCOL_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace netgofer {

enum class Op : uint32_t {
  kHello,       // -> data: Hello
  kSocket,      // a, b, c: socket(2)'s -> descriptor
  kBind,        // descriptor, data: address
  kConnect,     // descriptor, data: address; kSettle
  kListen,      // descriptor, a: backlog
  kAccept,      // descriptor -> descriptor, data: peer's address
  kInterface,   // a: SIOCGIF*, data: struct ifreq -> data: the same
  kInterfaces,  // SIOCGIFCONF -> data: struct ifreq each
  kRoute,       // data: one NETLINK_ROUTE question -> a packet a datagram; kStrict
  kProcFile,    // a: index in proc_files.h -> packets of text
};

// Request flags.
inline constexpr uint32_t kSettle = 1;  // look once more whether a connection that is under way is there
inline constexpr uint32_t kStrict = 2;  // NETLINK_GET_STRICT_CHK
// Reply flags.
inline constexpr uint32_t kMore = 1;  // another packet of this reply follows

struct Request {
  Op op;
  uint32_t flags;
  int32_t a, b, c;
  uint32_t size;  // of the data that follows
};
static_assert(sizeof(Request) == 24 && std::is_trivially_copyable_v<Request>);

struct Reply {
  int32_t error;  // an errno, or 0
  uint32_t flags;
  uint32_t size;
};
static_assert(sizeof(Reply) == 12 && std::is_trivially_copyable_v<Reply>);

// What the namespace has set when the netgofer starts.
struct Hello {
  uint64_t proc_files;  // bit N: there is kProcFiles[N]
  uint32_t unprivileged_port_start;
  uint32_t pad;
};
static_assert(sizeof(Hello) == 16);

inline constexpr size_t kMaxRequestData = 4 << 10;
inline constexpr size_t kMaxReplyData = 64 << 10;
inline constexpr size_t kMaxAddress = 128;  // sizeof(struct sockaddr_storage)
inline constexpr size_t kIfreqSize = 40;
inline constexpr size_t kMaxChannels = 16;

}  // namespace netgofer

#endif  // NETGOFER_PROTOCOL_WIRE_H_
