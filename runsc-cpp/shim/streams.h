// A process's stdin, stdout and stderr: pipes or a terminal on its side, containerd's FIFOs, a file or a logger on
// ours.
#ifndef RUNSC_CPP_SHIM_STREAMS_H_
#define RUNSC_CPP_SHIM_STREAMS_H_

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "runsc-cpp/shim/loop.h"

namespace runsc::shim {

// Copies from one descriptor to another until the end of either. Holds what the reader has not taken, 64 KiB at most.
class Copier {
 public:
  // `done` runs once, not before Start has returned.
  Copier(Loop& loop, base::UniqueFd from, base::UniqueFd to, std::function<void()> done)
      : loop_(loop), from_(std::move(from)), to_(std::move(to)), done_(std::move(done)) {}
  ~Copier() { Stop(); }
  void Start();
  bool running() const { return running_; }
  // Closes both sides.
  void Stop();

 private:
  void Read();
  void Write();
  void Finish();

  Loop& loop_;
  base::UniqueFd from_, to_;
  std::string pending_;
  std::function<void()> done_;
  bool running_ = false;
  bool blocked_ = false;  // the other side takes no more
};

struct StreamPaths {
  std::string in, out, err;  // empty: none
  bool terminal = false;
};

struct StreamOwner {
  std::string id, space;      // for loggers
  uint32_t uid = 0, gid = 0;  // of the pipes
};

class Streams {
 public:
  static absl::StatusOr<std::unique_ptr<Streams>> Open(Loop& loop, const StreamPaths& paths, const StreamOwner& owner);
  ~Streams() { Close(); }

  // Descriptors 0 to 2 of the command that starts the process.
  std::vector<int> ForCommand() const;
  // The command has ended well: `master` is its terminal, if it has one.
  absl::Status Start(base::UniqueFd master);

  void Resize(uint32_t width, uint32_t height) const;
  // No more input comes, once the client has closed its end.
  void CloseInput() { input_keeper_.reset(); }
  // Runs `action` when all output has been copied, or now.
  void WhenCopied(std::function<void()> action);
  void Close();

 private:
  explicit Streams(Loop& loop) : loop_(loop) {}
  absl::Status OpenInput(const std::string& path, const StreamOwner& owner);
  absl::Status OpenOutput(const std::string& path, size_t number, const StreamOwner& owner);
  absl::Status OpenLogger(const StreamPaths& paths, const StreamOwner& owner);
  void Copied();

  Loop& loop_;
  bool terminal_ = false;
  std::array<base::UniqueFd, 3> theirs_;   // for the command
  std::array<base::UniqueFd, 3> ours_;     // the pipes' other ends
  std::array<base::UniqueFd, 3> outside_;  // FIFOs and files
  base::UniqueFd input_keeper_;            // a writer of the input FIFO, so that a client may come back
  base::UniqueFd master_;
  std::array<std::unique_ptr<Copier>, 3> copiers_;
  std::vector<std::function<void()>> when_copied_;
};

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_STREAMS_H_
