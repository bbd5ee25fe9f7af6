// Terminal modes of x86-64 Linux as the kernel lays them out, which is not how
// libc does (man 3 termios; asm-generic/termbits.h).
#ifndef SENTRY_ABI_TERMIOS_H_
#define SENTRY_ABI_TERMIOS_H_

#include <cstdint>

namespace sentry::abi {

inline constexpr int kNccs = 19;

struct Termios {
  uint32_t iflag;
  uint32_t oflag;
  uint32_t cflag;
  uint32_t lflag;
  uint8_t line;
  uint8_t cc[kNccs];
};
static_assert(sizeof(Termios) == 36);

struct Termios2 {
  uint32_t iflag;
  uint32_t oflag;
  uint32_t cflag;
  uint32_t lflag;
  uint8_t line;
  uint8_t cc[kNccs];
  uint32_t ispeed;
  uint32_t ospeed;
};
static_assert(sizeof(Termios2) == 44);

// Indices of cc.
inline constexpr int kVIntr = 0, kVQuit = 1, kVErase = 2, kVKill = 3, kVEof = 4, kVTime = 5, kVMin = 6;
inline constexpr int kVSwtc = 7, kVStart = 8, kVStop = 9, kVSusp = 10, kVEol = 11, kVReprint = 12, kVDiscard = 13;
inline constexpr int kVWErase = 14, kVLNext = 15, kVEol2 = 16;

// iflag.
inline constexpr uint32_t kIgnBrk = 0x001, kBrkInt = 0x002, kIgnPar = 0x004, kParMrk = 0x008, kInPck = 0x010;
inline constexpr uint32_t kIStrip = 0x020, kINlCr = 0x040, kIgnCr = 0x080, kICrNl = 0x100, kIUcLc = 0x200;
inline constexpr uint32_t kIXOn = 0x400, kIXAny = 0x800, kIXOff = 0x1000, kIMaxBel = 0x2000, kIUtf8 = 0x4000;

// oflag.
inline constexpr uint32_t kOPost = 0x01, kOLcUc = 0x02, kONlCr = 0x04, kOCrNl = 0x08, kONoCr = 0x10;
inline constexpr uint32_t kONlRet = 0x20, kTabDly = 0x1800, kXTabs = 0x1800;

// cflag.
inline constexpr uint32_t kCBaud = 0x100f, kCsize = 0x30, kCs8 = 0x30, kCRead = 0x80, kParEnb = 0x100, kHupCl = 0x400;
inline constexpr uint32_t kB38400 = 0x0f, kBOther = 0x1000;

// lflag.
inline constexpr uint32_t kISig = 0x01, kICanon = 0x02, kXCase = 0x04, kEcho = 0x08, kEchoE = 0x10, kEchoK = 0x20;
inline constexpr uint32_t kEchoNl = 0x40, kNoFlsh = 0x80, kToStop = 0x100, kEchoCtl = 0x200, kEchoPrt = 0x400;
inline constexpr uint32_t kEchoKe = 0x800, kFlushO = 0x1000, kPendIn = 0x4000, kIExten = 0x8000, kExtProc = 0x10000;

// A control character that is switched off (_POSIX_VDISABLE).
inline constexpr uint8_t kDisabledChar = 0;

// What a new pseudo terminal has (Linux's tty_std_termios, less HUPCL).
constexpr Termios2 DefaultTermios() {
  Termios2 t{};
  t.iflag = kICrNl | kIXOn;
  t.oflag = kOPost | kONlCr;
  t.cflag = kB38400 | kCs8 | kCRead;
  t.lflag = kISig | kICanon | kEcho | kEchoE | kEchoK | kEchoCtl | kEchoKe | kIExten;
  t.cc[kVIntr] = 3, t.cc[kVQuit] = 28, t.cc[kVErase] = 127, t.cc[kVKill] = 21, t.cc[kVEof] = 4;
  t.cc[kVMin] = 1, t.cc[kVStart] = 17, t.cc[kVStop] = 19, t.cc[kVSusp] = 26;
  t.cc[kVReprint] = 18, t.cc[kVDiscard] = 15, t.cc[kVWErase] = 23, t.cc[kVLNext] = 22;
  t.ispeed = t.ospeed = 38400;
  return t;
}

}  // namespace sentry::abi

#endif  // SENTRY_ABI_TERMIOS_H_
