// Messages between runsc-cpp and the sentry it started, over one SEQPACKET
// socket. The sentry's end of file on it means that runsc-cpp is gone: it ends.
#ifndef RUNSC_CPP_SANDBOX_CONTROL_H_
#define RUNSC_CPP_SANDBOX_CONTROL_H_

#include <cstdint>
#include <optional>
#include <string>

namespace runsc {

enum class ControlType : uint32_t {
  // runsc-cpp -> sentry
  kSignal,         // value: signal number for the guest's first process
  kWindowSize,     // value: rows << 16 | columns
  kUnimplemented,  // asks for kReport
  // sentry -> runsc-cpp
  kNamespaceReady,  // the child waits for its id maps
  kMapsWritten,     // (runsc-cpp's answer)
  kStarted,         // the guest's program runs
  kStartFailed,     // text: one line; value: exit code
  kExited,          // value: exit code (128 + signal)
  kDied,            // text: what ended the sandbox
  kReport,          // text
};

struct ControlMessage {
  ControlType type = ControlType::kSignal;
  uint32_t value = 0;
  std::string text;  // at most kMaxControlText
};
inline constexpr size_t kMaxControlText = 32 << 10;

// One packet. False: the peer is gone.
bool SendControl(int fd, const ControlMessage& message);
// Waits for the next; nothing at the end of file or for a malformed one.
std::optional<ControlMessage> ReceiveControl(int fd);

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_CONTROL_H_
