// The signal mask of the sentry's own threads.
#ifndef BASE_SIGNAL_BLOCK_H_
#define BASE_SIGNAL_BLOCK_H_

#include <signal.h>

namespace base {

// While it lives, the calling thread (and a thread made by it, for good) takes no
// signal but what its own faults raise: those of the process are the main thread's
// affair. Who needs one more for kicks opens it itself.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (int sig : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&blocked, sig);
    pthread_sigmask(SIG_SETMASK, &blocked, &old_);
  }
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t old_;
};

}  // namespace base

#endif  // BASE_SIGNAL_BLOCK_H_
