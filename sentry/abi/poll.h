// poll(2), select(2), epoll(7) ABI of x86-64 Linux.
#ifndef SENTRY_ABI_POLL_H_
#define SENTRY_ABI_POLL_H_

#include <cstddef>
#include <cstdint>

namespace sentry::abi {

inline constexpr uint32_t kPollIn = 0x0001, kPollPri = 0x0002, kPollOut = 0x0004, kPollErr = 0x0008;
inline constexpr uint32_t kPollHup = 0x0010, kPollNval = 0x0020, kPollRdNorm = 0x0040, kPollRdBand = 0x0080;
inline constexpr uint32_t kPollWrNorm = 0x0100, kPollWrBand = 0x0200, kPollMsg = 0x0400, kPollRdHup = 0x2000;

struct PollFd {
  int32_t fd;
  int16_t events;
  int16_t revents;
};
static_assert(sizeof(PollFd) == 8);
static_assert(offsetof(PollFd, revents) == 6);

// epoll_create1(2), epoll_ctl(2).
inline constexpr uint32_t kEpollCloExec = 02000000;
inline constexpr int kEpollCtlAdd = 1, kEpollCtlDel = 2, kEpollCtlMod = 3;
inline constexpr uint32_t kEpollExclusive = 1u << 28, kEpollWakeUp = 1u << 29;
inline constexpr uint32_t kEpollOneShot = 1u << 30, kEpollEt = 1u << 31;

// Packed on x86-64 only: the data stands at 4.
struct __attribute__((packed)) EpollEvent {
  uint32_t events;
  uint64_t data;
};
static_assert(sizeof(EpollEvent) == 12);
static_assert(offsetof(EpollEvent, data) == 4);

// select(2): at most 1,024 by the C library; the kernel takes any.
inline constexpr int kFdSetBits = 1024;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_POLL_H_
