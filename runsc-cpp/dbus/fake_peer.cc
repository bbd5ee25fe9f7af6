#include "runsc-cpp/dbus/fake_peer.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/check.h"

namespace runsc::dbus {
namespace {

// Appends to `buffer` until it has `size` bytes; false at the end of input.
bool Fill(int fd, std::string& buffer, size_t size) {
  while (buffer.size() < size) {
    char bytes[512];
    const ssize_t n = read(fd, bytes, sizeof bytes);
    if (n <= 0) return false;
    buffer.append(bytes, n);
  }
  return true;
}

void SendAll(int fd, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += n;
  }
}

}  // namespace

FakePeer::FakePeer(Handler handler) : handler_(std::move(handler)) {
  char name[] = "/tmp/fake_peer.XXXXXX";
  CHECK(mkdtemp(name) != nullptr);
  directory_ = name;
  path_ = directory_ + "/bus";
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
  listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(listen(listener_.get(), 1) == 0);
  thread_ = std::thread([this] { Serve(); });
}

FakePeer::~FakePeer() {
  shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
  unlink(path_.c_str());
  rmdir(directory_.c_str());
}

void FakePeer::Serve() {
  while (true) {
    const base::UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    Talk(client.get());
  }
}

void FakePeer::Talk(int fd) {
  std::string buffer;
  size_t end;
  while ((end = buffer.find("\r\n")) == buffer.npos) {
    if (!Fill(fd, buffer, buffer.size() + 1)) return;
  }
  auth_ = buffer.substr(0, end);
  buffer.erase(0, end + 2);
  SendAll(fd, "OK 0123456789abcdef0123456789abcdef\r\n");
  constexpr size_t kBegin = sizeof "BEGIN\r\n" - 1;
  if (!Fill(fd, buffer, kBegin)) return;
  buffer.erase(0, kBegin);
  while (Fill(fd, buffer, kHeadBytes)) {
    const auto length = MessageLength(buffer);
    if (!length.ok() || !Fill(fd, buffer, *length)) return;
    const auto call = Decode(absl::string_view(buffer).substr(0, *length));
    buffer.erase(0, *length);
    if (!call.ok()) return;
    for (const Message& answer : handler_(*call)) SendAll(fd, Encode(answer));
  }
}

Message FakePeer::Reply(const Message& call, std::string signature, std::string body) {
  Message reply;
  reply.type = MessageType::kMethodReturn;
  reply.serial = 1000 + call.serial;
  reply.reply_serial = call.serial;
  reply.signature = std::move(signature);
  reply.body = std::move(body);
  return reply;
}

Message FakePeer::Error(const Message& call, std::string name, std::string text) {
  BodyWriter body;
  body.PutString(text);
  Message error = Reply(call, "s", body.bytes());
  error.type = MessageType::kError;
  error.error_name = std::move(name);
  return error;
}

}  // namespace runsc::dbus
