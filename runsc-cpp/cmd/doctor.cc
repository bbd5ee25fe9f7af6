// doctor: what is wrong with this host, and how to mend it. Changes nothing.
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/platforms.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/doctor/engines.h"
#include "runsc-cpp/doctor/host.h"
#include "runsc-cpp/selection/probe.h"
#include "runsc-cpp/selection/select.h"

namespace runsc {
namespace {

constexpr int kMustBeFixed = 1;

Findings LookAtPlatforms() {
  const std::vector<Measurement> all = MeasurePlatforms(Platforms());
  const Measurement* const fastest = Fastest(all);
  if (fastest == nullptr) {
    return {{Health::kBad, "no platform can run guest code here", "runsc-cpp platforms  (tells why not, for each)"}};
  }
  std::string works;
  for (const Measurement& one : all) {
    if (one.ns_per_call.ok()) absl::StrAppend(&works, works.empty() ? "" : ", ", one.platform);
  }
  return {{Health::kGood, absl::StrCat("platforms that work: ", works, "; auto takes ", fastest->platform)}};
}

// Whether it is good enough.
bool Show(const Findings& findings) {
  bool good = true;
  for (const Finding& finding : findings) {
    constexpr const char* kMarks[] = {"ok    ", "note  ", "BAD   "};
    Print(absl::StrCat(kMarks[static_cast<size_t>(finding.health)], finding.what, "\n"));
    if (!finding.fix.empty()) Print(absl::StrCat("      fix: ", finding.fix, "\n"));
    good &= finding.health != Health::kBad;
  }
  return good;
}

// Empty: no error.
std::string ParseFlags(int argc, char** argv, DoctorPlaces& places) {
  struct Flag {
    std::string_view name;
    std::string& value;
  };
  const Flag flags[] = {{"--binary", places.binary},
                        {"--name", places.runtime_name},
                        {"--docker-config", places.docker_config},
                        {"--docker-socket", places.docker_socket},
                        {"--containerd-config", places.containerd_config},
                        {"--containerd-socket", places.containerd_socket}};
  for (int i = 0; i < argc; ++i) {
    const std::string_view word = argv[i];
    const size_t equals = word.find('=');
    bool known = false;
    for (const Flag& flag : flags) {
      if (equals == word.npos || word.substr(0, equals) != flag.name) continue;
      flag.value = word.substr(equals + 1);
      known = true;
    }
    if (!known) return absl::StrCat("\"", std::string(word), "\" is not a flag; `runsc-cpp help doctor` lists them");
  }
  return "";
}

}  // namespace

int DoctorCommand(int argc, char** argv) {
  DoctorPlaces places;
  char path[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  places.binary.assign(path, n > 0 ? static_cast<size_t>(n) : 0);
  if (const char* folder = getenv("TMPDIR"); folder != nullptr && *folder == '/') places.temporary = folder;
  const std::string wrong = ParseFlags(argc, argv, places);
  if (!wrong.empty()) return Fail("doctor", wrong);
  bool good = true;
  good &= Show(LookAtLimits("/proc/sys"));
  good &= Show(LookAtCgroups());
  good &= Show(LookAtKvm("/dev/kvm"));
  good &= Show(LookAtPlatforms());
  for (const auto look : {TryRuntime, LookAtDocker, LookAtContainerd, LookAtPodman, LookAtBuildah}) {
    good &= Show(look(places));
  }
  return good ? 0 : kMustBeFixed;
}

}  // namespace runsc
