#include "sentry/fs/devpts/tty.h"

#include <time.h>

#include <algorithm>
#include <set>

#include "sentry/abi/fs.h"
#include "sentry/fs/devpts/tty_internal.h"
#include "sentry/fs/devpts/tty_signals.h"

namespace sentry {
namespace {

constexpr size_t kChunk = 4096;
constexpr int64_t kTenth = 100'000'000;  // VTIME's unit
// A deadline of a read that was interrupted and never came back is void.
constexpr int64_t kStale = 1'000'000'000;

TtySignals* g_signals = nullptr;

struct LiveTtys {
  base::RankedMutex<base::LockRank::kLeaf> mu;
  std::set<const Tty*> all ABSL_GUARDED_BY(mu);
};
LiveTtys& Live() {
  static LiveTtys* const live = new LiveTtys;  // outlives every terminal
  return *live;
}

int64_t MonotonicNow() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

}  // namespace

void SetTtySignals(TtySignals* signals) { g_signals = signals; }
TtySignals* GetTtySignals() { return g_signals; }

Tty::Tty(int32_t index) : index_(index) {
  base::MutexLock lock(Live().mu);
  Live().all.insert(this);
}

Tty::~Tty() {
  base::MutexLock lock(Live().mu);
  Live().all.erase(this);
}

RefPtr<Tty> Tty::FindByIdentity(const void* identity) {
  base::MutexLock lock(Live().mu);
  for (const Tty* tty : Live().all) {
    if (static_cast<const base::RefCounted*>(tty) != identity) continue;
    if (tty->TryIncRef()) return RefPtr<Tty>::Adopt(const_cast<Tty*>(tty));
  }
  return nullptr;
}

// --- After the lock ---

Tty::After Tty::Finish() {
  LineDiscipline::Effects effects = line_.TakeEffects();
  if (packet_ && effects.packet != 0) {
    // Stop and start undo each other.
    if (effects.packet & abi::kPktStart) packet_status_ &= ~abi::kPktStop;
    if (effects.packet & abi::kPktStop) packet_status_ &= ~abi::kPktStart;
    packet_status_ |= effects.packet;
  }
  After after;
  after.signals = std::move(effects.signals);
  after.session = session_;
  after.foreground = foreground_;
  after.timer_ns = std::exchange(timer_request_ns_, 0);
  return after;
}

void Tty::Deliver(const After& after) {
  if (g_signals == nullptr) return;
  if (after.foreground != 0) {
    for (const int signo : after.signals) g_signals->SignalGroup(after.session, after.foreground, signo);
  }
  if (after.timer_ns > 0) {
    g_signals->CallLater(after.timer_ns, [tty = RefPtr<Tty>(this)] { tty->TimerFired(); });
  }
}

// Readiness is asked again by whoever waits, so telling too much is harmless.
void Tty::NotifyBoth() {
  master_queue_.Notify(base::kReadableEvents | base::kWritableEvents | base::kEventPri);
  slave_queue_.Notify(base::kReadableEvents | base::kWritableEvents);
}

bool Tty::DeadlinePassed(int64_t now) const { return now >= deadline_ns_ && now <= deadline_ns_ + kStale; }

void Tty::TimerFired() { slave_queue_.Notify(base::kReadableEvents); }

// --- Ends ---

Result<void> Tty::SlaveOpened(const VfsContext& ctx, bool check_lock) {
  {
    base::MutexLock lock(mu_);
    if (!master_open_ || (check_lock && locked_)) return Errno::kEIO;
    if (exclusive_ && slaves_ > 0 && !ctx.creds->Has(Capability::kSysAdmin)) return Errno::kEBUSY;
    ++slaves_;
    slave_seen_ = true;
  }
  NotifyBoth();
  return Ok();
}

void Tty::SlaveClosed() {
  bool last;
  {
    base::MutexLock lock(mu_);
    last = --slaves_ == 0;
    if (last) exclusive_ = false;
  }
  if (last) NotifyBoth();
}

void Tty::SetLocked(bool locked) {
  base::MutexLock lock(mu_);
  locked_ = locked;
}

// Linux's tty_vhangup of the slave.
void Tty::MasterClosed() {
  int32_t session, foreground;
  {
    base::MutexLock lock(mu_);
    master_open_ = false;
    line_.FlushInput();
    line_.FlushOutput();
    session = std::exchange(session_, 0);
    foreground = std::exchange(foreground_, 0);
  }
  if (session != 0 && g_signals != nullptr) {
    g_signals->SignalLeader(session, kSigHup);
    g_signals->SignalLeader(session, kSigCont);
    // Linux does this when the leader, told just now, exits.
    if (foreground != 0 && foreground != session) {
      g_signals->SignalGroup(session, foreground, kSigHup);
      g_signals->SignalGroup(session, foreground, kSigCont);
    }
    g_signals->ForgetTerminal(session);
  }
  NotifyBoth();
}

void Tty::MaybeBecomeControlling(const VfsContext& ctx) {
  if (ctx.job == nullptr || !ctx.job->is_session_leader() || ctx.job->controlling_terminal() != nullptr) return;
  {
    base::MutexLock lock(mu_);
    if (session_ != 0 || !master_open_) return;
    session_ = ctx.job->session();
    foreground_ = ctx.job->process_group();
  }
  ctx.job->SetControllingTerminal(RefPtr<base::RefCounted>(this));
}

void Tty::SessionLeaderExited(int32_t session) {
  int32_t foreground;
  {
    base::MutexLock lock(mu_);
    if (session_ != session) return;
    session_ = 0;
    foreground = std::exchange(foreground_, 0);
  }
  if (foreground != 0 && g_signals != nullptr) g_signals->SignalGroup(session, foreground, kSigHup);
}

uint32_t Tty::device() const {
  return static_cast<uint32_t>(abi::MakeDev(abi::kPtsMajor, static_cast<uint32_t>(index_)));
}

int32_t Tty::foreground_group() {
  base::MutexLock lock(mu_);
  return foreground_;
}

bool Tty::IsControllingOf(const VfsContext& ctx) const {
  return ctx.job != nullptr && ctx.job->controlling_terminal() == static_cast<const base::RefCounted*>(this);
}

// Linux's __tty_check_change.
Result<void> Tty::CheckBackground(const VfsContext& ctx, int signo) {
  if (!IsControllingOf(ctx)) return Ok();
  const int32_t group = ctx.job->process_group();
  {
    base::MutexLock lock(mu_);
    if (foreground_ == 0 || foreground_ == group) return Ok();
  }
  if (ctx.job->signal_ignored(signo)) {
    if (signo == kSigTtin) return Errno::kEIO;
    return Ok();
  }
  if (ctx.job->process_group_orphaned()) return Errno::kEIO;
  if (g_signals != nullptr) g_signals->SignalGroup(ctx.job->session(), group, signo);
  return Errno::kEINTR;
}

Result<void> Tty::CheckBackgroundIo(const VfsContext& ctx, int signo, bool nonblocking) {
  const Result<void> checked = CheckBackground(ctx, signo);
  if (checked.Is(Errno::kEINTR) && !nonblocking) return Errno::kEAGAIN;
  return checked;
}

// --- Data ---

Result<size_t> Tty::MasterRead(IoSink& dst) {
  if (dst.remaining() == 0) return size_t{0};
  uint8_t buf[kChunk];
  size_t n = 0;
  {
    base::MutexLock lock(mu_);
    const size_t want = std::min(dst.remaining(), sizeof(buf));
    if (packet_ && packet_status_ != 0) {
      buf[n++] = std::exchange(packet_status_, 0);
    } else if (line_.output_size() == 0) {
      if (slave_seen_ && slaves_ == 0) return Errno::kEIO;
      return Errno::kEAGAIN;
    } else {
      if (packet_) buf[n++] = abi::kPktData;
      n += line_.TakeOutput(std::span(buf).subspan(n, want - n));
    }
  }
  slave_queue_.Notify(base::kEventOut | base::kEventWrNorm);
  return dst.Write(std::as_bytes(std::span(buf)).first(n));
}

Result<size_t> Tty::MasterWrite(IoSource& src) {
  size_t total = 0;
  uint8_t buf[kChunk];
  while (src.remaining() > 0) {
    const Result<size_t> got =
        src.Read(std::as_writable_bytes(std::span(buf)).first(std::min(src.remaining(), sizeof(buf))));
    if (!got.ok()) {
      if (total > 0) break;
      return got.error();
    }
    size_t taken;
    After after;
    {
      base::MutexLock lock(mu_);
      taken = line_.Receive(std::span<const uint8_t>(buf, *got));
      if (taken > 0) NoteInput();
      after = Finish();
    }
    src.Rewind(*got - taken);
    total += taken;
    Deliver(after);
    if (taken < *got) break;
  }
  if (total == 0 && src.remaining() > 0) return Errno::kEAGAIN;
  NotifyBoth();
  return total;
}

size_t Tty::ReadMinimum(size_t wanted) const {
  if (line_.canonical()) return 1;
  return std::max<size_t>(1, std::min<size_t>(line_.termios().cc[abi::kVMin], wanted));
}

// The clock between bytes (VMIN and VTIME) starts with the first one, when the
// read that waits for them sleeps already.
void Tty::NoteInput() {
  last_input_ns_ = MonotonicNow();
  const abi::Termios2& t = line_.termios();
  if (line_.canonical() || t.cc[abi::kVMin] == 0 || t.cc[abi::kVTime] == 0) return;
  if (sleeping_minimum_ <= 1 || line_.ready_size() == 0) return;
  timer_request_ns_ = t.cc[abi::kVTime] * kTenth;
  deadline_ns_ = last_input_ns_ + timer_request_ns_;
}

bool Tty::TimedOut(int32_t tid) {
  const abi::Termios2& t = line_.termios();
  if (line_.canonical()) return false;
  if (t.cc[abi::kVMin] == 0 && t.cc[abi::kVTime] == 0) return true;
  // Without a byte the clock of VMIN > 0 does not run.
  if (t.cc[abi::kVTime] == 0 || (t.cc[abi::kVMin] > 0 && line_.ready_size() == 0)) return false;
  const int64_t now = MonotonicNow();
  const int64_t span = t.cc[abi::kVTime] * kTenth;
  if (t.cc[abi::kVMin] > 0) {
    deadline_ns_ = last_input_ns_ + span;
  } else if (deadline_ns_ == 0 || deadline_tid_ != tid || now > deadline_ns_ + kStale) {
    deadline_ns_ = now + span;
  }
  deadline_tid_ = tid;
  if (now >= deadline_ns_) return true;
  timer_request_ns_ = deadline_ns_ - now;
  return false;
}

Result<size_t> Tty::SlaveRead(const VfsContext& ctx, IoSink& dst, bool nonblocking) {
  {
    base::MutexLock lock(mu_);
    if (!master_open_) return size_t{0};
  }
  TRY(CheckBackgroundIo(ctx, kSigTtin, nonblocking));
  if (dst.remaining() == 0) return size_t{0};
  uint8_t buf[kChunk];
  size_t n = 0;
  bool ready;
  After after;
  {
    base::MutexLock lock(mu_);
    const size_t want = std::min(dst.remaining(), sizeof(buf));
    const size_t minimum = nonblocking ? 1 : ReadMinimum(want);
    ready = line_.InputReady(minimum);
    if (!ready && nonblocking && line_.termios().cc[abi::kVMin] == 0 && line_.termios().cc[abi::kVTime] == 0) {
      ready = !line_.canonical();
    } else if (!ready && !nonblocking) {
      ready = TimedOut(ctx.tid);
    }
    if (ready) {
      sleeping_minimum_ = 0;
    } else if (!nonblocking) {
      sleeping_minimum_ = minimum;
    }
    if (ready) {
      n = line_.ReadInput(std::span(buf).first(want));
      deadline_ns_ = 0;
    }
    after = Finish();
  }
  Deliver(after);
  if (!ready) return Errno::kEAGAIN;
  NotifyBoth();  // there is room again; echo of what had waited
  if (n == 0) return size_t{0};
  return dst.Write(std::as_bytes(std::span(buf)).first(n));
}

Result<size_t> Tty::SlaveWrite(const VfsContext& ctx, IoSource& src, bool nonblocking) {
  bool stop_background;
  {
    base::MutexLock lock(mu_);
    if (!master_open_) return Errno::kEIO;
    stop_background = line_.termios().lflag & abi::kToStop;
  }
  if (stop_background) TRY(CheckBackgroundIo(ctx, kSigTtou, nonblocking));
  size_t total = 0;
  uint8_t buf[kChunk];
  while (src.remaining() > 0) {
    const Result<size_t> got =
        src.Read(std::as_writable_bytes(std::span(buf)).first(std::min(src.remaining(), sizeof(buf))));
    if (!got.ok()) {
      if (total > 0) break;
      return got.error();
    }
    size_t taken;
    {
      base::MutexLock lock(mu_);
      taken = master_open_ ? line_.Transmit(std::span<const uint8_t>(buf, *got)) : 0;
    }
    src.Rewind(*got - taken);
    total += taken;
    if (taken < *got) break;
  }
  if (total == 0 && src.remaining() > 0) return Errno::kEAGAIN;
  master_queue_.Notify(base::kEventIn | base::kEventRdNorm);
  return total;
}

base::EventMask Tty::Readiness(End end, base::EventMask mask) {
  constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;
  constexpr base::EventMask kOut = base::kEventOut | base::kEventWrNorm;
  base::EventMask now = 0;
  base::MutexLock lock(mu_);
  if (end == End::kMaster) {
    if (line_.output_size() > 0) now |= kIn;
    if (packet_ && packet_status_ != 0) now |= kIn | base::kEventPri;
    if (slave_seen_ && slaves_ == 0) now |= base::kEventHup;
    if (line_.CanReceive()) now |= kOut;
  } else if (!master_open_) {
    now = kIn | kOut | base::kEventErr | base::kEventHup;
  } else {
    const abi::Termios2& t = line_.termios();
    size_t minimum = t.cc[abi::kVTime] == 0 ? t.cc[abi::kVMin] : 1;
    if (sleeping_minimum_ != 0) minimum = sleeping_minimum_;
    if (line_.InputReady(minimum)) now |= kIn;
    if (deadline_ns_ != 0 && DeadlinePassed(MonotonicNow())) now |= kIn;
    if (line_.CanTransmit()) now |= kOut;
  }
  return now & (mask | base::kEventErr | base::kEventHup);
}

}  // namespace sentry
