#include "runsc-cpp/shim/server.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "runsc-cpp/shim/wire.pb.h"

namespace runsc::shim {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server& server, base::UniqueFd socket) : server_(server), socket_(std::move(socket)) {}

  void Start() { Rewatch(); }
  bool busy() const { return !unsent_.empty(); }
  int fd() const { return socket_.get(); }

  void Answer(uint32_t stream, const absl::Status& status, std::string payload) {
    if (calls_ > 0) --calls_;
    Write(stream, status, std::move(payload));
  }

 private:
  void Write(uint32_t stream, const absl::Status& status, std::string payload) {
    RpcResponse response;
    response.mutable_status()->set_code(static_cast<int>(status.code()));
    response.mutable_status()->set_message(std::string(status.message()));
    response.set_payload(std::move(payload));
    std::string data = response.SerializeAsString();
    if (data.size() > kMaxFrameData) {
      Write(stream, absl::ResourceExhaustedError("the answer is too long"), "");
      return;
    }
    unsent_ += EncodeFrame(stream, FrameType::kResponse, data);
    Flush();
  }

  void Rewatch() {
    uint32_t events = unsent_.empty() ? 0u : uint32_t{EPOLLOUT};
    if (unsent_.size() < Server::kMaxUnsent) events |= EPOLLIN;
    if (events == events_) return;
    events_ = events;
    (void)server_.loop_.Watch(fd(), events, [this](uint32_t happened) { Ready(happened); });
  }

  void Ready(uint32_t events) {
    const std::shared_ptr<Connection> self = shared_from_this();
    if ((events & EPOLLOUT) != 0) Flush();
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !ReadSome()) {
      server_.Remove(fd());
      return;
    }
    Rewatch();
  }

  void Flush() {
    while (!unsent_.empty()) {
      const ssize_t n = send(fd(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno != EAGAIN) unsent_.clear();  // the peer is gone: the read side will tell
      if (n < 0) break;
      unsent_.erase(0, static_cast<size_t>(n));
    }
    Rewatch();
  }

  // False: the connection has ended.
  bool ReadSome() {
    char buffer[16 << 10];
    const ssize_t n = recv(fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    absl::string_view bytes(buffer, static_cast<size_t>(n));
    while (!bytes.empty()) {
      if (reader_.Read(bytes)) Take(reader_.frame());
    }
    return true;
  }

  void Take(Frame& frame) {
    if (frame.type != FrameType::kRequest) return;  // data of a stream that we have not opened
    if (frame.stream % 2 == 0) {
      return Write(frame.stream, absl::InvalidArgumentError("stream ids of clients are odd"), "");
    }
    if (frame.too_long) {
      return Write(frame.stream, absl::ResourceExhaustedError(absl::StrCat("longer than ", kMaxFrameData)), "");
    }
    if ((frame.flags & kFlagRemoteOpen) != 0) {
      return Write(frame.stream, absl::UnimplementedError("calls with streams are not served"), "");
    }
    RpcRequest request;
    if (!request.ParseFromString(frame.data)) {
      return Write(frame.stream, absl::InvalidArgumentError("malformed request"), "");
    }
    if (calls_ >= Server::kMaxCalls) {
      return Write(frame.stream, absl::ResourceExhaustedError("too many calls at once"), "");
    }
    ++calls_;
    server_.handler_(request.service(), request.method(), request.payload(), Reply(weak_from_this(), frame.stream));
  }

  Server& server_;
  base::UniqueFd socket_;
  FrameReader reader_;
  std::string unsent_;
  uint32_t events_ = ~0u;
  size_t calls_ = 0;
};

void Reply::Send(const google::protobuf::MessageLite& message) const {
  SendRaw(absl::OkStatus(), message.SerializeAsString());
}

void Reply::SendRaw(const absl::Status& status, std::string payload) const {
  if (const std::shared_ptr<Connection> connection = connection_.lock()) {
    connection->Answer(stream_, status, std::move(payload));
  }
}

Server::~Server() {
  loop_.Forget(listener_.get());
  for (const auto& [fd, connection] : connections_) loop_.Forget(fd);
}

absl::Status Server::Listen(base::UniqueFd socket) {
  listener_ = std::move(socket);
  return loop_.Watch(listener_.get(), EPOLLIN, [this](uint32_t) { Accept(); });
}

void Server::Accept() {
  base::UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) {
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return;
    // It would be reported again and again.
    loop_.Forget(listener_.get());
    loop_.After(std::chrono::milliseconds(100),
                [this] { (void)loop_.Watch(listener_.get(), EPOLLIN, [this](uint32_t) { Accept(); }); });
    return;
  }
  ucred peer;
  socklen_t length = sizeof peer;
  const bool known = getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  if (!known || (peer.uid != geteuid() && peer.uid != 0) || connections_.size() >= kMaxConnections) {
    LOG(kWarning, "a connection was refused");
    return;
  }
  const int fd = socket.get();
  const auto connection = std::make_shared<Connection>(*this, std::move(socket));
  connections_[fd] = connection;
  connection->Start();
}

void Server::Remove(int fd) {
  loop_.Forget(fd);
  connections_.erase(fd);
}

bool Server::busy() const {
  for (const auto& [fd, connection] : connections_) {
    if (connection->busy()) return true;
  }
  return false;
}

}  // namespace runsc::shim
