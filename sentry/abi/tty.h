// ioctl(2) of terminals (man 2 ioctl_tty) and what they carry.
#ifndef SENTRY_ABI_TTY_H_
#define SENTRY_ABI_TTY_H_

#include <cstdint>

namespace sentry::abi {

inline constexpr uint32_t kTcGetS = 0x5401, kTcSetS = 0x5402, kTcSetSW = 0x5403, kTcSetSF = 0x5404;
inline constexpr uint32_t kTcSBrk = 0x5409, kTcXOnC = 0x540A, kTcFlsh = 0x540B;
inline constexpr uint32_t kTiocExcl = 0x540C, kTiocNXcl = 0x540D, kTiocSCtty = 0x540E, kTiocGPgrp = 0x540F;
inline constexpr uint32_t kTiocSPgrp = 0x5410, kTiocOutQ = 0x5411, kTiocSti = 0x5412, kTiocGWinSz = 0x5413;
inline constexpr uint32_t kTiocSWinSz = 0x5414, kTiocPkt = 0x5420, kTiocNoTty = 0x5422, kTiocSetD = 0x5423;
inline constexpr uint32_t kTiocGetD = 0x5424, kTcSBrkP = 0x5425, kTiocGSid = 0x5429;
inline constexpr uint32_t kTcGetS2 = 0x802C542A, kTcSetS2 = 0x402C542B, kTcSetSW2 = 0x402C542C, kTcSetSF2 = 0x402C542D;
inline constexpr uint32_t kTiocGPtn = 0x80045430, kTiocSPtLck = 0x40045431, kTiocGDev = 0x80045432;
inline constexpr uint32_t kTiocSig = 0x40045436, kTiocGPkt = 0x80045438, kTiocGPtLck = 0x80045439;
inline constexpr uint32_t kTiocGExcl = 0x80045440, kTiocGPtPeer = 0x5441;

// tcflush(3), tcflow(3).
inline constexpr int kTcIFlush = 0, kTcOFlush = 1, kTcIOFlush = 2;
inline constexpr int kTcOOff = 0, kTcOOn = 1, kTcIOff = 2, kTcIOn = 3;

// The first byte of a packet-mode read (TIOCPKT).
inline constexpr uint8_t kPktData = 0, kPktFlushRead = 1, kPktFlushWrite = 2, kPktStop = 4, kPktStart = 8;
inline constexpr uint8_t kPktNoStop = 16, kPktDoStop = 32, kPktIoctl = 64;

struct Winsize {
  uint16_t rows;
  uint16_t cols;
  uint16_t xpixel;
  uint16_t ypixel;
  friend constexpr bool operator==(const Winsize&, const Winsize&) = default;
};
static_assert(sizeof(Winsize) == 8);

inline constexpr uint32_t kTtyAuxMajor = 5, kPtsMajor = 136;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_TTY_H_
