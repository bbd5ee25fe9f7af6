#include "base/thread.h"

#include <memory>

#include "base/check.h"
#include "base/signal_block.h"

namespace base {
namespace {

void* Run(void* argument) {
  const std::unique_ptr<std::function<void()>> body(static_cast<std::function<void()>*>(argument));
  (*body)();
  return nullptr;
}

}  // namespace

Result<Thread> Thread::Start(std::function<void()> body) {
  auto argument = std::make_unique<std::function<void()>>(std::move(body));
  pthread_t thread;
  const SignalBlock block;
  if (const int error = pthread_create(&thread, nullptr, Run, argument.get()); error != 0) {
    return static_cast<Errno>(error);
  }
  argument.release();  // the thread's
  return Thread(thread);
}

Result<void> Thread::StartDetached(std::function<void()> body) {
  Thread thread = TRY(Start(std::move(body)));
  pthread_detach(thread.thread_);
  thread.joinable_ = false;
  return Ok();
}

Thread& Thread::operator=(Thread&& other) noexcept {
  CHECK(!joinable_);
  thread_ = other.thread_;
  joinable_ = std::exchange(other.joinable_, false);
  return *this;
}

Thread::~Thread() { CHECK(!joinable_); }

void Thread::Join() {
  if (std::exchange(joinable_, false)) pthread_join(thread_, nullptr);
}

}  // namespace base
