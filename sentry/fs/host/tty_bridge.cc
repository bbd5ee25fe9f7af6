#include "sentry/fs/host/tty_bridge.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "sentry/fs/host/host_poller.h"

namespace sentry {
namespace {

// poll(2) says a terminal is writable when it has little left to send, not that
// a long write would not sleep. A short one is over soon.
constexpr size_t kBlockingWrite = 512;

bool IsBlocking(const base::UniqueFd& fd) {
  const int flags = fcntl(fd.get(), F_GETFL);
  return flags < 0 || !(flags & O_NONBLOCK);
}

bool Ready(int fd, short events) {
  pollfd p{fd, events, 0};
  return poll(&p, 1, 0) > 0;
}

bool TryLater() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

class TtyBridge::MasterWaiter final : public base::Waiter {
 public:
  explicit MasterWaiter(TtyBridge& bridge)
      : Waiter(base::kReadableEvents | base::kWritableEvents | base::kEventPri), bridge_(bridge) {}
  void Notify(base::EventMask) override { bridge_.Wake(); }

 private:
  TtyBridge& bridge_;
};

TtyBridge::TtyBridge(Options options, base::UniqueFd wake)
    : options_(std::move(options)),
      wake_(std::move(wake)),
      waiter_(std::make_unique<MasterWaiter>(*this)),
      input_open_(options_.in.valid()),
      output_open_(options_.out.valid()) {
  if (output_open_ && IsBlocking(options_.out)) write_chunk_ = kBlockingWrite;
}

Result<std::unique_ptr<TtyBridge>> TtyBridge::Start(Options options) {
  base::UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return base::HostErrno();
  std::unique_ptr<TtyBridge> bridge(new TtyBridge(std::move(options), std::move(wake)));
  if (base::WaitQueue* queue = bridge->options_.master->wait_queue()) queue->Add(*bridge->waiter_);
  bridge->thread_ = TRY(base::Thread::Start([b = bridge.get()] { b->Run(); }));
  return bridge;
}

TtyBridge::~TtyBridge() {
  stop_.store(true);
  Wake();
  thread_.Join();
  if (base::WaitQueue* queue = options_.master->wait_queue()) queue->Remove(*waiter_);
}

void TtyBridge::Wake() {
  if (awake_.exchange(true)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof(one));  // never full: one write a wake-up
}

bool TtyBridge::Drain(int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  uint64_t ticket;
  {
    base::MutexLock lock(mu_);
    ticket = ++drain_wanted_;
  }
  Wake();
  base::MutexLock lock(mu_);
  while (drain_done_ < ticket) {
    if (!drained_cv_.WaitUntil(mu_, deadline)) return drain_done_ >= ticket;
  }
  return true;
}

void TtyBridge::CheckSize() {
  size_asked_.store(true);
  Wake();
}

// One thread reads and tells it, so an older size never comes last.
void TtyBridge::TakeSize() {
  winsize size;
  if (!options_.resized) return;
  if (ioctl(options_.in.get(), TIOCGWINSZ, &size) != 0 && ioctl(options_.out.get(), TIOCGWINSZ, &size) != 0) return;
  const abi::Winsize now{size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel};
  if (now == options_.size) return;
  options_.size = now;
  options_.resized(now);
}

void TtyBridge::Run() {
  while (!stop_.load()) {
    if (size_asked_.exchange(false)) TakeSize();
    uint64_t wanted;
    {
      base::MutexLock lock(mu_);
      wanted = drain_wanted_;
    }
    bool progress = PumpOutput();
    progress |= PumpInput();
    if (progress) continue;
    const bool output_waits = !to_host_.empty();
    if (!output_waits) {
      base::MutexLock lock(mu_);
      drain_done_ = wanted;
      drained_cv_.SignalAll();
    }
    Sleep(output_waits);
  }
}

// Guest to host. Whether anything moved.
bool TtyBridge::PumpOutput() {
  bool progress = false;
  if (to_host_.size() < kOutputBuffer) {
    std::byte buf[4096];
    const size_t room = std::min(sizeof(buf), kOutputBuffer - to_host_.size());
    KernelIoSink sink{std::span<std::byte>(buf, room)};
    // EIO: no slave is open now; one may be again.
    const Result<size_t> n = options_.master->Read(options_.context, sink);
    if (n.ok() && *n > 0) {
      if (output_open_) to_host_.append(reinterpret_cast<const char*>(buf), *n);
      progress = true;
    }
  }
  if (to_host_.empty() || !Ready(options_.out.get(), POLLOUT)) return progress;
  const ssize_t n = write(options_.out.get(), to_host_.data(), std::min(to_host_.size(), write_chunk_));
  if (n > 0) {
    to_host_.erase(0, static_cast<size_t>(n));
    return true;
  }
  if (n < 0 && !TryLater()) {
    to_host_.clear();
    output_open_ = false;
    HangUp();
    return true;
  }
  return progress;
}

// Host to guest.
bool TtyBridge::PumpInput() {
  bool progress = false;
  if (to_guest_.empty() && input_open_ && Ready(options_.in.get(), POLLIN)) {
    char buf[kInputBuffer];
    const ssize_t n = read(options_.in.get(), buf, sizeof(buf));
    if (n > 0) {
      TakeSize();  // what is typed after a change is read with the new size
      to_guest_.assign(buf, static_cast<size_t>(n));
      progress = true;
    } else if (n == 0 || !TryLater()) {  // a raw terminal has an end only when it is gone
      input_open_ = false;
      HangUp();
    }
  }
  if (to_guest_.empty()) return progress;
  KernelIoSource source(std::as_bytes(std::span(to_guest_)));
  const Result<size_t> n = options_.master->Write(options_.context, source);
  if (n.ok() && *n > 0) {
    to_guest_.erase(0, *n);
    return true;
  }
  if (!n.ok() && n.error() != Errno::kEAGAIN) to_guest_.clear();
  return progress;
}

void TtyBridge::HangUp() {
  if (std::exchange(hung_up_, true)) return;
  if (options_.hung_up) options_.hung_up();
}

void TtyBridge::Sleep(bool output_waits) {
  pollfd fds[3] = {{wake_.get(), POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLOUT, 0}};
  if (input_open_ && to_guest_.empty()) fds[1].fd = options_.in.get();
  if (output_waits) fds[2].fd = options_.out.get();
  poll(fds, 3, -1);
  if (fds[0].revents & POLLIN) {
    uint64_t count;
    [[maybe_unused]] const ssize_t n = read(wake_.get(), &count, sizeof(count));
    awake_.store(false);  // before the next look at the master, so that no wake-up is lost
  }
}

}  // namespace sentry
