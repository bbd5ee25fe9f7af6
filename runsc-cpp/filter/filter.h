// The compiled host filters.
#ifndef RUNSC_CPP_FILTER_FILTER_H_
#define RUNSC_CPP_FILTER_FILTER_H_

#include <linux/filter.h>

#include <span>

namespace runsc {

// Without what only one platform has a use for; with ptrace; with KVM.
std::span<const sock_filter> SentryFilter();
std::span<const sock_filter> TracingSentryFilter();
std::span<const sock_filter> KvmSentryFilter();
std::span<const sock_filter> GoferFilter();
std::span<const sock_filter> NetgoferFilter();
std::span<const sock_filter> RawNetgoferFilter();

// For every thread of the calling process, for ever. False: errno says why.
bool InstallFilter(std::span<const sock_filter> filter);

}  // namespace runsc

#endif  // RUNSC_CPP_FILTER_FILTER_H_
