// A thread that sees the death of a gofer, or of the netgofer, when no call is under way.
#ifndef RUNSC_CPP_BOOT_GOFER_WATCH_H_
#define RUNSC_CPP_BOOT_GOFER_WATCH_H_

#include <functional>
#include <memory>

#include "base/result.h"
#include "fsgofer/protocol/client.h"
#include "netgofer/protocol/client.h"

namespace runsc {

// `died` runs once, when the connection has ended; whether that was wanted is the caller's to know.
base::Result<void> WatchGofer(std::shared_ptr<fsgofer::Client> client, std::function<void()> died);

// The client outlives the process's threads.
base::Result<void> WatchNetgofer(netgofer::Client& client, std::function<void()> died);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_GOFER_WATCH_H_
