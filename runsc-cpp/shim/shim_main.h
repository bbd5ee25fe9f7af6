// containerd-shim-runsc-cpp-v1: the program, by its command line.
#ifndef RUNSC_CPP_SHIM_SHIM_MAIN_H_
#define RUNSC_CPP_SHIM_SHIM_MAIN_H_

#include "absl/strings/string_view.h"

namespace runsc::shim {

// Whether a program of this name (argv[0]) is the shim.
bool IsShimName(absl::string_view name);
int ShimMain(int argc, char** argv, const char* version);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_SHIM_MAIN_H_
