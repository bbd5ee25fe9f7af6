// hostile [--full] [--vmcalls] [--contain] [--first=N] [--count=N] CASE: runs one case; `hostile --list` names them.
#include <stdlib.h>
#include <string.h>

#include <string_view>
#include <vector>

#include "test/hostile/cases.h"
#include "test/hostile/machine.h"
#include "test/hostile/output.h"

namespace hostile {
namespace {

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (const auto part : {PrivilegedCases(), OpcodeCases(), FarCases(), CompatCases(), SelectorCases(), FaultCases(),
                          HighHalfCases(), SyscallCases(), StepCases(), SigreturnCases(), EntryStateCases(),
                          BirthCases(), RaceCases(), StormCases(), VectorCases(), KickCases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

bool TakesNumber(std::string_view argument, std::string_view prefix, uint64_t& out) {
  if (!argument.starts_with(prefix)) return false;
  out = strtoull(argument.data() + prefix.size(), nullptr, 0);
  return true;
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i++) {
    const std::string_view argument = argv[i];
    if (argument == "--full") {
      options.full = true;
    } else if (argument == "--vmcalls") {
      options.vmcalls = true;
    } else if (argument == "--contain") {
      ContainEntries();
    } else if (argument == "--list") {
      for (const Case& c : AllCases()) Say("%s", c.name);
    } else if (TakesNumber(argument, "--first=", options.first) || TakesNumber(argument, "--count=", options.count)) {
      continue;
    } else {
      for (const Case& c : AllCases()) {
        if (argument != c.name) continue;
        c.run(options);
        Say("%s: end", c.name);
        return 0;
      }
      Die("no case %s", argv[i]);
    }
  }
  return 0;
}

}  // namespace
}  // namespace hostile

int main(int argc, char** argv) { return hostile::Main(argc, argv); }
