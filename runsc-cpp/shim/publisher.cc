#include "runsc-cpp/shim/publisher.h"

#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <chrono>

#include "base/log.h"
#include "runsc-cpp/shim/address.h"
#include "runsc-cpp/shim/command.h"

namespace runsc::shim {
namespace {

constexpr std::chrono::milliseconds kRetry(500);
constexpr int kMaxCutShort = 3;

}  // namespace

Timestamp Now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  Timestamp out;
  out.set_seconds(now.tv_sec);
  out.set_nanos(static_cast<int32_t>(now.tv_nsec));
  return out;
}

void Publisher::Publish(const std::string& topic, const google::protobuf::MessageLite& event) {
  if (target_.socket.empty() && target_.binary.empty()) return;
  if (waiting_.size() >= kMaxWaiting) {
    LOG(kWarning, "event %s is lost: containerd takes none", waiting_[1].topic());
    waiting_.erase(waiting_.begin() + 1);  // the first is under way
  }
  containerd::events::Envelope& envelope = waiting_.emplace_back();
  *envelope.mutable_timestamp() = Now();
  envelope.set_namespace_(target_.space);
  envelope.set_topic(topic);
  envelope.mutable_event()->set_type_url(event.GetTypeName());
  envelope.mutable_event()->set_value(event.SerializeAsString());
  SendNext();
}

void Publisher::SendNext() {
  if (sending_ || waiting_.empty()) return;
  sending_ = true;
  if (target_.socket.empty()) return SendByBinary();
  SendBySocket();
}

void Publisher::SendBySocket() {
  if (!socket_.valid()) {
    absl::StatusOr<base::UniqueFd> connected = ConnectTo(target_.socket);
    if (!connected.ok()) return RetryLater();
    socket_ = *std::move(connected);
    reader_ = FrameReader();
    next_stream_ = 1;
    if (!loop_.Watch(socket_.get(), EPOLLIN, [this](uint32_t) { Ready(); }).ok()) return RetryLater();
  }
  containerd::events::ForwardRequest forward;
  *forward.mutable_envelope() = waiting_.front();
  RpcRequest request;
  request.set_service("containerd.services.events.ttrpc.v1.Events");
  request.set_method("Forward");
  request.set_payload(forward.SerializeAsString());
  const std::string data = request.SerializeAsString();
  if (data.size() > kMaxFrameData) return Delivered();  // nobody would take it
  const std::string frame = EncodeFrame(next_stream_, FrameType::kRequest, data);
  next_stream_ += 2;
  const ssize_t n = send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n == static_cast<ssize_t>(frame.size())) return;
  // One event at a time is far less than a socket holds. One that is not would stop all behind it.
  if (n >= 0 && ++cut_short_ > kMaxCutShort) {
    LOG(kWarning, "event %s is lost: too long", waiting_.front().topic());
    waiting_.pop_front();
    cut_short_ = 0;
  }
  RetryLater();
}

void Publisher::Ready() {
  char buffer[4096];
  const ssize_t n = recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    if (sending_) return RetryLater();
    return Disconnect();
  }
  absl::string_view bytes(buffer, static_cast<size_t>(n));
  while (!bytes.empty()) {
    if (!reader_.Read(bytes)) break;
    RpcResponse response;
    if (response.ParseFromString(reader_.frame().data) && response.status().code() != 0) {
      LOG(kWarning, "containerd refused an event: %s", response.status().message());
    }
    if (sending_) Delivered();
    if (!socket_.valid()) break;
  }
}

void Publisher::SendByBinary() {
  const containerd::events::Envelope& envelope = waiting_.front();
  Command command;
  command.program = target_.binary;
  command.argv = {target_.binary, "--address",      target_.address, "publish",
                  "--topic",      envelope.topic(), "--namespace",   target_.space};
  const absl::StatusOr<base::UniqueFd> event = MemoryFile(envelope.event().SerializeAsString());
  if (!event.ok()) return RetryLater();
  command.fds = {event->get(), -1, -1};
  const absl::StatusOr<pid_t> pid = Spawn(command);
  if (!pid.ok()) {
    LOG(kWarning, "event %s is lost: %s", envelope.topic(), pid.status().message());
    return loop_.Post([this] { Delivered(); });
  }
  reaper_.Watch(*pid, [this](int) { Delivered(); });
}

void Publisher::Delivered() {
  waiting_.pop_front();
  sending_ = false;
  SendNext();
}

void Publisher::RetryLater() {
  Disconnect();
  loop_.After(kRetry, [this] {
    sending_ = false;
    SendNext();
  });
}

void Publisher::Disconnect() {
  if (socket_.valid()) loop_.Forget(socket_.get());
  socket_.reset();
}

}  // namespace runsc::shim
