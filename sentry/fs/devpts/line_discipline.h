// N_TTY, the line discipline between the two ends of a pseudo terminal (man 3
// termios; Linux's drivers/tty/n_tty.c). Pure data: no lock, no caller, no I/O.
//
//   master --Receive--> pending -> edit line -> ready --ReadInput--> slave
//   master <--TakeOutput-- output <--Transmit (OPOST)-- slave
//                            ^------- echo
#ifndef SENTRY_FS_DEVPTS_LINE_DISCIPLINE_H_
#define SENTRY_FS_DEVPTS_LINE_DISCIPLINE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sentry/abi/termios.h"

namespace sentry {

class LineDiscipline {
 public:
  static constexpr size_t kLineMax = 4095;        // of an edit line, and of all unread input
  static constexpr size_t kPendingMax = 8192;     // not looked at yet
  static constexpr size_t kMasterBuffer = 4096;   // of which this much counts as transmitted
  static constexpr size_t kOutputMax = 16 << 10;  // not yet read by the master

  // What happened that the terminal must act on; taken by TakeEffects.
  struct Effects {
    std::vector<int> signals;  // to the foreground group
    uint8_t packet = 0;        // TIOCPKT_* bits
  };

  const abi::Termios2& termios() const { return termios_; }
  void SetTermios(const abi::Termios2& termios);

  // --- The master's side ---
  // Returns how many bytes were taken; 0: no room.
  size_t Receive(std::span<const uint8_t> bytes);
  bool CanReceive() const { return pending_.size() < kPendingMax; }
  size_t TakeOutput(std::span<uint8_t> dst);
  size_t output_size() const { return output_.size(); }

  // --- The slave's side ---
  // As many bytes as have room; 0 when output is stopped or full.
  size_t Transmit(std::span<const uint8_t> bytes);
  bool CanTransmit() const { return !stopped_ && output_.size() + kTabStop <= kOutputMax; }
  bool canonical() const { return termios_.lflag & abi::kICanon; }
  // Whether a whole line is there, or (not canonical) `minimum` bytes.
  bool InputReady(size_t minimum) const;
  // One line at most in canonical mode. 0 with InputReady: end of file.
  size_t ReadInput(std::span<uint8_t> dst);
  // FIONREAD.
  size_t InputBytes() const;
  // Bytes ready when not canonical.
  size_t ready_size() const { return ready_.size(); }

  void FlushInput();
  void FlushOutput() { FlushOutput(output_.size()); }
  void StopOutput();
  void StartOutput();
  bool stopped() const { return stopped_; }
  // A control character straight into the output (tcflow's TCIOFF, TCION).
  void SendChar(uint8_t c) { output_ += static_cast<char>(c); }

  Effects TakeEffects() { return std::exchange(effects_, {}); }

 private:
  static constexpr size_t kTabStop = 8;
  // An element of ready_: a byte, and what it ends.
  static constexpr uint16_t kEndsLine = 0x100;
  static constexpr uint16_t kIsEof = 0x200;  // with kEndsLine: VEOF, not given to the reader
  // An element of echo_: a byte, or one of these.
  static constexpr uint32_t kEchoLineStart = 0x100;  // here the edit line begins
  static constexpr uint32_t kEchoEraseTab = 0x200;   // go back over a tab, kAfterTab and columns above
  static constexpr uint32_t kAfterTab = 0x400;
  static constexpr uint32_t kEchoControl = 0x800;  // with a control character: ^X
  static constexpr int kColumnsShift = 16;
  static constexpr size_t kEchoMax = 4096;

  bool IFlag(uint32_t f) const { return termios_.iflag & f; }
  bool OFlag(uint32_t f) const { return termios_.oflag & f; }
  bool LFlag(uint32_t f) const { return termios_.lflag & f; }
  // Whether c is the control character `index`, and that is not switched off.
  bool IsCc(int index, uint8_t c) const { return termios_.cc[index] == c && c != abi::kDisabledChar; }
  bool IsContinuation(uint8_t c) const { return IFlag(abi::kIUtf8) && (c & 0xc0) == 0x80; }
  bool InputFull() const { return ready_.size() + line_.size() >= kLineMax; }

  void ProcessPending();
  void ReceiveChar(uint8_t c);
  bool ReceiveControl(uint8_t c);    // flow control and signals; true: done with it
  bool ReceiveCanonical(uint8_t c);  // editing and line ends; true: done with it
  void ReceiveText(uint8_t c, bool was_return = false);
  void SignalFromChar(int signo, uint8_t c);
  void FlushOutput(size_t transmitted);
  void EndLine(uint8_t c, uint16_t marks);

  void Erase(uint8_t c);
  void EchoErased(uint8_t c, bool word_or_line);
  void EchoErasedTab();
  void Reprint(uint8_t c);
  void FinishErasing();

  void EchoChar(uint8_t c);  // ^X for control characters under ECHOCTL
  void EchoRaw(uint8_t c) { AddEcho(c); }
  void NoteLineStart();
  void AddEcho(uint32_t op);
  void FlushEchoes();
  void PutOutput(uint8_t c);  // OPOST
  void PutRaw(uint8_t c) { output_ += static_cast<char>(c); }

  abi::Termios2 termios_ = abi::DefaultTermios();
  std::deque<uint8_t> pending_;
  std::string line_;  // being edited
  std::deque<uint16_t> ready_;
  size_t ready_lines_ = 0;  // elements of ready_ with kEndsLine
  // Echo not yet in the output: what came in one piece is echoed together, unless
  // a signal key discards it; a stopped terminal echoes when it goes on.
  std::deque<uint32_t> echo_;
  std::string output_;
  size_t transmitted_ = 0;  // bytes of output_ when the input at hand came
  bool stopped_ = false;
  bool literal_next_ = false;  // after VLNEXT
  bool erasing_ = false;       // between the \ and / of ECHOPRT
  uint32_t column_ = 0, line_column_ = 0;
  Effects effects_;
};

}  // namespace sentry

#endif  // SENTRY_FS_DEVPTS_LINE_DISCIPLINE_H_
