#include "runsc-cpp/dbus/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace runsc::dbus {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kCallLimit(25'000);  // as libdbus
constexpr size_t kMaxLine = 1024;
constexpr size_t kMaxSignals = 256;
constexpr char kErrorPayload[] = "runsc-cpp/dbus-error";

absl::Status Failed(absl::string_view what) {
  return absl::Status(absl::ErrnoToStatusCode(errno), absl::StrCat("D-Bus: ", what, ": ", strerror(errno)));
}

absl::Status WaitFor(int fd, short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return absl::DeadlineExceededError("D-Bus: no answer in time");
    pollfd wait = {fd, events, 0};
    const int ready = poll(&wait, 1, static_cast<int>(left.count()));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return Failed("poll");
  }
}

// %-escapes of an address's value.
std::string Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && isxdigit(static_cast<unsigned char>(text[i + 1])) &&
        isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      out += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<Address> ParseAddress(absl::string_view text) {
  std::vector<Address> out;
  for (absl::string_view one : absl::StrSplit(text, ';', absl::SkipEmpty())) {
    if (!absl::ConsumePrefix(&one, "unix:")) continue;
    for (absl::string_view item : absl::StrSplit(one, ',')) {
      if (absl::ConsumePrefix(&item, "path=")) out.push_back({PeerKind::kBus, Unescape(item)});
      if (absl::ConsumePrefix(&item, "abstract=")) out.push_back({PeerKind::kBus, absl::StrCat("@", Unescape(item))});
    }
  }
  return out;
}

std::string ErrorName(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorPayload);
  return payload ? std::string(*payload) : "";
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Connect(const Address& address) {
  sockaddr_un peer = {};
  peer.sun_family = AF_UNIX;
  if (address.path.empty() || address.path.size() >= sizeof peer.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("D-Bus: not the path of a socket: \"", address.path, "\""));
  }
  std::memcpy(peer.sun_path, address.path.data(), address.path.size());
  const bool abstract = address.path[0] == '@';
  if (abstract) peer.sun_path[0] = '\0';
  const size_t length = offsetof(sockaddr_un, sun_path) + address.path.size() + (abstract ? 0 : 1);
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Failed("socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer), static_cast<socklen_t>(length)) != 0) {
    return Failed(absl::StrCat("connect to ", address.path));
  }
  std::unique_ptr<Connection> connection(new Connection(address.kind, std::move(fd)));
  if (absl::Status s = connection->Authenticate(); !s.ok()) return s;
  if (address.kind == PeerKind::kDirect) return connection;
  Message hello;
  hello.path = "/org/freedesktop/DBus";
  hello.interface = hello.destination = "org.freedesktop.DBus";
  hello.member = "Hello";
  if (const auto answer = connection->Call(std::move(hello)); !answer.ok()) return answer.status();
  return connection;
}

absl::Status Connection::Authenticate() {
  const Deadline deadline = Clock::now() + kCallLimit;
  const std::string identity = absl::BytesToHexString(absl::StrCat(geteuid()));
  // The zero byte carries our credentials. BEGIN does not wait for the answer: systemd's own socket overlooks a
  // message that it reads together with BEGIN, until another one comes.
  const std::string hello = absl::StrCat(absl::string_view("\0", 1), "AUTH EXTERNAL ", identity, "\r\nBEGIN\r\n");
  if (absl::Status s = SendAll(hello, deadline); !s.ok()) return s;
  const auto answer = ReadLine(deadline);
  if (!answer.ok()) return answer.status();
  if (!absl::StartsWith(*answer, "OK ")) {
    return absl::PermissionDeniedError(
        absl::StrCat("D-Bus: the peer does not accept user ", geteuid(), ": ", absl::CHexEscape(*answer)));
  }
  return absl::OkStatus();
}

absl::Status Connection::SendAll(absl::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      bytes.remove_prefix(n);
    } else if (errno == EAGAIN) {
      if (absl::Status s = WaitFor(fd_.get(), POLLOUT, deadline); !s.ok()) return s;
    } else if (errno != EINTR) {
      return Failed("send");
    }
  }
  return absl::OkStatus();
}

absl::Status Connection::Fill(size_t size, Deadline deadline) {
  while (buffer_.size() < size) {
    char bytes[4096];
    const ssize_t n = recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0) {
      buffer_.append(bytes, n);
    } else if (n == 0) {
      return absl::UnavailableError("D-Bus: the peer closed the connection");
    } else if (errno == EAGAIN) {
      if (absl::Status s = WaitFor(fd_.get(), POLLIN, deadline); !s.ok()) return s;
    } else if (errno != EINTR) {
      return Failed("receive");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Connection::ReadLine(Deadline deadline) {
  while (true) {
    if (const size_t end = buffer_.find("\r\n"); end != buffer_.npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      return line;
    }
    if (buffer_.size() > kMaxLine) return absl::DataLossError("D-Bus: the peer does not speak the protocol");
    if (absl::Status s = Fill(buffer_.size() + 1, deadline); !s.ok()) return s;
  }
}

absl::StatusOr<Message> Connection::Receive(Deadline deadline) {
  if (absl::Status s = Fill(kHeadBytes, deadline); !s.ok()) return s;
  const auto length = MessageLength(buffer_);
  if (!length.ok()) return length.status();
  if (absl::Status s = Fill(*length, deadline); !s.ok()) return s;
  auto message = Decode(absl::string_view(buffer_).substr(0, *length));
  buffer_.erase(0, *length);
  return message;
}

absl::StatusOr<Message> Connection::Call(Message call) {
  const Deadline deadline = Clock::now() + kCallLimit;
  call.type = MessageType::kMethodCall;
  call.serial = ++last_serial_;
  const std::string what = absl::StrCat(call.interface, ".", call.member);
  if (kind_ == PeerKind::kDirect) call.destination.clear();
  if (absl::Status s = SendAll(Encode(call), deadline); !s.ok()) return s;
  while (true) {
    auto message = Receive(deadline);
    if (!message.ok()) return message.status();
    if (message->type == MessageType::kSignal) {
      signals_.push_back(*std::move(message));
      if (signals_.size() > kMaxSignals) signals_.pop_front();
      continue;
    }
    if (message->reply_serial != call.serial) continue;
    if (message->type == MessageType::kMethodReturn) return message;
    if (message->type != MessageType::kError) continue;
    BodyReader body(message->body);
    const std::string text = absl::StartsWith(message->signature, "s") ? body.String() : "";
    absl::Status error = absl::FailedPreconditionError(absl::StrCat(what, ": ", message->error_name, ": ", text));
    error.SetPayload(kErrorPayload, absl::Cord(message->error_name));
    return error;
  }
}

absl::StatusOr<Message> Connection::WaitSignal(milliseconds limit, absl::FunctionRef<bool(const Message&)> wanted) {
  const Deadline deadline = Clock::now() + limit;
  for (auto it = signals_.begin(); it != signals_.end(); ++it) {
    if (!wanted(*it)) continue;
    Message found = std::move(*it);
    signals_.erase(it);
    return found;
  }
  while (true) {
    auto message = Receive(deadline);
    if (!message.ok()) return message.status();
    if (message->type == MessageType::kSignal && wanted(*message)) return message;
  }
}

}  // namespace runsc::dbus
