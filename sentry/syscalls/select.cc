// select, pselect6: Linux's fs/select.c.
#include <array>
#include <bit>

#include "sentry/abi/poll.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/poll.h"
#include "sentry/syscalls/time_args.h"

namespace sentry {
namespace {

constexpr int32_t kMaxFds = 1 << 20;  // fs.nr_open: no descriptor is above
constexpr size_t kWordBits = 64;
constexpr uint32_t kReadEvents = abi::kPollRdNorm | abi::kPollRdBand | abi::kPollIn | abi::kPollHup | abi::kPollErr;
constexpr uint32_t kWriteEvents = abi::kPollWrBand | abi::kPollWrNorm | abi::kPollOut | abi::kPollErr;
constexpr uint32_t kExceptEvents = abi::kPollPri;
constexpr std::array<uint32_t, 3> kEvents = {kReadEvents, kWriteEvents, kExceptEvents};

using Bits = std::vector<uint64_t>;

bool Has(const Bits& bits, size_t fd) { return !bits.empty() && (bits[fd / kWordBits] >> (fd % kWordBits) & 1) != 0; }

// The guest's three sets; an absent one is empty.
struct FdSets {
  std::array<UserAddr, 3> addr;
  std::array<Bits, 3> asked;
  size_t words = 0;
  size_t fds = 0;

  Result<void> Read(Task& task, int32_t count) {
    if (count < 0) return Errno::kEINVAL;
    fds = static_cast<size_t>(std::min(count, kMaxFds));
    words = (fds + kWordBits - 1) / kWordBits;
    for (size_t i = 0; i < 3; ++i) {
      if (!addr[i].is_null()) asked[i] = TRY(UserIn<uint64_t>(addr[i]).ReadArray(task.mm(), words));
    }
    return Ok();
  }
  Result<void> Write(Task& task, const std::array<Bits, 3>& found) const {
    for (size_t i = 0; i < 3; ++i) {
      if (!addr[i].is_null()) TRY(UserOut<uint64_t>(addr[i]).WriteArray(task.mm(), found[i]));
    }
    return Ok();
  }
};

// EBADF: a bit of a descriptor that is not open.
Result<void> Collect(Task& task, const FdSets& sets, std::vector<PollEntry>& entries, std::vector<size_t>& fds) {
  for (size_t word = 0; word < sets.words; ++word) {
    uint64_t any = 0;
    for (const Bits& bits : sets.asked) any |= bits.empty() ? 0 : bits[word];
    for (; any != 0; any &= any - 1) {
      const size_t fd = word * kWordBits + static_cast<size_t>(std::countr_zero(any));
      if (fd >= sets.fds) break;
      PollEntry entry{.file = TRY(task.fds().GetNoPath(static_cast<int32_t>(fd)))};
      for (size_t i = 0; i < 3; ++i) {
        if (Has(sets.asked[i], fd)) entry.wanted |= kEvents[i];
      }
      // Errors and hang-ups end the wait only of the sets that count them.
      entries.push_back(std::move(entry));
      fds.push_back(fd);
    }
  }
  return Ok();
}

// Restart::kSys: interrupted.
SyscallResult DoSelect(Task& task, FdSets sets, int32_t count, Deadline deadline) {
  TRY(sets.Read(task, count));
  std::vector<PollEntry> entries;
  std::vector<size_t> fds;
  TRY(Collect(task, sets, entries, fds));
  TRY(WaitForAny(task, entries, deadline));
  std::array<Bits, 3> found;
  for (Bits& bits : found) bits.assign(sets.words, 0);
  size_t total = 0;
  for (size_t e = 0; e < entries.size(); ++e) {
    for (size_t i = 0; i < 3; ++i) {
      if (!Has(sets.asked[i], fds[e]) || (entries[e].ready & kEvents[i]) == 0) continue;
      found[i][fds[e] / kWordBits] |= uint64_t{1} << (fds[e] % kWordBits);
      ++total;
    }
  }
  TRY(sets.Write(task, found));
  return total;
}

// As Linux's poll_select_finish: `told`, whether the guest has the time left.
SyscallResult Finish(const SyscallResult& result, bool told) {
  if (result.error_if() == nullptr || result.error_if()->restart_if() == nullptr) return result;
  return told ? SyscallResult(Restart::kNoHand) : Errno::kEINTR;
}

}  // namespace

SyscallResult SysSelect(Task& task, int32_t count, UserAddr read, UserAddr write, UserAddr except,
                        UserInOut<abi::Timeval> timeout) {
  Deadline deadline;
  if (timeout) {
    const abi::Timeval tv = TRY(timeout.Read(task.mm()));
    int64_t sec;
    // More than a second of microseconds is allowed here.
    if (__builtin_add_overflow(tv.sec, tv.usec / 1'000'000, &sec)) return Errno::kEINVAL;
    deadline = PollDeadline(TRY(TimespecToNs({.sec = sec, .nsec = tv.usec % 1'000'000 * 1000})));
  }
  FdSets sets{.addr = {read, write, except}, .asked = {}};
  const SyscallResult result = DoSelect(task, std::move(sets), count, deadline);
  return Finish(result, TellTimeLeft(task, deadline, timeout, NsToTimeval));
}

SyscallResult SysPselect6(Task& task, int32_t count, UserAddr read, UserAddr write, UserAddr except,
                          UserInOut<abi::Timespec> timeout, UserAddr mask) {
  struct MaskArg {
    uint64_t addr;
    uint64_t size;
  };
  MaskArg mask_arg{};
  if (!mask.is_null()) mask_arg = TRY(UserIn<MaskArg>(mask).Read(task.mm()));
  Deadline deadline;
  if (timeout) deadline = PollDeadline(TRY(TimespecToNs(TRY(timeout.Read(task.mm())))));
  TRY(ApplySignalMask(task, UserAddr(mask_arg.addr), mask_arg.size));
  FdSets sets{.addr = {read, write, except}, .asked = {}};
  const SyscallResult result = DoSelect(task, std::move(sets), count, deadline);
  return Finish(result, TellTimeLeft(task, deadline, timeout, NsToTimespec));
}

}  // namespace sentry
