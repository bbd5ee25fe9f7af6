#include "runsc-cpp/boot/control_thread.h"

#include <unistd.h>

#include "sentry/fs/host/host_poller.h"

namespace runsc {

void ControlThread::Start(ControlHandlers handlers) {
  handlers_ = std::move(handlers);
  sentry::StartHostThread([](void* self) { static_cast<ControlThread*>(self)->Run(); }, this).detach();
}

void ControlThread::Run() {
  while (true) {
    const std::optional<ControlMessage> message = ReceiveControl(fd_);
    if (!message) _exit(125);
    switch (message->type) {
      case ControlType::kSignal:
        handlers_.on_signal(static_cast<int>(message->value));
        break;
      case ControlType::kWindowSize:
        handlers_.on_window_size(message->value >> 16, message->value & 0xffff);
        break;
      case ControlType::kUnimplemented:
        Send({ControlType::kReport, 0, handlers_.unimplemented()});
        break;
      default:
        break;
    }
  }
}

}  // namespace runsc
