// Starting the stub template: the process that every stub is a copy of.
#ifndef PLATFORM_STUB_TEMPLATE_H_
#define PLATFORM_STUB_TEMPLATE_H_

#include <sys/types.h>

#include <cstddef>

#include "base/result.h"
#include "base/unique_fd.h"

namespace platform::stub {

// What the sentry holds of its template. Plain descriptors, so that a launcher
// may also pass them through an exec.
struct TemplateHandle {
  pid_t pid = -1;
  base::UniqueFd control;   // requests for stubs; end of file ends the template
  base::UniqueFd requests;  // memfd of the keepers' request pages
  base::UniqueFd regions;   // memfd of the trapped threads' regions
  bool has_vdso = false;    // the host's vDSO is at STUB_VDSO in each stub
  // vm.max_map_count, read here since the sentry opens no path later.
  size_t max_mappings = 65530;
};

// Starts the template with the memory files as its only descriptors of note
// (large_fd -1: there is none). To be called by the process that will be the
// sentry, with its final credentials, pid namespace and user namespace (they
// decide whether it may trace its stubs), single-threaded, and before its host
// seccomp filter, for it forks, executes a memfd and reads vm.max_map_count (if
// /proc is there). Returns
// when the template runs.
base::Result<TemplateHandle> StartTemplate(int small_fd, int large_fd);

}  // namespace platform::stub

#endif  // PLATFORM_STUB_TEMPLATE_H_
