// Joins a host terminal to the master end of a guest's pseudo terminal.
//
// The guest's standard streams are then the slave, with a line discipline and
// job control that are all ours; runsc-cpp outside has put the host's terminal
// into raw mode. One thread copies both ways through bounded buffers: a slow
// terminal holds the guest back, as a real one would.
#ifndef SENTRY_FS_HOST_TTY_BRIDGE_H_
#define SENTRY_FS_HOST_TTY_BRIDGE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/thread.h"
#include "base/unique_fd.h"
#include "sentry/abi/tty.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

class TtyBridge {
 public:
  struct Options {
    base::UniqueFd in, out;          // of the host's terminal; either may be invalid
    RefPtr<FileDescription> master;  // non-blocking by nature
    VfsContext context;              // the kernel's own
    std::function<void()> hung_up;   // the host's terminal is gone; once, on the bridge's thread
    abi::Winsize size{};             // the host terminal's that the guest's already has
    // The host's terminal has another size: before what was typed after that reaches the guest. On the bridge's thread.
    std::function<void(const abi::Winsize&)> resized = nullptr;
  };
  // Makes the thread: before the host filter.
  static Result<std::unique_ptr<TtyBridge>> Start(Options options);
  // Stops at once; what is not written is lost (call Drain before).
  ~TtyBridge();

  // Waits until all that the guest has written is with the host, or `timeout_ms`
  // are over. True: it is.
  bool Drain(int timeout_ms);
  // Its size is looked at again.
  void CheckSize();

 private:
  class MasterWaiter;
  explicit TtyBridge(Options options, base::UniqueFd wake);
  void Run();
  bool PumpOutput();
  bool PumpInput();
  void TakeSize();
  void Sleep(bool output_waits);
  void Wake();
  void HangUp();

  static constexpr size_t kOutputBuffer = 16 << 10;
  static constexpr size_t kInputBuffer = 4 << 10;

  Options options_;
  const base::UniqueFd wake_;  // eventfd
  size_t write_chunk_ = kOutputBuffer;
  std::unique_ptr<MasterWaiter> waiter_;
  // The thread's own.
  std::string to_host_, to_guest_;
  bool input_open_ = true, output_open_ = true;
  bool hung_up_ = false;

  std::atomic<bool> awake_{false};
  std::atomic<bool> size_asked_{false};
  std::atomic<bool> stop_{false};
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  base::CondVar drained_cv_;
  uint64_t drain_wanted_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t drain_done_ ABSL_GUARDED_BY(mu_) = 0;
  base::Thread thread_;
};

}  // namespace sentry

#endif  // SENTRY_FS_HOST_TTY_BRIDGE_H_
