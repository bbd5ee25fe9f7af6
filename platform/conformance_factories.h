// The platforms under test, and how each is made.
#ifndef PLATFORM_CONFORMANCE_FACTORIES_H_
#define PLATFORM_CONFORMANCE_FACTORIES_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "platform/platform.h"

namespace platform {

struct Factory {
  const char* name;
  // `view`: of the memory file. *template_pid: -1 where there is none.
  std::unique_ptr<Platform> (*create)(int small_fd, std::span<std::byte> view,
                                      std::function<void(std::string)> on_template_death, pid_t* template_pid);
};

// Null where `create` can't: it has said why.
std::span<const Factory> Factories();
// Of those the ones that rewrite call sites.
std::span<const Factory> RewritingFactories();

}  // namespace platform

#endif  // PLATFORM_CONFORMANCE_FACTORIES_H_
