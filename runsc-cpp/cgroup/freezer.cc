#include "runsc-cpp/cgroup/freezer.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/files.h"

namespace runsc::cgroup {
namespace {

constexpr char kState[] = "freezer.state";

// Gone, or a kernel without it.
bool NoFreezer(const absl::Status& status) { return ErrnoOf(status) == ENOENT || ErrnoOf(status) == ENODEV; }

absl::StatusOr<std::string> ReadWord(const std::string& dir, absl::string_view name) {
  const auto text = ReadFile(dir, name);
  if (!text.ok()) return text.status();
  return std::string(absl::StripAsciiWhitespace(*text));
}

// v1 can't freeze reliably while processes appear; writing again and letting
// them run on for a moment helps (numbers as runc found them by trying).
absl::Status TryFreezeV1(const std::string& dir) {
  constexpr int kTries = 1000;
  useconds_t long_pause = 1'000'000;
  for (int i = 0; i < kTries; ++i) {
    if (i % 50 == 49) {
      (void)ThawV1(dir);
      usleep(10'000);
    }
    if (absl::Status s = WriteFile(dir, kState, "FROZEN"); !s.ok()) return s;
    if (i % 25 == 24) usleep(10);
    if (i % 200 == 199) {
      usleep(long_pause);
      long_pause *= 2;
    }
    const auto state = ReadWord(dir, kState);
    if (!state.ok()) return state.status();
    if (*state == "FROZEN") return absl::OkStatus();
    if (*state != "FREEZING") return absl::InternalError(absl::StrCat("unexpected state ", *state, " while freezing"));
  }
  return absl::DeadlineExceededError(absl::StrCat("unable to freeze ", dir));
}

absl::Status WaitFrozenV2(const std::string& dir) {
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    const auto frozen = ReadKey(dir, "cgroup.events", "frozen");
    if (!frozen.ok()) return frozen.status();
    if (*frozen == 1) return absl::OkStatus();
    usleep(10'000);
  }
  return absl::DeadlineExceededError(absl::StrCat("timeout of 10s reached waiting for the cgroup ", dir, " to freeze"));
}

}  // namespace

absl::Status ThawV1(const std::string& dir) { return WriteFile(dir, kState, "THAWED"); }

absl::Status FreezeV1(const std::string& dir) {
  absl::Status s = TryFreezeV1(dir);
  // Half frozen is worse than either.
  if (!s.ok()) (void)ThawV1(dir);
  return s;
}

absl::StatusOr<FreezerState> FreezerStateV1(const std::string& dir) {
  while (true) {
    const auto state = ReadWord(dir, kState);
    if (!state.ok()) {
      if (NoFreezer(state.status())) return FreezerState::kUndefined;
      return state.status();
    }
    if (*state == "THAWED") return FreezerState::kThawed;
    if (*state == "FROZEN") break;
    if (*state != "FREEZING") return absl::InternalError(absl::StrCat("unknown freezer.state \"", *state, "\""));
    usleep(1000);
  }
  // It may be a parent that is frozen.
  const auto self = ReadWord(dir, "freezer.self_freezing");
  if (!self.ok()) return NoFreezer(self.status()) ? absl::StatusOr<FreezerState>(FreezerState::kFrozen) : self.status();
  return *self == "0" ? FreezerState::kThawed : FreezerState::kFrozen;
}

absl::Status ThawV2(const std::string& dir) {
  const absl::Status s = WriteFile(dir, "cgroup.freeze", "0");
  // Without a freezer nothing is frozen.
  return NoFreezer(s) && Exists(dir) ? absl::OkStatus() : s;
}

absl::Status FreezeV2(const std::string& dir) {
  absl::Status s = WriteFile(dir, "cgroup.freeze", "1");
  if (!s.ok()) return NoFreezer(s) ? AddContext(s, "freezer not supported") : s;
  s = WaitFrozenV2(dir);
  if (!s.ok()) (void)ThawV2(dir);
  return s;
}

absl::StatusOr<FreezerState> FreezerStateV2(const std::string& dir) {
  const auto freeze = ReadWord(dir, "cgroup.freeze");
  if (!freeze.ok()) {
    if (NoFreezer(freeze.status())) return FreezerState::kUndefined;
    return freeze.status();
  }
  return *freeze == "0" ? FreezerState::kThawed : FreezerState::kFrozen;
}

}  // namespace runsc::cgroup
