// The netgofer process, once it is locked in: serves the sentry until it goes.
#ifndef NETGOFER_SERVER_SERVER_H_
#define NETGOFER_SERVER_SERVER_H_

#include <functional>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "netgofer/protocol/packet.h"
#include "netgofer/protocol/wire.h"
#include "netgofer/server/namespace_files.h"

namespace netgofer {

struct ServerOptions {
  std::vector<base::UniqueFd> channels;
  NamespaceFiles files;
  bool raw = false;  // SOCK_RAW is allowed
};

// What a request is answered with. Packets but the last are sent at once.
class ReplyWriter {
 public:
  explicit ReplyWriter(int channel) : channel_(channel) {}
  // False: the client is gone.
  bool More(std::span<const std::byte> data) { return Send(0, kMore, data, -1); }
  bool Last(std::span<const std::byte> data, int fd = -1) { return Send(0, 0, data, fd); }
  bool Error(base::Errno error) { return Send(static_cast<int32_t>(error), 0, {}, -1); }
  bool Answer(const base::Result<void>& result) { return result.ok() ? Last({}) : Error(result.error()); }

 private:
  bool Send(int32_t error, uint32_t flags, std::span<const std::byte> data, int fd);
  const int channel_;
};

class Server {
 public:
  explicit Server(ServerOptions options) : options_(std::move(options)) {}
  // What serving needs and the host filter lets nobody make later.
  base::Result<void> SetUp();
  // Until the client has gone.
  void Serve();

 private:
  // False: the client is gone, or sent what is no request.
  bool ServeOne(int channel);
  bool Handle(const Request& request, std::span<const std::byte> data, int fd, ReplyWriter& reply);
  bool Hello(ReplyWriter& reply);
  bool NewSocket(const Request& request, ReplyWriter& reply);
  base::Result<void> CheckOwn(int fd) const;
  base::Result<void> Connect(int fd, std::span<const std::byte> address, uint32_t flags);
  bool Accept(int fd, ReplyWriter& reply);
  bool Interface(const Request& request, std::span<const std::byte> data, ReplyWriter& reply);
  bool Interfaces(ReplyWriter& reply);
  bool Route(const Request& request, std::span<const std::byte> data, ReplyWriter& reply);
  bool ProcFile(const Request& request, ReplyWriter& reply);

  ServerOptions options_;
  base::UniqueFd inet_;            // for SIOCGIF*
  base::UniqueFd netlink_;         // NETLINK_ROUTE
  uint64_t namespace_cookie_ = 0;  // 0: the host can't tell
  uint32_t sequence_ = 0;
};

}  // namespace netgofer

#endif  // NETGOFER_SERVER_SERVER_H_
