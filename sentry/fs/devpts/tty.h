// A pseudo terminal: its line discipline, who holds its two ends, and the
// session it controls. Analogous to a pair of Linux's struct tty_struct.
#ifndef SENTRY_FS_DEVPTS_TTY_H_
#define SENTRY_FS_DEVPTS_TTY_H_

#include <cstdint>

#include "base/mutex.h"
#include "base/wait_queue.h"
#include "sentry/abi/tty.h"
#include "sentry/fs/devpts/line_discipline.h"
#include "sentry/usermem/io_buffer.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/controlling_terminal.h"

namespace sentry {

class Tty final : public ControllingTerminal {
 public:
  enum class End : uint8_t { kMaster, kSlave };

  explicit Tty(int32_t index);
  // The live terminal that JobControl::controlling_terminal() names; null: none.
  static RefPtr<Tty> FindByIdentity(const void* identity);

  int32_t index() const { return index_; }

  // --- Ends ---
  // EIO: the master is gone, or `check_lock` and it has not been unlocked
  // (TIOCSPTLCK). EBUSY: TIOCEXCL.
  Result<void> SlaveOpened(const VfsContext& ctx, bool check_lock);
  void SlaveClosed();
  void MasterClosed();
  void SetLocked(bool locked);  // TIOCSPTLCK
  // open(2) without O_NOCTTY by a session leader that has no terminal.
  void MaybeBecomeControlling(const VfsContext& ctx);

  // --- Data. EAGAIN: not now, or (blocking callers) a job control signal is on
  // its way to the caller, which ends its wait and restarts the call. EINTR: the
  // same for a caller that does not wait, and for Ioctl. ---
  Result<size_t> MasterRead(IoSink& dst);
  Result<size_t> MasterWrite(IoSource& src);
  Result<size_t> SlaveRead(const VfsContext& ctx, IoSink& dst, bool nonblocking);
  Result<size_t> SlaveWrite(const VfsContext& ctx, IoSource& src, bool nonblocking);
  base::EventMask Readiness(End end, base::EventMask mask);
  base::WaitQueue& queue(End end) { return end == End::kMaster ? master_queue_ : slave_queue_; }

  // `may_read`: the descriptor can (TIOCSCTTY asks).
  Result<uint64_t> Ioctl(const VfsContext& ctx, End end, bool may_read, uint32_t request, uint64_t arg);
  // SIGWINCH to the foreground group if it is a change.
  void SetWindowSize(const abi::Winsize& size);

  // --- ControllingTerminal ---
  uint32_t device() const override;
  int32_t foreground_group() override;
  void SessionLeaderExited(int32_t session) override;

 private:
  // What is done after the lock is dropped: signals, wake-ups, timers.
  struct After {
    std::vector<int> signals;
    int32_t session = 0, foreground = 0;
    int64_t timer_ns = 0;
  };
  ~Tty() override;

  After Finish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Deliver(const After& after);
  void NotifyBoth();
  bool IsControllingOf(const VfsContext& ctx) const;
  Result<void> CheckBackground(const VfsContext& ctx, int signo);
  Result<void> CheckBackgroundIo(const VfsContext& ctx, int signo, bool nonblocking);
  // How many bytes make a read return; VTIME may lower it.
  size_t ReadMinimum(size_t wanted) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether a read goes on now, though less than the minimum is there; sets a
  // deadline otherwise.
  bool TimedOut(int32_t tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteInput() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool DeadlinePassed(int64_t now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TimerFired();

  // Families of Ioctl, in tty_ioctl.cc.
  Result<uint64_t> TermiosIoctl(const VfsContext& ctx, End end, uint32_t request, uint64_t arg);
  Result<uint64_t> JobIoctl(const VfsContext& ctx, End end, bool may_read, uint32_t request, uint64_t arg);
  Result<uint64_t> MasterIoctl(const VfsContext& ctx, uint32_t request, uint64_t arg);
  Result<uint64_t> CommonIoctl(const VfsContext& ctx, End end, uint32_t request, uint64_t arg);
  Result<void> SetTermios(const VfsContext& ctx, uint32_t request, uint64_t arg);
  Result<void> TakeAsControlling(const VfsContext& ctx, bool may_read, bool steal);
  Result<void> GiveUp(const VfsContext& ctx);
  Result<void> SetForeground(const VfsContext& ctx, uint64_t arg);
  Result<void> Flush(const VfsContext& ctx, End end, uint64_t which);
  Result<void> Flow(const VfsContext& ctx, uint64_t action);
  Result<void> Simulate(const VfsContext& ctx, End end, uint64_t arg);

  const int32_t index_;
  base::WaitQueue master_queue_, slave_queue_;
  mutable base::RankedMutex<base::LockRank::kTty> mu_;
  LineDiscipline line_ ABSL_GUARDED_BY(mu_);
  abi::Winsize window_ ABSL_GUARDED_BY(mu_){};
  int32_t session_ ABSL_GUARDED_BY(mu_) = 0;     // 0: controls none
  int32_t foreground_ ABSL_GUARDED_BY(mu_) = 0;  // 0: no group
  bool locked_ ABSL_GUARDED_BY(mu_) = true;      // until unlockpt(3)
  bool exclusive_ ABSL_GUARDED_BY(mu_) = false;
  bool master_open_ ABSL_GUARDED_BY(mu_) = true;
  bool packet_ ABSL_GUARDED_BY(mu_) = false;  // TIOCPKT
  uint8_t packet_status_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t slaves_ ABSL_GUARDED_BY(mu_) = 0;
  bool slave_seen_ ABSL_GUARDED_BY(mu_) = false;
  // A sleeping read that asked for fewer bytes than VMIN; 0: none.
  size_t sleeping_minimum_ ABSL_GUARDED_BY(mu_) = 0;
  // VTIME: when the read of thread `deadline_tid_` is over (monotonic ns).
  int64_t deadline_ns_ ABSL_GUARDED_BY(mu_) = 0;
  int32_t deadline_tid_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t last_input_ns_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t timer_request_ns_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sentry

#endif  // SENTRY_FS_DEVPTS_TTY_H_
