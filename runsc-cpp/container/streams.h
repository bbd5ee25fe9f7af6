// The streams of a process that is about to be made: this process's descriptors, or a terminal.
#ifndef RUNSC_CPP_CONTAINER_STREAMS_H_
#define RUNSC_CPP_CONTAINER_STREAMS_H_

#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "runsc-cpp/sandbox/control_client.h"
#include "sentry/control/control.pb.h"

namespace runsc {

class ProcessStreams {
 public:
  struct Options {
    bool terminal = false;
    std::string console_socket;
    bool foreground = false;  // a terminal without a console socket is this process's own
    uint32_t rows = 0, columns = 0;
    uint32_t preserve_fds = 0;
  };
  static absl::StatusOr<ProcessStreams> Open(const Options& options);

  // A new terminal of the host's, which can become the anchor's controlling one; -1: none.
  int own_terminal() const { return slave_.get(); }
  // Adds the streams; the descriptors must live until the request was sent.
  void Describe(sentry::control::Process& process, RequestDescriptors& fds) const;

 private:
  int terminal() const { return slave_.valid() ? slave_.get() : STDIN_FILENO; }

  Options options_;
  base::UniqueFd slave_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_STREAMS_H_
