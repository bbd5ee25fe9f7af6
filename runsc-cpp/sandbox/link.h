// Messages over a SEQPACKET socket. A *link* joins the sentry to whoever stands for one of its processes on the host:
// an anchor, or the runsc-cpp of `do`. Its end of file there ends that process, its end of file here means that the
// sentry is gone. The *startup* socket carries the first words of a new sentry.
#ifndef RUNSC_CPP_SANDBOX_LINK_H_
#define RUNSC_CPP_SANDBOX_LINK_H_

#include <cstdint>
#include <optional>
#include <string>

namespace runsc {

enum class LinkMessageType : uint32_t {
  // --- Link: to the sentry ---
  kSignal,            // value: signal number
  kWindowSize,        // the process's terminal has a new one
  kOutOfMemoryShown,  // (the answer to kOutOfMemory)
  // --- Link: from the sentry ---
  // value: exit code (128 + signal). Of the process's files nothing is open any more. text: host processes (numbers,
  // each with a space behind) that may not have been reaped yet, and whose end is to be known before this one's; a NUL;
  // a sentry.control.ProcessEnd, or nothing.
  kExited,
  kDied,  // text: what ended the sandbox
  // value: MiB that a process of the peer's may take until the host kills it for want of memory in the cgroup, so that
  // engines hear of the guest's
  kOutOfMemory,
  kTitle,  // text: the process's name, a NUL, its command line. The guest's words
  // --- Startup socket ---
  kNamespaceReady,  // the child waits for its id maps
  kMapsWritten,     // (the answer)
  kStartFailed,     // text: one line
};
inline constexpr LinkMessageType kLastLinkMessageType = LinkMessageType::kStartFailed;

struct LinkMessage {
  LinkMessageType type = LinkMessageType::kSignal;
  uint32_t value = 0;
  std::string text;  // at most kMaxLinkText
};
inline constexpr size_t kMaxLinkText = 8 << 10;

// One packet. False: the peer is gone, or (kNo) does not read.
enum class SendWait : uint8_t { kYes, kNo };
bool SendLink(int fd, const LinkMessage& message, SendWait wait = SendWait::kYes);
// Waits for the next; nothing at the end of file or for a malformed one.
std::optional<LinkMessage> ReceiveLink(int fd);

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_LINK_H_
