// Sizes as runc's flags take them.
#ifndef RUNSC_CPP_CMD_RAM_SIZE_H_
#define RUNSC_CPP_CMD_RAM_SIZE_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace runsc {

// go-units' RAMInBytes: a number, whole or with a fraction, and k, m, g, t or p of 1024, with "b" or "ib" behind it or
// not, in either case: "64m", "1.5 GiB". Nothing: it is none, or more than an int64_t.
std::optional<int64_t> ParseRamSize(absl::string_view text);

}  // namespace runsc

#endif  // RUNSC_CPP_CMD_RAM_SIZE_H_
