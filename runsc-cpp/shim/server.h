// A ttrpc server: unary calls over Unix stream sockets.
#ifndef RUNSC_CPP_SHIM_SERVER_H_
#define RUNSC_CPP_SHIM_SERVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "google/protobuf/message_lite.h"
#include "runsc-cpp/shim/frame.h"
#include "runsc-cpp/shim/loop.h"

namespace runsc::shim {

class Connection;

// The answer to one call, to be given once, at any time. Nobody may wait for it any more.
class Reply {
 public:
  Reply() = default;
  Reply(std::weak_ptr<Connection> connection, uint32_t stream) : connection_(std::move(connection)), stream_(stream) {}

  bool wanted() const { return !connection_.expired(); }
  void Send(const google::protobuf::MessageLite& message) const;
  void SendEmpty() const { SendRaw(absl::OkStatus(), ""); }
  // Its code is gRPC's of the same name.
  void Fail(const absl::Status& status) const { SendRaw(status, ""); }
  void Finish(const absl::Status& status) const { SendRaw(status, ""); }

 private:
  void SendRaw(const absl::Status& status, std::string payload) const;

  std::weak_ptr<Connection> connection_;
  uint32_t stream_ = 0;
};

class Server {
 public:
  using Handler =
      std::function<void(absl::string_view service, absl::string_view method, const std::string& payload, Reply reply)>;

  static constexpr size_t kMaxConnections = 512;
  static constexpr size_t kMaxCalls = 1024;      // of one connection, unanswered
  static constexpr size_t kMaxUnsent = 8 << 20;  // bytes; beyond, nothing more is read from the peer

  Server(Loop& loop, Handler handler) : loop_(loop), handler_(std::move(handler)) {}
  ~Server();
  absl::Status Listen(base::UniqueFd socket);
  // Whether answers wait to be sent.
  bool busy() const;

 private:
  friend class Connection;
  void Accept();
  void Remove(int fd);

  Loop& loop_;
  Handler handler_;
  base::UniqueFd listener_;
  std::map<int, std::shared_ptr<Connection>> connections_;
};

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_SERVER_H_
