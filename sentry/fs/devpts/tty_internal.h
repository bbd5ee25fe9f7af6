// Shared by the files of this room.
#ifndef SENTRY_FS_DEVPTS_TTY_INTERNAL_H_
#define SENTRY_FS_DEVPTS_TTY_INTERNAL_H_

namespace sentry {

class TtySignals;

// Signal numbers of x86-64.
inline constexpr int kSigHup = 1, kSigInt = 2, kSigQuit = 3, kSigCont = 18, kSigTstp = 20, kSigTtin = 21;
inline constexpr int kSigTtou = 22, kSigWinch = 28;

TtySignals* GetTtySignals();  // null: not set

}  // namespace sentry

#endif  // SENTRY_FS_DEVPTS_TTY_INTERNAL_H_
