// What uname(2) and /proc/version tell: the Linux release whose behaviour is
// followed.
#ifndef SENTRY_KERNEL_VERSION_H_
#define SENTRY_KERNEL_VERSION_H_

namespace sentry {

inline constexpr char kOsType[] = "Linux";
inline constexpr char kOsRelease[] = "6.1.0-runsc-cpp";
inline constexpr char kOsVersion[] = "#1 SMP runsc-cpp";
inline constexpr char kMachine[] = "x86_64";

}  // namespace sentry

#endif  // SENTRY_KERNEL_VERSION_H_
