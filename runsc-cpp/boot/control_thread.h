// The sentry's ear for runsc-cpp: one thread that waits on the control socket.
#ifndef RUNSC_CPP_BOOT_CONTROL_THREAD_H_
#define RUNSC_CPP_BOOT_CONTROL_THREAD_H_

#include <functional>
#include <string>
#include <thread>

#include "runsc-cpp/sandbox/control.h"

namespace runsc {

struct ControlHandlers {
  std::function<void(int signo)> on_signal;
  std::function<void(uint32_t rows, uint32_t columns)> on_window_size;
  std::function<std::string()> unimplemented;
};

class ControlThread {
 public:
  // Made before the host filter; its thread serves until the process ends. End
  // of file (runsc-cpp is gone) ends the process, and with it every stub.
  explicit ControlThread(int fd) : fd_(fd) {}
  void Start(ControlHandlers handlers);
  bool Send(const ControlMessage& message) const { return SendControl(fd_, message); }

 private:
  void Run();
  const int fd_;
  ControlHandlers handlers_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_CONTROL_THREAD_H_
