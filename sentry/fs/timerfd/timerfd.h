// A timer as a file (man 2 timerfd_create). Analogous to Linux's struct
// timerfd_ctx.
//
// Expirations of a periodic timer are counted when somebody looks, from the
// clock; the service is armed for the next one only, and again after a read.
#ifndef SENTRY_FS_TIMERFD_TIMERFD_H_
#define SENTRY_FS_TIMERFD_TIMERFD_H_

#include <cstdint>
#include <string>

#include "base/mutex.h"
#include "base/wait_queue.h"
#include "sentry/fs/timerfd/timer_service.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

// struct itimerspec in nanoseconds (the caller has checked tv_nsec and sign,
// and saturates at INT64_MAX).
struct TimerSetting {
  int64_t value = 0;     // 0: disarmed
  int64_t interval = 0;  // 0: once
};

class TimerFd final : public FileDescription, private TimerListener {
 public:
  TimerFd(Path path, uint32_t flags, TimerService& service, int clock);

  // timerfd_settime(2), timerfd_gettime(2): what was set before, with the time
  // left. EINVAL: unknown flags.
  Result<TimerSetting> SetTime(uint32_t flags, const TimerSetting& setting);
  TimerSetting GetTime();

  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) override;
  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return &wait_queue_; }
  std::string FdInfo() override;
  const void* kind() const override { return Kind(); }
  static const void* Kind();

 private:
  ~TimerFd() override;
  void TimerExpired() override;
  // Moves `next_` behind `now`; true if the service is to be armed for it.
  bool CountExpirations(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  TimerSetting RemainingLocked(int64_t now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes the expirations counted so far; 0 if none.
  uint64_t Take();

  TimerService& service_;  // outlives all files
  const int clock_;
  base::WaitQueue wait_queue_;
  // Rank kTimers. Keeps calls of Arm and Disarm in the order of their settings;
  // held over calls of the service.
  base::RankedMutex<base::LockRank::kTimers> arm_mu_;
  // Rank kEventFd. Held over no call of the service.
  base::RankedMutex<base::LockRank::kEventFd> mu_;
  int64_t next_ ABSL_GUARDED_BY(mu_) = 0;  // next expiration on clock_; 0: disarmed
  int64_t interval_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t ticks_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t set_flags_ ABSL_GUARDED_BY(mu_) = 0;
};

// timerfd_create(2). EINVAL: unknown clock or flags; EPERM: an alarm clock
// without CAP_WAKE_ALARM.
Result<RefPtr<TimerFd>> NewTimerFd(const VfsContext& ctx, TimerService& service, int clock, uint32_t flags);

}  // namespace sentry

#endif  // SENTRY_FS_TIMERFD_TIMERFD_H_
