#include "sentry/fs/devpts/line_discipline.h"

#include <algorithm>

#include "sentry/abi/tty.h"

namespace sentry {
namespace {

// Signal numbers of x86-64.
constexpr int kSigInt = 2, kSigQuit = 3, kSigTstp = 20;

constexpr bool IsControl(uint8_t c) { return c < 0x20 || c == 0x7f; }
// The kernel's isalnum: Latin-1, whatever the locale.
constexpr bool IsWord(uint8_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}
constexpr uint8_t ToLower(uint8_t c) { return c >= 'A' && c <= 'Z' ? static_cast<uint8_t>(c + 32) : c; }
constexpr uint8_t ToUpper(uint8_t c) { return c >= 'a' && c <= 'z' ? static_cast<uint8_t>(c - 32) : c; }

}  // namespace

void LineDiscipline::SetTermios(const abi::Termios2& termios) {
  const abi::Termios2 old = termios_;
  termios_ = termios;
  const bool was = old.lflag & abi::kICanon;
  if (was && !canonical()) {
    // All that is there can be read; line ends are bytes like others.
    for (uint16_t& c : ready_) c &= 0xff;
    ready_lines_ = 0;
    for (const char c : line_) ready_.push_back(static_cast<uint8_t>(c));
    line_.clear();
  } else if (!was && canonical() && !ready_.empty()) {
    // What is unread counts as one line.
    ready_.back() |= kEndsLine | (ready_.back() == 0 ? kIsEof : 0);
    ready_lines_ = 1;
  }
  if (was != canonical()) erasing_ = literal_next_ = false;
  if (!IFlag(abi::kIXOn) && (old.iflag & abi::kIXOn)) StartOutput();
  // The other end does flow control only while it is on with the usual keys.
  const auto usual = [](const abi::Termios2& t) {
    return (t.iflag & abi::kIXOn) && t.cc[abi::kVStop] == 0x13 && t.cc[abi::kVStart] == 0x11;
  };
  if (usual(old) != usual(termios_)) effects_.packet |= usual(termios_) ? abi::kPktDoStop : abi::kPktNoStop;
  ProcessPending();
}

// --- Input ---

size_t LineDiscipline::Receive(std::span<const uint8_t> bytes) {
  size_t taken = 0;
  transmitted_ = output_.size();
  while (taken < bytes.size()) {
    const size_t n = std::min(bytes.size() - taken, kPendingMax - pending_.size());
    if (n == 0) break;
    const auto part = bytes.subspan(taken, n);
    pending_.insert(pending_.end(), part.begin(), part.end());
    taken += n;
    ProcessPending();
  }
  return taken;
}

void LineDiscipline::ProcessPending() {
  while (!pending_.empty()) {
    // A full edit line goes on taking input, so that it can be ended or erased.
    if (InputFull() && !(canonical() && ready_lines_ == 0)) break;
    const uint8_t c = pending_.front();
    pending_.pop_front();
    ReceiveChar(c);
  }
  FlushEchoes();
}

void LineDiscipline::ReceiveChar(uint8_t c) {
  if (IFlag(abi::kIStrip)) c &= 0x7f;
  if (IFlag(abi::kIUcLc) && LFlag(abi::kIExten)) c = ToLower(c);
  if (LFlag(abi::kExtProc)) {
    ReceiveText(c);
    return;
  }
  if (std::exchange(literal_next_, false)) {
    ReceiveText(c);
    return;
  }
  if (ReceiveControl(c)) return;
  bool was_return = false;
  if (c == '\r') {
    if (IFlag(abi::kIgnCr)) return;
    was_return = IFlag(abi::kICrNl);
    if (was_return) c = '\n';
  } else if (c == '\n' && IFlag(abi::kINlCr)) {
    c = '\r';
  }
  if (canonical() && ReceiveCanonical(c)) return;
  ReceiveText(c, was_return);
}

bool LineDiscipline::ReceiveControl(uint8_t c) {
  if (IFlag(abi::kIXOn)) {
    if (IsCc(abi::kVStart, c)) {
      StartOutput();
      FlushEchoes();
      return true;
    }
    if (IsCc(abi::kVStop, c)) {
      StopOutput();
      return true;
    }
  }
  if (LFlag(abi::kISig)) {
    const std::pair<int, int> keys[] = {{abi::kVIntr, kSigInt}, {abi::kVQuit, kSigQuit}, {abi::kVSusp, kSigTstp}};
    for (const auto& [index, signo] : keys) {
      if (!IsCc(index, c)) continue;
      SignalFromChar(signo, c);
      return true;
    }
  }
  if (stopped_ && IFlag(abi::kIXOn) && IFlag(abi::kIXAny)) {
    StartOutput();
    FlushEchoes();
  }
  return false;
}

void LineDiscipline::SignalFromChar(int signo, uint8_t c) {
  effects_.signals.push_back(signo);
  if (!LFlag(abi::kNoFlsh)) {
    echo_.clear();
    FlushOutput(transmitted_);
    // Not what came behind the key and was not looked at yet.
    std::deque<uint8_t> pending = std::move(pending_);
    FlushInput();
    pending_ = std::move(pending);
  }
  if (IFlag(abi::kIXOn)) StartOutput();
  if (LFlag(abi::kEcho)) {
    EchoChar(c);
  } else {
    FlushEchoes();
  }
}

bool LineDiscipline::ReceiveCanonical(uint8_t c) {
  const bool extended = LFlag(abi::kIExten);
  if (IsCc(abi::kVErase, c) || IsCc(abi::kVKill, c) || (extended && IsCc(abi::kVWErase, c))) {
    Erase(c);
    return true;
  }
  if (extended && IsCc(abi::kVLNext, c)) {
    literal_next_ = true;
    if (LFlag(abi::kEcho)) {
      FinishErasing();
      if (LFlag(abi::kEchoCtl)) {
        EchoRaw('^');
        EchoRaw('\b');
      }
    }
    return true;
  }
  if (extended && LFlag(abi::kEcho) && IsCc(abi::kVReprint, c)) {
    Reprint(c);
    return true;
  }
  if (c == '\n') {
    if (LFlag(abi::kEcho) || LFlag(abi::kEchoNl)) EchoRaw('\n');
    EndLine(c, kEndsLine);
    return true;
  }
  if (IsCc(abi::kVEof, c)) {
    EndLine(abi::kDisabledChar, kEndsLine | kIsEof);
    return true;
  }
  if (IsCc(abi::kVEol, c) || (extended && IsCc(abi::kVEol2, c))) {
    if (LFlag(abi::kEcho)) {
      NoteLineStart();
      EchoChar(c);
    }
    EndLine(c, kEndsLine);
    return true;
  }
  return false;
}

// A newline that is text is echoed as ^J, unless it was a return.
void LineDiscipline::ReceiveText(uint8_t c, bool was_return) {
  if (InputFull()) {  // an edit line without end: what does not fit is lost
    if (IFlag(abi::kIMaxBel)) EchoRaw('\a');
    return;
  }
  if (LFlag(abi::kEcho)) {
    FinishErasing();
    if (was_return) {
      EchoRaw('\n');
    } else {
      NoteLineStart();
      EchoChar(c);
    }
  }
  const bool doubled = c == 0xff && IFlag(abi::kParMrk);
  for (int i = 0; i < (doubled ? 2 : 1); ++i) {
    if (canonical()) {
      line_ += static_cast<char>(c);
    } else {
      ready_.push_back(c);
    }
  }
}

void LineDiscipline::EndLine(uint8_t c, uint16_t marks) {
  for (const char text : line_) ready_.push_back(static_cast<uint8_t>(text));
  line_.clear();
  ready_.push_back(static_cast<uint16_t>(c | marks));
  ++ready_lines_;
}

// --- Editing ---

void LineDiscipline::Erase(uint8_t c) {
  if (line_.empty()) return;
  const bool kill = !IsCc(abi::kVErase, c) && !(LFlag(abi::kIExten) && IsCc(abi::kVWErase, c));
  const bool word = !kill && !IsCc(abi::kVErase, c);
  if (kill && !(LFlag(abi::kEcho) && LFlag(abi::kEchoK) && LFlag(abi::kEchoKe) && LFlag(abi::kEchoE))) {
    line_.clear();
    if (!LFlag(abi::kEcho)) return;
    FinishErasing();
    EchoChar(termios_.cc[abi::kVKill]);
    if (LFlag(abi::kEchoK)) EchoRaw('\n');
    return;
  }
  bool seen_word = false;
  while (!line_.empty()) {
    size_t start = line_.size() - 1;
    while (start > 0 && IsContinuation(static_cast<uint8_t>(line_[start]))) --start;
    const uint8_t first = static_cast<uint8_t>(line_[start]);
    if (IsContinuation(first)) break;  // never half a character
    if (word) {
      if (IsWord(first)) {
        seen_word = true;
      } else if (seen_word) {
        break;
      }
    }
    const std::string erased = line_.substr(start);
    line_.resize(start);
    if (LFlag(abi::kEcho)) EchoErased(first, word || kill);
    if (LFlag(abi::kEcho) && LFlag(abi::kEchoPrt)) {
      for (size_t i = 1; i < erased.size(); ++i) EchoRaw(static_cast<uint8_t>(erased[i]));
    }
    if (!word && !kill) break;
  }
  if (line_.empty() && LFlag(abi::kEcho)) FinishErasing();
}

void LineDiscipline::EchoErased(uint8_t c, bool word_or_line) {
  if (LFlag(abi::kEchoPrt)) {
    if (!std::exchange(erasing_, true)) EchoRaw('\\');
    EchoChar(c);
  } else if (!word_or_line && !LFlag(abi::kEchoE)) {
    EchoChar(termios_.cc[abi::kVErase]);
  } else if (c == '\t') {
    EchoErasedTab();
  } else {
    const int columns = !IsControl(c) ? 1 : LFlag(abi::kEchoCtl) ? 2 : 0;
    for (int i = 0; i < columns; ++i) {
      for (const uint8_t out : {'\b', ' ', '\b'}) EchoRaw(out);
    }
  }
}

// Goes back over the columns that the tab had filled: from where the text
// before it ends.
void LineDiscipline::EchoErasedTab() {
  uint32_t columns = 0;
  uint32_t after_tab = 0;
  for (size_t i = line_.size(); i-- > 0;) {
    const uint8_t c = static_cast<uint8_t>(line_[i]);
    if (c == '\t') {
      after_tab = kAfterTab;
      break;
    }
    if (IsControl(c)) {
      if (LFlag(abi::kEchoCtl)) columns += 2;
    } else if (!IsContinuation(c)) {
      ++columns;
    }
  }
  AddEcho(kEchoEraseTab | after_tab | (columns % kTabStop) << kColumnsShift);
}

void LineDiscipline::Reprint(uint8_t c) {
  FinishErasing();
  EchoChar(c);
  EchoRaw('\n');
  for (const char text : line_) EchoChar(static_cast<uint8_t>(text));
}

void LineDiscipline::FinishErasing() {
  if (std::exchange(erasing_, false)) EchoRaw('/');
}

// --- Reading ---

bool LineDiscipline::InputReady(size_t minimum) const {
  if (canonical()) return ready_lines_ > 0;
  return ready_.size() >= std::max<size_t>(minimum, 1);
}

size_t LineDiscipline::InputBytes() const {
  if (!canonical()) return ready_.size();
  return static_cast<size_t>(std::count_if(ready_.begin(), ready_.end(), [](uint16_t c) { return !(c & kIsEof); }));
}

size_t LineDiscipline::ReadInput(std::span<uint8_t> dst) {
  size_t n = 0;
  bool ended = false;
  const bool lines = canonical();
  while (!ready_.empty() && !ended && !(lines && ready_lines_ == 0)) {
    const uint16_t c = ready_.front();
    // An end of file right behind a full buffer belongs to this read.
    if (n == dst.size() && !(c & kIsEof)) break;
    ready_.pop_front();
    if (c & kEndsLine) {
      --ready_lines_;
      ended = lines;
    }
    if (!(c & kIsEof)) dst[n++] = static_cast<uint8_t>(c);
  }
  ProcessPending();
  return n;
}

void LineDiscipline::FlushInput() {
  pending_.clear();
  line_.clear();
  ready_.clear();
  ready_lines_ = 0;
  literal_next_ = erasing_ = false;
  effects_.packet |= abi::kPktFlushRead;
}

// --- Output ---

size_t LineDiscipline::Transmit(std::span<const uint8_t> bytes) {
  FlushEchoes();
  size_t n = 0;
  while (n < bytes.size() && CanTransmit()) PutOutput(bytes[n++]);
  return n;
}

size_t LineDiscipline::TakeOutput(std::span<uint8_t> dst) {
  const size_t n = std::min(dst.size(), output_.size());
  std::copy_n(output_.begin(), n, dst.begin());
  output_.erase(0, n);
  return n;
}

// What lies in the master's read buffer has been transmitted: Linux's
// pty_flush_buffer drops only what is still on its way there.
void LineDiscipline::FlushOutput(size_t transmitted) {
  output_.resize(std::min({output_.size(), transmitted, kMasterBuffer}));
  effects_.packet |= abi::kPktFlushWrite;
}

void LineDiscipline::StopOutput() {
  if (std::exchange(stopped_, true)) return;
  effects_.packet = (effects_.packet & ~abi::kPktStart) | abi::kPktStop;
}

void LineDiscipline::StartOutput() {
  if (!std::exchange(stopped_, false)) return;
  effects_.packet = (effects_.packet & ~abi::kPktStop) | abi::kPktStart;
}

void LineDiscipline::NoteLineStart() {
  if (line_.empty()) AddEcho(kEchoLineStart);
}

void LineDiscipline::EchoChar(uint8_t c) {
  if (LFlag(abi::kEchoCtl) && IsControl(c) && c != '\t') {
    AddEcho(kEchoControl | c);
  } else {
    EchoRaw(c);
  }
}

// Echo never holds anybody up: the oldest is lost, and all while the master
// does not read.
void LineDiscipline::AddEcho(uint32_t op) {
  if (echo_.size() == kEchoMax) echo_.pop_front();
  echo_.push_back(op);
}

void LineDiscipline::FlushEchoes() {
  if (stopped_) return;
  for (const uint32_t op : std::exchange(echo_, {})) {
    if (output_.size() >= 2 * kOutputMax) return;
    if (op & kEchoLineStart) {
      line_column_ = column_;
    } else if (op & kEchoEraseTab) {
      const uint32_t columns = (op >> kColumnsShift) + (op & kAfterTab ? 0 : line_column_);
      for (uint32_t n = kTabStop - columns % kTabStop; n > 0; --n) {
        PutRaw('\b');
        if (column_ > 0) --column_;
      }
    } else if (op & kEchoControl) {  // not subject to OPOST
      PutRaw('^');
      PutRaw(static_cast<uint8_t>(op) ^ 0100);
      column_ += 2;
    } else if (op == 0xff) {
      PutRaw(0xff);
      ++column_;
    } else {
      PutOutput(static_cast<uint8_t>(op));
    }
  }
}

void LineDiscipline::PutOutput(uint8_t c) {
  if (!OFlag(abi::kOPost)) {
    PutRaw(c);
    return;
  }
  switch (c) {
    case '\n':
      if (OFlag(abi::kONlRet)) column_ = 0;
      if (OFlag(abi::kONlCr)) {
        column_ = line_column_ = 0;
        PutRaw('\r');
        break;
      }
      line_column_ = column_;
      break;
    case '\r':
      if (OFlag(abi::kONoCr) && column_ == 0) return;
      if (OFlag(abi::kOCrNl)) {
        c = '\n';
        if (OFlag(abi::kONlRet)) column_ = line_column_ = 0;
        break;
      }
      column_ = line_column_ = 0;
      break;
    case '\t': {
      const uint32_t spaces = kTabStop - column_ % kTabStop;
      column_ += spaces;
      if ((termios_.oflag & abi::kTabDly) == abi::kXTabs) {
        output_.append(spaces, ' ');
        return;
      }
      break;
    }
    case '\b':
      if (column_ > 0) --column_;
      break;
    default:
      if (IsControl(c)) break;
      if (OFlag(abi::kOLcUc)) c = ToUpper(c);
      if (!IsContinuation(c)) ++column_;
  }
  PutRaw(c);
}

}  // namespace sentry
