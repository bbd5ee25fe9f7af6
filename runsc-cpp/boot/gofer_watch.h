// A thread that sees a gofer's death while it sleeps.
#ifndef RUNSC_CPP_BOOT_GOFER_WATCH_H_
#define RUNSC_CPP_BOOT_GOFER_WATCH_H_

#include <functional>
#include <memory>

#include "fsgofer/protocol/client.h"

namespace runsc {

// `died` runs once, when the connection has ended; whether that was wanted is the caller's to know.
void WatchGofer(std::shared_ptr<fsgofer::Client> client, std::function<void()> died);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_GOFER_WATCH_H_
