// Notices the gofer's death when no call is under way.
#ifndef RUNSC_CPP_BOOT_GOFER_WATCH_H_
#define RUNSC_CPP_BOOT_GOFER_WATCH_H_

#include <functional>

#include "fsgofer/protocol/client.h"

namespace runsc {

// One thread, for the process's life. `died` is called once.
void WatchGofer(fsgofer::Client& client, std::function<void()> died);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_GOFER_WATCH_H_
