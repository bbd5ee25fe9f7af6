#include "runsc-cpp/filter/filter.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace runsc {
namespace {

constexpr sock_filter kSentry[] = {
#include "runsc-cpp/filter/sentry_filter.inc"
};
constexpr sock_filter kTracingSentry[] = {
#include "runsc-cpp/filter/tracing_sentry_filter.inc"
};
constexpr sock_filter kKvmSentry[] = {
#include "runsc-cpp/filter/kvm_sentry_filter.inc"
};
constexpr sock_filter kGofer[] = {
#include "runsc-cpp/filter/gofer_filter.inc"
};
constexpr sock_filter kNetgofer[] = {
#include "runsc-cpp/filter/netgofer_filter.inc"
};
constexpr sock_filter kRawNetgofer[] = {
#include "runsc-cpp/filter/raw_netgofer_filter.inc"
};

}  // namespace

std::span<const sock_filter> SentryFilter() { return kSentry; }
std::span<const sock_filter> TracingSentryFilter() { return kTracingSentry; }
std::span<const sock_filter> KvmSentryFilter() { return kKvmSentry; }
std::span<const sock_filter> GoferFilter() { return kGofer; }
std::span<const sock_filter> NetgoferFilter() { return kNetgofer; }
std::span<const sock_filter> RawNetgoferFilter() { return kRawNetgofer; }

bool InstallFilter(std::span<const sock_filter> filter) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

}  // namespace runsc
