// Events on their way to containerd, in order. While containerd is away they wait.
#ifndef RUNSC_CPP_SHIM_PUBLISHER_H_
#define RUNSC_CPP_SHIM_PUBLISHER_H_

#include <deque>
#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "google/protobuf/message_lite.h"
#include "runsc-cpp/shim/events.pb.h"
#include "runsc-cpp/shim/frame.h"
#include "runsc-cpp/shim/loop.h"
#include "runsc-cpp/shim/reaper.h"

namespace runsc::shim {

Timestamp Now();

class Publisher {
 public:
  struct Target {
    std::string socket;  // TTRPC_ADDRESS; if it is empty:
    std::string binary;  // `BINARY --address ADDRESS publish`, of containerds before 1.3
    std::string address;
    std::string space;
  };
  static constexpr size_t kMaxWaiting = 2048;  // the oldest is dropped then

  Publisher(Loop& loop, Reaper& reaper, Target target) : loop_(loop), reaper_(reaper), target_(std::move(target)) {}
  ~Publisher() { Disconnect(); }

  // "/tasks/exit" and so on.
  void Publish(const std::string& topic, const google::protobuf::MessageLite& event);
  bool idle() const { return waiting_.empty(); }

 private:
  void SendNext();
  void SendBySocket();
  void SendByBinary();
  void Ready();
  void Delivered();
  void RetryLater();
  void Disconnect();

  Loop& loop_;
  Reaper& reaper_;
  const Target target_;
  std::deque<containerd::events::Envelope> waiting_;  // the first one is under way if sending_
  bool sending_ = false;
  base::UniqueFd socket_;
  FrameReader reader_;
  uint32_t next_stream_ = 1;
  int cut_short_ = 0;  // how often the socket took only a part of the first one
};

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_PUBLISHER_H_
