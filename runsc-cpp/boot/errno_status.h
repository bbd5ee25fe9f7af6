// Where the kernel's errors become the runtime's: an Errno and the step it broke.
#ifndef RUNSC_CPP_BOOT_ERRNO_STATUS_H_
#define RUNSC_CPP_BOOT_ERRNO_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/errno.h"

namespace runsc {

inline absl::Status Failed(absl::string_view step, base::Errno error) {
  return absl::ErrnoToStatus(static_cast<int>(error), step);
}

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_ERRNO_STATUS_H_
