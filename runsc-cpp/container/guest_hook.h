// startContainer hooks: programs of the image, in the container, as its process would run. Nothing of them is executed
// on the host.
#ifndef RUNSC_CPP_CONTAINER_GUEST_HOOK_H_
#define RUNSC_CPP_CONTAINER_GUEST_HOOK_H_

#include "runsc-cpp/container/bundle.h"
#include "runsc-cpp/container/runtime_options.h"
#include "runsc-cpp/hooks/hooks.h"

namespace runsc {

// The arguments are borrowed. The container's first process must have been prepared.
HookStarter InGuest(const RuntimeOptions& runtime, const ContainerRecord& record, const Bundle& bundle);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_GUEST_HOOK_H_
