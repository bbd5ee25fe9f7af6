// start: the hooks around the first instruction of a container's process.
#include "runsc-cpp/container/ask.h"
#include "runsc-cpp/container/bundle.h"
#include "runsc-cpp/container/end.h"
#include "runsc-cpp/container/guest_hook.h"
#include "runsc-cpp/container/held.h"
#include "runsc-cpp/container/operations.h"
#include "runsc-cpp/container/state.h"
#include "runsc-cpp/hooks/hooks.h"

namespace runsc {
namespace {

namespace control = sentry::control;

absl::Status CheckCreated(const ContainerRecord& record) {
  const ContainerStatus status = StatusOf(record);
  if (status == ContainerStatus::kStopped)
    return absl::FailedPreconditionError("cannot start a container that has stopped");
  if (status == ContainerStatus::kRunning || status == ContainerStatus::kPaused) {
    return absl::FailedPreconditionError("cannot start an already running container");
  }
  return absl::OkStatus();
}

absl::StatusOr<control::Response> Ask(const RuntimeOptions& runtime, const ContainerRecord& record,
                                      const Bundle& bundle, const control::Request& request) {
  absl::StatusOr<control::Response> response = AskSandbox(runtime, record, request);
  if (!response.ok()) return response.status();
  if (absl::Status s = ToStatus(*response, *bundle.plan.process); !s.ok()) return s;
  return response;
}

// Beside the container's process, which is there and waits.
absl::Status RunGuestHooks(const RuntimeOptions& runtime, const ContainerRecord& record, const Bundle& bundle) {
  if (bundle.plan.hooks.start_container.empty()) return absl::OkStatus();
  control::Request request;
  request.mutable_prepare()->set_id(record.id());
  const absl::StatusOr<control::Response> response = Ask(runtime, record, bundle, request);
  if (!response.ok()) return response.status();
  const std::string state = HookState(record, "created", response->pid());
  return RunHooks("startContainer", bundle.plan.hooks.start_container, state, InGuest(runtime, record, bundle));
}

}  // namespace

absl::Status StartContainer(const RuntimeOptions& runtime, const std::string& id) {
  absl::StatusOr<Held> held = Hold(runtime, id);
  if (!held.ok()) return held.status();
  ContainerRecord& record = held->record;
  if (absl::Status s = CheckCreated(record); !s.ok()) return s;
  const absl::StatusOr<Bundle> bundle = ReadStoredBundle(runtime, record);
  if (!bundle.ok()) return bundle.status();
  if (absl::Status s = RunGuestHooks(runtime, record, *bundle); !s.ok()) {
    EndContainer(runtime, record);
    return s;
  }
  // What runs must be known as running, even if the starter is killed.
  record.set_phase(ContainerRecord::STARTED);
  if (absl::Status s = runtime.root.Save(record); !s.ok()) return s;
  control::Request request;
  request.mutable_start()->set_id(id);
  if (absl::Status s = Ask(runtime, record, *bundle, request).status(); !s.ok()) return s;
  const absl::Status hooks = RunHooks("poststart", bundle->plan.hooks.poststart, HookState(record, "running"));
  if (!hooks.ok()) EndContainer(runtime, record);
  return hooks;
}

}  // namespace runsc
