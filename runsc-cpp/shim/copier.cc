#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "runsc-cpp/shim/streams.h"

namespace runsc::shim {
namespace {

constexpr size_t kChunk = 64 << 10;

}  // namespace

void Copier::Start() {
  running_ = loop_.Watch(from_.get(), EPOLLIN, [this](uint32_t) { Read(); }).ok();
}

void Copier::Read() {
  static char buffer[kChunk];  // one thread
  const ssize_t n = read(from_.get(), buffer, sizeof buffer);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return Finish();  // EIO: nobody has the terminal any more
  pending_.assign(buffer, static_cast<size_t>(n));
  Write();
}

void Copier::Write() {
  while (!pending_.empty()) {
    const ssize_t n = write(to_.get(), pending_.data(), pending_.size());
    if (n >= 0) {
      pending_.erase(0, static_cast<size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Finish();
    if (blocked_) return;
    blocked_ = true;
    loop_.Forget(from_.get());
    if (!loop_.Watch(to_.get(), EPOLLOUT, [this](uint32_t) { Write(); }).ok()) Finish();
    return;
  }
  if (!blocked_) return;
  blocked_ = false;
  pending_.shrink_to_fit();
  loop_.Forget(to_.get());
  if (!loop_.Watch(from_.get(), EPOLLIN, [this](uint32_t) { Read(); }).ok()) Finish();
}

void Copier::Finish() {
  if (!running_) return;
  Stop();
  const std::function<void()> done = std::move(done_);  // it may destroy us
  done();
}

void Copier::Stop() {
  running_ = false;
  loop_.Forget(from_.get());
  loop_.Forget(to_.get());
  from_.reset();
  to_.reset();
}

}  // namespace runsc::shim
