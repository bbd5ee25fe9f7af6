// Questions about interfaces, addresses and routes: ioctl and rtnetlink.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "netgofer/server/server.h"

namespace netgofer {
namespace {

using base::Errno;
using base::Result;

static_assert(sizeof(ifreq) == kIfreqSize);
constexpr size_t kMaxInterfaces = kMaxReplyData / kIfreqSize;

constexpr uint32_t kRequests[] = {SIOCGIFNAME,    SIOCGIFFLAGS,   SIOCGIFADDR,   SIOCGIFDSTADDR,
                                  SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMETRIC, SIOCGIFMTU,
                                  SIOCGIFHWADDR,  SIOCGIFINDEX,   SIOCGIFTXQLEN, SIOCGIFMAP};
constexpr uint16_t kQuestions[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH, RTM_GETRULE};

template <typename T, size_t kCount>
bool Contains(const T (&list)[kCount], T value) {
  return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

// What one datagram says of the answer to question `sequence`.
enum class Verdict : uint8_t { kNotOurs, kMore, kLast };
Verdict Judge(std::span<const std::byte> datagram, uint32_t sequence, bool dump) {
  Verdict verdict = Verdict::kNotOurs;
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) break;
    if (header.nlmsg_seq != sequence) return Verdict::kNotOurs;
    const bool end = header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR;
    verdict = end || !dump ? Verdict::kLast : Verdict::kMore;
    datagram = datagram.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
  }
  return verdict;
}

// The host makes its datagrams as long as the longest buffer it has seen, and a
// guest's may be a page (glibc's is): so none that is longer than what comes.
ssize_t ReceiveExactly(int fd, std::span<std::byte> buffer) {
  const ssize_t n = recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC);
  if (n < 0) return n;
  return recv(fd, buffer.data(), std::min(buffer.size(), static_cast<size_t>(n)), 0);
}

}  // namespace

bool Server::Interface(const Request& request, std::span<const std::byte> data, ReplyWriter& reply) {
  const auto number = static_cast<uint32_t>(request.a);
  if (data.size() != kIfreqSize || !Contains(kRequests, number)) return reply.Error(Errno::kEINVAL);
  ifreq argument;
  std::memcpy(&argument, data.data(), sizeof argument);
  if (ioctl(inet_.get(), number, &argument) != 0) return reply.Error(base::HostErrno());
  return reply.Last(std::as_bytes(std::span(&argument, 1)));
}

bool Server::Interfaces(ReplyWriter& reply) {
  const auto list = std::make_unique<ifreq[]>(kMaxInterfaces);
  ifconf argument = {};
  argument.ifc_len = kMaxInterfaces * sizeof(ifreq);
  argument.ifc_req = list.get();
  if (ioctl(inet_.get(), SIOCGIFCONF, &argument) != 0) return reply.Error(base::HostErrno());
  const size_t count = static_cast<size_t>(argument.ifc_len) / sizeof(ifreq);
  return reply.Last(std::as_bytes(std::span(list.get(), std::min(count, kMaxInterfaces))));
}

bool Server::Route(const Request& request, std::span<const std::byte> data, ReplyWriter& reply) {
  nlmsghdr header;
  if (data.size() < sizeof header) return reply.Error(Errno::kEINVAL);
  std::memcpy(&header, data.data(), sizeof header);
  if (!Contains(kQuestions, header.nlmsg_type)) return reply.Error(Errno::kEOPNOTSUPP);
  const bool dump = (header.nlmsg_flags & NLM_F_DUMP) != 0;
  // No acknowledgement, no echo: the end of the answer is what Judge knows.
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | (header.nlmsg_flags & NLM_F_DUMP));
  header.nlmsg_len = static_cast<uint32_t>(data.size());
  header.nlmsg_seq = ++sequence_;
  header.nlmsg_pid = 0;
  std::vector<std::byte> question(data.begin(), data.end());
  std::memcpy(question.data(), &header, sizeof header);
  const int strict = (request.flags & kStrict) != 0 ? 1 : 0;
  setsockopt(netlink_.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict, sizeof strict);
  if (send(netlink_.get(), question.data(), question.size(), 0) < 0) return reply.Error(base::HostErrno());
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kMaxReplyData);
  for (;;) {
    const ssize_t n = ReceiveExactly(netlink_.get(), {buffer.get(), kMaxReplyData});
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return reply.Error(errno == EAGAIN ? Errno::kENOBUFS : base::HostErrno());
    const std::span<const std::byte> datagram(buffer.get(), static_cast<size_t>(n));
    switch (Judge(datagram, sequence_, dump)) {
      case Verdict::kNotOurs:
        continue;
      case Verdict::kLast:
        return reply.Last(datagram);
      case Verdict::kMore:
        if (!reply.More(datagram)) return false;
    }
  }
}

}  // namespace netgofer
