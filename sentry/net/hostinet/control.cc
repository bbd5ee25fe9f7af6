#include "sentry/net/hostinet/control.h"

#include <algorithm>
#include <cstring>

#include "sentry/abi/inet.h"
#include "sentry/abi/socket.h"

namespace sentry::hostinet {
namespace {

struct Kind {
  int level, type;
};
constexpr Kind kSendable[] = {
    {abi::kSolIp, abi::kIpTos},          {abi::kSolIp, abi::kIpTtl},          {abi::kSolIp, abi::kIpPktInfo},
    {abi::kSolIpv6, abi::kIpv6PktInfo},  {abi::kSolIpv6, abi::kIpv6HopLimit}, {abi::kSolIpv6, abi::kIpv6Tclass},
    {abi::kSolIpv6, abi::kIpv6DontFrag}, {abi::kSolUdp, abi::kUdpSegment},
};
constexpr Kind kReceivable[] = {
    {abi::kSolSocket, abi::kSoTimestampOld},
    {abi::kSolSocket, abi::kSoTimestampNs},
    {abi::kSolSocket, abi::kSoRxqOvfl},
    {abi::kSolSocket, 63},  // SO_TIMESTAMP_NEW
    {abi::kSolSocket, 64},  // SO_TIMESTAMPNS_NEW
    {abi::kSolIp, abi::kIpTos},
    {abi::kSolIp, abi::kIpTtl},
    {abi::kSolIp, abi::kIpRecvOpts},
    {abi::kSolIp, abi::kIpRetOpts},
    {abi::kSolIp, abi::kIpPktInfo},
    {abi::kSolIp, abi::kIpRecvErr},
    {abi::kSolIp, abi::kIpOrigDstAddr},
    {abi::kSolIpv6, abi::kIpv6FlowInfo},
    {abi::kSolIpv6, abi::kIpv6RecvErr},
    {abi::kSolIpv6, abi::kIpv6PktInfo},
    {abi::kSolIpv6, abi::kIpv6HopLimit},
    {abi::kSolIpv6, abi::kIpv6PathMtu},
    {abi::kSolIpv6, abi::kIpv6Tclass},
    {abi::kSolIpv6, abi::kIpv6OrigDstAddr},
    {abi::kSolUdp, abi::kUdpGro},
    {abi::kSolTcp, abi::kTcpCmInq},
};

template <size_t kCount>
bool Allows(const Kind (&list)[kCount], int level, int type) {
  return std::any_of(std::begin(list), std::end(list),
                     [&](const Kind& kind) { return kind.level == level && kind.type == type; });
}

// Levels whose protocols refuse what they do not know; others are passed over.
bool IsStrict(int level) {
  return level == abi::kSolSocket || level == abi::kSolIp || level == abi::kSolIpv6 || level == abi::kSolUdp;
}

bool IsOfUnix(const ControlRecord& record) {
  return record.level == abi::kSolSocket && (record.type == abi::kScmRights || record.type == abi::kScmCredentials);
}

}  // namespace

Result<std::vector<std::byte>> ToHostControl(const ControlData& control) {
  std::vector<std::byte> bytes;
  for (const ControlRecord& record : control.records) {
    if (IsOfUnix(record)) continue;
    if (!Allows(kSendable, record.level, record.type)) {
      if (IsStrict(record.level)) return Errno::kEINVAL;
      continue;
    }
    const size_t at = bytes.size(), space = abi::CmsgSpace(record.data.size());
    if (space > kMaxHostControl - at) return Errno::kENOBUFS;
    bytes.resize(at + space);
    const abi::Cmsghdr header{abi::CmsgLen(record.data.size()), record.level, record.type};
    std::memcpy(bytes.data() + at, &header, sizeof header);
    if (!record.data.empty()) {
      std::memcpy(bytes.data() + at + sizeof header, record.data.data(), record.data.size());
    }
  }
  return bytes;
}

std::vector<ControlRecord> FromHostControl(std::span<const std::byte> bytes) {
  std::vector<ControlRecord> records;
  while (bytes.size() >= sizeof(abi::Cmsghdr)) {
    abi::Cmsghdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.len < sizeof header || header.len > bytes.size()) break;
    if (Allows(kReceivable, header.level, header.type)) {
      const auto data = bytes.subspan(sizeof header, header.len - sizeof header);
      records.push_back({header.level, header.type, {data.begin(), data.end()}});
    }
    bytes = bytes.subspan(std::min<size_t>(abi::CmsgAlign(header.len), bytes.size()));
  }
  return records;
}

}  // namespace sentry::hostinet
