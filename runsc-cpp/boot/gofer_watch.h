// Notices the death of the gofer or the netgofer when no call is under way.
#ifndef RUNSC_CPP_BOOT_GOFER_WATCH_H_
#define RUNSC_CPP_BOOT_GOFER_WATCH_H_

#include <functional>

#include "fsgofer/protocol/client.h"
#include "netgofer/protocol/client.h"

namespace runsc {

// One thread each, for the process's life. `died` is called once.
void WatchGofer(fsgofer::Client& client, std::function<void()> died);
void WatchNetgofer(netgofer::Client& client, std::function<void()> died);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_GOFER_WATCH_H_
