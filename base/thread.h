// A thread of the process's own. Unlike std::thread's, its start can fail: a host's limit of threads is no reason to
// abort.
#ifndef BASE_THREAD_H_
#define BASE_THREAD_H_

#include <pthread.h>

#include <functional>
#include <utility>

#include "base/result.h"

namespace base {

class Thread {
 public:
  // Its signal mask is that of SignalBlock. EAGAIN, ENOMEM: the host gives no more threads.
  static Result<Thread> Start(std::function<void()> body);
  // Nobody waits for its end.
  static Result<void> StartDetached(std::function<void()> body);

  Thread() = default;
  Thread(Thread&& other) noexcept : thread_(other.thread_), joinable_(std::exchange(other.joinable_, false)) {}
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();

  bool joinable() const { return joinable_; }
  void Join();  // no effect if there is none

 private:
  explicit Thread(pthread_t thread) : thread_(thread), joinable_(true) {}

  pthread_t thread_ = {};
  bool joinable_ = false;
};

}  // namespace base

#endif  // BASE_THREAD_H_
