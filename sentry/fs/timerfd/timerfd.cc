#include "sentry/fs/timerfd/timerfd.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "sentry/abi/eventfd.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

constexpr int kClockRealtime = 0, kClockMonotonic = 1, kClockBoottime = 7;
constexpr int kClockRealtimeAlarm = 8, kClockBoottimeAlarm = 9;
constexpr int64_t kNsPerSec = 1'000'000'000;

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

std::string FormatTime(int64_t ns) { return absl::StrFormat("(%d, %d)", ns / kNsPerSec, ns % kNsPerSec); }

}  // namespace

TimerFd::TimerFd(Path path, uint32_t flags, TimerService& service, int clock)
    : FileDescription(std::move(path), flags), service_(service), clock_(clock) {}

TimerFd::~TimerFd() { service_.Disarm(*this); }

const void* TimerFd::Kind() {
  static const char kTag = 0;
  return &kTag;
}

void TimerFd::TimerExpired() {
  // Readers count; a notification too many does no harm.
  wait_queue_.Notify(base::kEventIn | base::kEventRdNorm);
}

bool TimerFd::CountExpirations(int64_t now) {
  if (next_ == 0 || now < next_) return false;
  if (interval_ == 0) {
    ++ticks_;
    next_ = 0;
    return false;
  }
  const int64_t periods = (now - next_) / interval_ + 1;
  ticks_ += static_cast<uint64_t>(periods);
  next_ = SaturatingAdd(next_, periods * interval_);  // at most now + interval_
  return true;
}

TimerSetting TimerFd::RemainingLocked(int64_t now) const {
  return {.value = next_ == 0 ? 0 : std::max<int64_t>(next_ - now, 1), .interval = interval_};
}

Result<TimerSetting> TimerFd::SetTime(uint32_t flags, const TimerSetting& setting) {
  if ((flags & ~(abi::kTfdTimerAbsTime | abi::kTfdTimerCancelOnSet)) != 0) return Errno::kEINVAL;
  if (setting.value < 0 || setting.interval < 0) return Errno::kEINVAL;
  TimerSetting old;
  base::MutexLock order(arm_mu_);
  const int64_t now = service_.Now(clock_);
  int64_t next = 0;
  {
    base::MutexLock lock(mu_);
    CountExpirations(now);
    old = RemainingLocked(now);
    ticks_ = 0;
    // TFD_TIMER_CANCEL_ON_SET: no guest can set the clock, so none is cancelled.
    set_flags_ = flags;
    interval_ = setting.value == 0 ? 0 : setting.interval;
    if (setting.value > 0) {
      next = (flags & abi::kTfdTimerAbsTime) != 0 ? setting.value : SaturatingAdd(now, setting.value);
    }
    next_ = next;
  }
  if (next != 0) {
    service_.Arm(*this, clock_, next);
  } else {
    service_.Disarm(*this);
  }
  return old;
}

TimerSetting TimerFd::GetTime() {
  base::MutexLock order(arm_mu_);
  const int64_t now = service_.Now(clock_);
  int64_t next;
  bool arm;
  TimerSetting out;
  {
    base::MutexLock lock(mu_);
    arm = CountExpirations(now);
    next = next_;
    out = RemainingLocked(now);
  }
  if (arm) service_.Arm(*this, clock_, next);
  return out;
}

uint64_t TimerFd::Take() {
  base::MutexLock order(arm_mu_);
  const int64_t now = service_.Now(clock_);
  int64_t next;
  bool arm;
  uint64_t ticks;
  {
    base::MutexLock lock(mu_);
    arm = CountExpirations(now);
    next = next_;
    ticks = std::exchange(ticks_, 0);
  }
  if (arm) service_.Arm(*this, clock_, next);
  return ticks;
}

Result<size_t> TimerFd::Read(const VfsContext&, IoSink& dst) {
  if (dst.remaining() < sizeof(uint64_t)) return Errno::kEINVAL;
  const uint64_t ticks = Take();
  if (ticks == 0) return Errno::kEAGAIN;
  // As Linux: the expirations are taken even if they can't be handed over.
  const size_t n = TRY(dst.Write(std::as_bytes(std::span(&ticks, 1))));
  return n == sizeof(ticks) ? Result<size_t>(n) : Errno::kEFAULT;
}

base::EventMask TimerFd::Readiness(base::EventMask mask) {
  const int64_t now = service_.Now(clock_);
  base::MutexLock lock(mu_);
  const bool expired = ticks_ > 0 || (next_ != 0 && now >= next_);
  return expired ? mask & base::kEventIn : 0;
}

std::string TimerFd::FdInfo() {
  const int64_t now = service_.Now(clock_);
  base::MutexLock lock(mu_);
  const TimerSetting left = RemainingLocked(now);
  return absl::StrFormat("clockid: %d\nticks: %d\nsettime flags: 0%o\nit_value: %s\nit_interval: %s\n", clock_, ticks_,
                         set_flags_, FormatTime(left.value), FormatTime(left.interval));
}

Result<RefPtr<TimerFd>> NewTimerFd(const VfsContext& ctx, TimerService& service, int clock, uint32_t flags) {
  if ((flags & ~(abi::kTfdCloExec | abi::kTfdNonBlock)) != 0) return Errno::kEINVAL;
  const bool alarm = clock == kClockRealtimeAlarm || clock == kClockBoottimeAlarm;
  if (!alarm && clock != kClockRealtime && clock != kClockMonotonic && clock != kClockBoottime) return Errno::kEINVAL;
  if (alarm && !ctx.creds->Has(Capability::kWakeAlarm)) return Errno::kEPERM;
  return MakeRef<TimerFd>(InternalPath(InternalFs::kAnonInode, AnonInode(), "anon_inode:[timerfd]"),
                          abi::kORdWr | (flags & abi::kTfdNonBlock), service, clock);
}

}  // namespace sentry
