// A connection to a D-Bus bus, or to a daemon's private socket.
#ifndef RUNSC_CPP_DBUS_CONNECTION_H_
#define RUNSC_CPP_DBUS_CONNECTION_H_

#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "runsc-cpp/dbus/message.h"

namespace runsc::dbus {

enum class PeerKind {
  kBus,     // routes by destination, and wants a Hello first
  kDirect,  // the daemon itself
};

struct Address {
  PeerKind kind = PeerKind::kBus;
  std::string path;  // of a Unix socket; a leading '@' is the abstract name space
};

// The Unix sockets of a D-Bus address ("unix:path=/run/x;unix:abstract=y").
std::vector<Address> ParseAddress(absl::string_view address);

// For one thread. The peer may be slow or wrong, but it can't make a call last
// longer than its time, or us keep more than a few messages.
class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address);

  // Sends a method call and waits for its answer. An error answer is
  // FailedPrecondition "NAME: text", and ErrorName() gives NAME.
  absl::StatusOr<Message> Call(Message call);
  // Waits for a signal that `wanted` says yes to; those of the past count,
  // from the last ForgetSignals on.
  absl::StatusOr<Message> WaitSignal(std::chrono::milliseconds limit, absl::FunctionRef<bool(const Message&)> wanted);
  void ForgetSignals() { signals_.clear(); }
  PeerKind kind() const { return kind_; }

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  Connection(PeerKind kind, base::UniqueFd fd) : kind_(kind), fd_(std::move(fd)) {}
  absl::Status Authenticate();
  absl::Status SendAll(absl::string_view bytes, Deadline deadline);
  // Until `size` bytes are buffered.
  absl::Status Fill(size_t size, Deadline deadline);
  absl::StatusOr<std::string> ReadLine(Deadline deadline);
  absl::StatusOr<Message> Receive(Deadline deadline);

  const PeerKind kind_;
  const base::UniqueFd fd_;
  std::string buffer_;
  std::deque<Message> signals_;
  uint32_t last_serial_ = 0;
};

// Of an error that Call() returned; else empty.
std::string ErrorName(const absl::Status& status);

}  // namespace runsc::dbus

#endif  // RUNSC_CPP_DBUS_CONNECTION_H_
