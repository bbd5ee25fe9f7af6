// clone, wait and scheduling of Linux (man 2 clone, wait, sched_setattr, getpriority, ioprio_set).
#ifndef SENTRY_ABI_SCHED_H_
#define SENTRY_ABI_SCHED_H_

#include <cstdint>

namespace sentry::abi {

inline constexpr uint64_t kCsignal = 0xff;
inline constexpr uint64_t kCloneNewTime = 0x80;
inline constexpr uint64_t kCloneVm = 0x100, kCloneFs = 0x200, kCloneFiles = 0x400, kCloneSighand = 0x800;
inline constexpr uint64_t kClonePidfd = 0x1000, kClonePtrace = 0x2000, kCloneVfork = 0x4000, kCloneParent = 0x8000;
inline constexpr uint64_t kCloneThread = 0x10000, kCloneNewNs = 0x20000, kCloneSysvSem = 0x40000;
inline constexpr uint64_t kCloneSetTls = 0x80000, kCloneParentSetTid = 0x100000, kCloneChildClearTid = 0x200000;
inline constexpr uint64_t kCloneDetached = 0x400000, kCloneUntraced = 0x800000, kCloneChildSetTid = 0x1000000;
inline constexpr uint64_t kCloneNewCgroup = 0x2000000, kCloneNewUts = 0x4000000, kCloneNewIpc = 0x8000000;
inline constexpr uint64_t kCloneNewUser = 0x10000000, kCloneNewPid = 0x20000000, kCloneNewNet = 0x40000000;
inline constexpr uint64_t kCloneIo = 0x80000000;
// clone3 only.
inline constexpr uint64_t kCloneClearSighand = uint64_t{1} << 32, kCloneIntoCgroup = uint64_t{1} << 33;
inline constexpr uint64_t kCloneNamespaces = kCloneNewTime | kCloneNewNs | kCloneNewCgroup | kCloneNewUts |
                                             kCloneNewIpc | kCloneNewUser | kCloneNewPid | kCloneNewNet;

// struct clone_args (man 2 clone3).
struct CloneArgs {
  uint64_t flags = 0, pidfd = 0, child_tid = 0, parent_tid = 0, exit_signal = 0;
  uint64_t stack = 0, stack_size = 0, tls = 0;
  uint64_t set_tid = 0, set_tid_size = 0;
  uint64_t cgroup = 0;
};
static_assert(sizeof(CloneArgs) == 88);
inline constexpr uint64_t kCloneArgsSizeVer0 = 64, kCloneArgsSizeVer1 = 80, kCloneArgsSizeVer2 = 88;

inline constexpr uint32_t kWNoHang = 1, kWUntraced = 2, kWStopped = 2, kWExited = 4, kWContinued = 8;
inline constexpr uint32_t kWNoWait = 0x01000000, kWNoThread = 0x20000000, kWAll = 0x40000000, kWClone = 0x80000000;
// waitid's idtype_t.
inline constexpr int32_t kPAll = 0, kPPid = 1, kPPgid = 2, kPPidfd = 3;

inline constexpr int32_t kSchedOther = 0, kSchedFifo = 1, kSchedRr = 2, kSchedBatch = 3, kSchedIdle = 5;
inline constexpr int32_t kSchedDeadline = 6, kSchedResetOnFork = 0x40000000;
inline constexpr uint32_t kMaxRtPriority = 99;
inline constexpr int32_t kMinNice = -20, kMaxNice = 19;

inline constexpr uint64_t kSchedFlagResetOnFork = 1, kSchedFlagReclaim = 2, kSchedFlagDlOverrun = 4;
inline constexpr uint64_t kSchedFlagKeepPolicy = 8, kSchedFlagKeepParams = 0x10, kSchedFlagUtilClamp = 0x60;
inline constexpr uint64_t kSchedFlagAll = 0x7f;

// struct sched_attr.
struct SchedAttr {
  uint32_t size = 0, policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;  // SCHED_DEADLINE, ns
  uint32_t util_min = 0, util_max = 0;
};
static_assert(sizeof(SchedAttr) == 56);
inline constexpr uint32_t kSchedAttrSizeVer0 = 48, kSchedAttrSizeVer1 = 56;

// An I/O priority: the class above, the level below. Of whom: one more than getpriority's `which`.
inline constexpr int32_t kIoprioClassShift = 13, kIoprioClassMask = 7, kIoprioDataMask = (1 << kIoprioClassShift) - 1;
inline constexpr int32_t kIoprioClassNone = 0, kIoprioClassRt = 1, kIoprioClassBe = 2, kIoprioClassIdle = 3;
inline constexpr int32_t kIoprioLevels = 8;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_SCHED_H_
