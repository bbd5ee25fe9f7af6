// What became of a container: its end, for `wait` and `why`, and its post-mortem (postmortem/).
#ifndef RUNSC_CPP_CONTAINER_ENDING_H_
#define RUNSC_CPP_CONTAINER_ENDING_H_

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cpp/container/runtime_options.h"
#include "runsc-cpp/container/state.h"
#include "runsc-cpp/postmortem/post_mortem.h"

namespace runsc {

// Waits for the container's end; its exit code. Of one that is stopped already, at once.
absl::StatusOr<int> AwaitContainer(const RuntimeOptions& runtime, const std::string& id);

// Why a container that has stopped did. `status` is what it was when one looked: running, and it is gone by `delete`.
PostMortem EndOf(const RuntimeOptions& runtime, const ContainerRecord& record, ContainerStatus status);
// Of a container that is there, or of one that was deleted. FailedPrecondition: it has not ended. NotFound.
absl::StatusOr<PostMortem> FindEnd(const RuntimeOptions& runtime, const std::string& id);

// Before its files and its cgroup go. Errors are warnings.
void KeepEnd(const RuntimeOptions& runtime, const ContainerRecord& record, ContainerStatus status);
// One that was never there: `error` is what the caller was told.
void KeepFailure(const RuntimeOptions& runtime, const std::string& id, const absl::Status& error);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_ENDING_H_
