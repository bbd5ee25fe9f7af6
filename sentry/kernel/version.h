// What uname(2) and /proc/version tell: the Linux release whose behaviour is
// followed.
#ifndef SENTRY_KERNEL_VERSION_H_
#define SENTRY_KERNEL_VERSION_H_

namespace sentry {

inline constexpr char kOsType[] = "Linux";
inline constexpr char kOsRelease[] = "6.1.0-runsc-cpp";
// The same for those who can't read anything but 2.6 (UNAME26): 60 more than the minor number.
inline constexpr char kOsRelease26[] = "2.6.61-runsc-cpp";
inline constexpr char kOsVersion[] = "#1 SMP runsc-cpp";
inline constexpr char kMachine[] = "x86_64";
inline constexpr char kMachine32[] = "i686";  // PER_LINUX32

}  // namespace sentry

#endif  // SENTRY_KERNEL_VERSION_H_
