// ioctl(2) of both ends of a pseudo terminal (man 2 ioctl_tty; Linux's tty_io.c,
// tty_ioctl.c, tty_jobctrl.c, pty.c).
#include <algorithm>
#include <cstring>

#include "sentry/abi/ioctl.h"
#include "sentry/fs/devpts/tty.h"
#include "sentry/fs/devpts/tty_internal.h"
#include "sentry/fs/devpts/tty_signals.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {
namespace {

Result<uint64_t> Done() { return uint64_t{0}; }

template <typename T>
Result<uint64_t> Put(const VfsContext& ctx, uint64_t arg, const T& value) {
  TRY(UserOut<T>(UserAddr(arg)).Write(*ctx.memory, value));
  return uint64_t{0};
}

template <typename T>
Result<T> Get(const VfsContext& ctx, uint64_t arg) {
  return UserIn<T>(UserAddr(arg)).Read(*ctx.memory);
}

// The speeds that CBAUD's values stand for.
constexpr uint32_t kSpeeds[] = {0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400};
constexpr uint32_t kFastSpeeds[] = {57600,   115200,  230400,  460800,  500000,  576000,  921600, 1000000,
                                    1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000};

uint32_t SpeedOf(uint32_t cflag, uint32_t other) {
  const uint32_t code = cflag & abi::kCBaud;
  if (code == abi::kBOther) return other;
  if (code < abi::kBOther) return kSpeeds[code];
  return kFastSpeeds[std::min<size_t>(code - abi::kBOther - 1, std::size(kFastSpeeds) - 1)];
}

abi::Termios ToTermios(const abi::Termios2& t) {
  abi::Termios out{t.iflag, t.oflag, t.cflag, t.lflag, t.line, {}};
  memcpy(out.cc, t.cc, sizeof(out.cc));
  return out;
}

}  // namespace

Result<uint64_t> Tty::Ioctl(const VfsContext& ctx, End end, bool may_read, uint32_t request, uint64_t arg) {
  if (ctx.memory == nullptr) return Errno::kENOTTY;
  if (end == End::kSlave) {
    base::MutexLock lock(mu_);
    if (!master_open_) return request == abi::kTiocSPgrp ? Errno::kENOTTY : Errno::kEIO;
  }
  switch (request) {
    case abi::kTcGetS:
    case abi::kTcGetS2:
    case abi::kTcSetS:
    case abi::kTcSetSW:
    case abi::kTcSetSF:
    case abi::kTcSetS2:
    case abi::kTcSetSW2:
    case abi::kTcSetSF2:
    case abi::kTcSBrk:
    case abi::kTcSBrkP:
    case abi::kTcXOnC:
    case abi::kTcFlsh:
      return TermiosIoctl(ctx, end, request, arg);
    case abi::kTiocSCtty:
    case abi::kTiocNoTty:
    case abi::kTiocGPgrp:
    case abi::kTiocSPgrp:
    case abi::kTiocGSid:
      return JobIoctl(ctx, end, may_read, request, arg);
    case abi::kTiocPkt:
    case abi::kTiocGPkt:
    case abi::kTiocGPtn:
    case abi::kTiocSPtLck:
    case abi::kTiocGPtLck:
    case abi::kTiocSig:
      if (end != End::kMaster) return Errno::kENOTTY;
      return MasterIoctl(ctx, request, arg);
    default:
      return CommonIoctl(ctx, end, request, arg);
  }
}

// --- Modes ---

Result<uint64_t> Tty::TermiosIoctl(const VfsContext& ctx, End end, uint32_t request, uint64_t arg) {
  if (request == abi::kTcGetS || request == abi::kTcGetS2) {
    abi::Termios2 termios;
    {
      base::MutexLock lock(mu_);
      termios = line_.termios();
    }
    return request == abi::kTcGetS ? Put(ctx, arg, ToTermios(termios)) : Put(ctx, arg, termios);
  }
  if (request == abi::kTcXOnC) {
    TRY(Flow(ctx, arg));
  } else if (request == abi::kTcFlsh) {
    TRY(Flush(ctx, end, arg));
  } else if (request == abi::kTcSBrk || request == abi::kTcSBrkP) {
    // There is no line to break, and output is with the master as soon as it is
    // written: nothing to wait for, as in Linux.
    TRY(CheckBackground(ctx, kSigTtou));
  } else {
    TRY(SetTermios(ctx, request, arg));
  }
  return Done();
}

Result<void> Tty::SetTermios(const VfsContext& ctx, uint32_t request, uint64_t arg) {
  TRY(CheckBackground(ctx, kSigTtou));
  abi::Termios2 next;
  if (request == abi::kTcSetS || request == abi::kTcSetSW || request == abi::kTcSetSF) {
    const abi::Termios old_layout = TRY(Get<abi::Termios>(ctx, arg));
    base::MutexLock lock(mu_);
    next = line_.termios();
    next.iflag = old_layout.iflag, next.oflag = old_layout.oflag;
    next.cflag = old_layout.cflag, next.lflag = old_layout.lflag;
    next.line = old_layout.line;
    memcpy(next.cc, old_layout.cc, sizeof(next.cc));
    next.ispeed = next.ospeed = SpeedOf(next.cflag, next.ospeed);
  } else {
    next = TRY(Get<abi::Termios2>(ctx, arg));
    next.ospeed = SpeedOf(next.cflag, next.ospeed);
  }
  // A pseudo terminal is always eight bits without parity, and receives.
  next.cflag = (next.cflag & ~(abi::kCsize | abi::kParEnb)) | abi::kCs8 | abi::kCRead;
  next.line = 0;
  After after;
  {
    base::MutexLock lock(mu_);
    if (request == abi::kTcSetSF || request == abi::kTcSetSF2) line_.FlushInput();
    line_.SetTermios(next);
    after = Finish();
  }
  Deliver(after);
  NotifyBoth();
  return Ok();
}

// The master's input is the slave's output, and the other way round.
Result<void> Tty::Flush(const VfsContext& ctx, End end, uint64_t which) {
  TRY(CheckBackground(ctx, kSigTtou));
  if (which > static_cast<uint64_t>(abi::kTcIOFlush)) return Errno::kEINVAL;
  const bool input = which != static_cast<uint64_t>(abi::kTcOFlush);
  const bool output = which != static_cast<uint64_t>(abi::kTcIFlush);
  After after;
  {
    base::MutexLock lock(mu_);
    if (end == End::kSlave ? input : output) line_.FlushInput();
    if (end == End::kSlave ? output : input) line_.FlushOutput();
    after = Finish();
  }
  Deliver(after);
  NotifyBoth();
  return Ok();
}

Result<void> Tty::Flow(const VfsContext& ctx, uint64_t action) {
  TRY(CheckBackground(ctx, kSigTtou));
  After after;
  {
    base::MutexLock lock(mu_);
    switch (action) {
      case abi::kTcOOff:
        line_.StopOutput();
        break;
      case abi::kTcOOn:
        line_.StartOutput();
        break;
      case abi::kTcIOff:
      case abi::kTcIOn: {
        const uint8_t c = line_.termios().cc[action == abi::kTcIOff ? abi::kVStop : abi::kVStart];
        if (c != abi::kDisabledChar) line_.SendChar(c);
        break;
      }
      default:
        return Errno::kEINVAL;
    }
    after = Finish();
  }
  Deliver(after);
  NotifyBoth();
  return Ok();
}

// --- Job control ---

Result<uint64_t> Tty::JobIoctl(const VfsContext& ctx, End end, bool may_read, uint32_t request, uint64_t arg) {
  if (ctx.job == nullptr) return Errno::kENOTTY;
  switch (request) {
    case abi::kTiocSCtty:
      TRY(TakeAsControlling(ctx, may_read, arg == 1));
      return Done();
    case abi::kTiocNoTty:
      TRY(GiveUp(ctx));
      return Done();
    case abi::kTiocSPgrp:
      TRY(SetForeground(ctx, arg));
      return Done();
    default:
      break;
  }
  if (end == End::kSlave && !IsControllingOf(ctx)) return Errno::kENOTTY;
  int32_t id;
  {
    base::MutexLock lock(mu_);
    if (request == abi::kTiocGSid && session_ == 0) return Errno::kENOTTY;
    id = request == abi::kTiocGSid ? session_ : foreground_;
  }
  return Put(ctx, arg, ctx.job->NumberOf(id));
}

Result<void> Tty::TakeAsControlling(const VfsContext& ctx, bool may_read, bool steal) {
  const bool leader = ctx.job->is_session_leader();
  const bool admin = ctx.creds->Has(Capability::kSysAdmin);
  int32_t robbed = 0;
  {
    base::MutexLock lock(mu_);
    if (leader && session_ == ctx.job->session()) return Ok();
    if (!leader || ctx.job->controlling_terminal() != nullptr) return Errno::kEPERM;
    if (session_ != 0 && !(steal && admin)) return Errno::kEPERM;
    if (!may_read && !admin) return Errno::kEPERM;
    robbed = session_;
    session_ = ctx.job->session();
    foreground_ = ctx.job->process_group();
  }
  if (robbed != 0 && GetTtySignals() != nullptr) GetTtySignals()->ForgetTerminal(robbed);
  ctx.job->SetControllingTerminal(RefPtr<base::RefCounted>(this));
  return Ok();
}

// TIOCNOTTY. A terminal is its session's here, so only the leader can give it
// up; of another process Linux forgets it for that one alone (EPERM).
Result<void> Tty::GiveUp(const VfsContext& ctx) {
  if (!IsControllingOf(ctx)) return Errno::kENOTTY;
  if (!ctx.job->is_session_leader()) return Errno::kEPERM;
  const int32_t session = ctx.job->session();
  int32_t foreground;
  {
    base::MutexLock lock(mu_);
    session_ = 0;
    foreground = std::exchange(foreground_, 0);
  }
  if (foreground != 0 && GetTtySignals() != nullptr) {
    GetTtySignals()->SignalGroup(session, foreground, kSigHup);
    GetTtySignals()->SignalGroup(session, foreground, kSigCont);
  }
  ctx.job->ClearControllingTerminal();
  return Ok();
}

Result<void> Tty::SetForeground(const VfsContext& ctx, uint64_t arg) {
  const Result<void> allowed = CheckBackground(ctx, kSigTtou);
  if (allowed.Is(Errno::kEIO)) return Errno::kENOTTY;
  if (!allowed.ok()) return allowed.error();
  const int32_t number = TRY(Get<int32_t>(ctx, arg));
  if (number < 0) return Errno::kEINVAL;
  if (!IsControllingOf(ctx)) return Errno::kENOTTY;
  const int32_t session = ctx.job->session();
  const int32_t group = TRY(ctx.job->FindProcessGroup(number, session));
  base::MutexLock lock(mu_);
  if (session_ != session) return Errno::kENOTTY;
  foreground_ = group;
  return Ok();
}

// --- The master's own ---

Result<uint64_t> Tty::MasterIoctl(const VfsContext& ctx, uint32_t request, uint64_t arg) {
  if (request == abi::kTiocGPtn) return Put(ctx, arg, static_cast<uint32_t>(index_));
  if (request == abi::kTiocGPkt || request == abi::kTiocGPtLck) {
    int32_t value;
    {
      base::MutexLock lock(mu_);
      value = request == abi::kTiocGPkt ? packet_ : locked_;
    }
    return Put(ctx, arg, value);
  }
  if (request == abi::kTiocSig) {
    const int signo = static_cast<int>(arg);
    if (signo != kSigInt && signo != kSigQuit && signo != kSigTstp) return Errno::kEINVAL;
    After after;
    {
      base::MutexLock lock(mu_);
      after = Finish();
    }
    after.signals.push_back(signo);
    Deliver(after);
    return Done();
  }
  const int32_t value = TRY(Get<int32_t>(ctx, arg));
  if (request == abi::kTiocSPtLck) {
    SetLocked(value != 0);
    return Done();
  }
  base::MutexLock lock(mu_);
  if (value != 0 && !packet_) packet_status_ = 0;
  packet_ = value != 0;
  return Done();
}

// --- Both ends ---

Result<uint64_t> Tty::CommonIoctl(const VfsContext& ctx, End end, uint32_t request, uint64_t arg) {
  switch (request) {
    case abi::kTiocGWinSz: {
      abi::Winsize size;
      {
        base::MutexLock lock(mu_);
        size = window_;
      }
      return Put(ctx, arg, size);
    }
    case abi::kTiocSWinSz:
      SetWindowSize(TRY(Get<abi::Winsize>(ctx, arg)));
      return Done();
    case abi::kFioNRead: {
      int32_t n;
      {
        base::MutexLock lock(mu_);
        n = static_cast<int32_t>(end == End::kMaster ? line_.output_size() : line_.InputBytes());
      }
      return Put(ctx, arg, n);
    }
    case abi::kTiocOutQ:
      return Put(ctx, arg, int32_t{0});  // written is sent
    case abi::kTiocExcl:
    case abi::kTiocNXcl: {
      base::MutexLock lock(mu_);
      exclusive_ = request == abi::kTiocExcl;
      return Done();
    }
    case abi::kTiocGExcl: {
      int32_t value;
      {
        base::MutexLock lock(mu_);
        value = exclusive_;
      }
      return Put(ctx, arg, value);
    }
    case abi::kTiocGDev:
      return Put(ctx, arg, device());
    case abi::kTiocGetD:
      return Put(ctx, arg, int32_t{0});  // N_TTY, the only one
    case abi::kTiocSetD:
      if (TRY(Get<int32_t>(ctx, arg)) != 0) return Errno::kEINVAL;
      return Done();
    case abi::kTiocSti:
      TRY(Simulate(ctx, end, arg));
      return Done();
    default:
      return Errno::kENOTTY;
  }
}

// TIOCSTI: a byte as if it had been typed.
Result<void> Tty::Simulate(const VfsContext& ctx, End end, uint64_t arg) {
  if (!IsControllingOf(ctx) && !ctx.creds->Has(Capability::kSysAdmin)) return Errno::kEPERM;
  const uint8_t c = TRY(Get<uint8_t>(ctx, arg));
  if (end == End::kMaster) return Errno::kEIO;  // the master has no line discipline to type into
  After after;
  {
    base::MutexLock lock(mu_);
    line_.Receive(std::span<const uint8_t>(&c, 1));
    after = Finish();
  }
  Deliver(after);
  NotifyBoth();
  return Ok();
}

void Tty::SetWindowSize(const abi::Winsize& size) {
  After after;
  {
    base::MutexLock lock(mu_);
    if (window_ == size) return;
    window_ = size;
    after = Finish();
  }
  after.signals.push_back(kSigWinch);
  Deliver(after);
}

}  // namespace sentry
