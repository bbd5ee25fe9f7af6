// A container and the right to change it.
#ifndef RUNSC_CPP_CONTAINER_HELD_H_
#define RUNSC_CPP_CONTAINER_HELD_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "runsc-cpp/container/runtime_options.h"

namespace runsc {

struct Held {
  base::UniqueFd lock;
  ContainerRecord record;
};

absl::StatusOr<Held> Hold(const RuntimeOptions& runtime, const std::string& id);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_HELD_H_
