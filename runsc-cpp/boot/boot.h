// The re-executions of this binary, from main to exit. The only place that
// knows a concrete platform or file system.
#ifndef RUNSC_CPP_BOOT_BOOT_H_
#define RUNSC_CPP_BOOT_BOOT_H_

namespace runsc {

int SentryMain();
int GoferMain();
int NetgoferMain();

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_BOOT_H_
