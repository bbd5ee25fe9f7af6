// The end of a container, by whatever command.
#ifndef RUNSC_CPP_CONTAINER_END_H_
#define RUNSC_CPP_CONTAINER_END_H_

#include "runsc-cpp/container/runtime_options.h"

namespace runsc {

// Kills it. Nothing of it runs any more when this returns; its record, cgroup and files are left.
void EndContainer(const RuntimeOptions& runtime, const ContainerRecord& record);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_END_H_
