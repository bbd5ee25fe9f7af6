// The caller's terminal, raw while a sandbox runs: its line discipline is then
// the guest's. Put back at the end.
#ifndef RUNSC_CPP_CMD_RAW_TERMINAL_H_
#define RUNSC_CPP_CMD_RAW_TERMINAL_H_

#include <termios.h>
#include <unistd.h>

namespace runsc {

class RawTerminal {
 public:
  // Does nothing when stdin is no terminal, or another job's.
  RawTerminal() {
    if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &saved_) != 0) return;
    termios raw = saved_;
    cfmakeraw(&raw);
    active_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  ~RawTerminal() {
    if (active_) tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios saved_ = {};
  bool active_ = false;
};

}  // namespace runsc

#endif  // RUNSC_CPP_CMD_RAW_TERMINAL_H_
