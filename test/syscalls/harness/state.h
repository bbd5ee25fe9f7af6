// What main.cc and util.cc share.
#pragma once
#include <string>

namespace st {

inline constexpr int kFailedExit = 1;
inline constexpr int kSkippedExit = 77;

struct SharedState {  // in memory shared by all processes of a case
  int failures;
  char skip_reason[200];
};

extern SharedState* g_state;
extern std::string g_run_dir;   // holds the directories of all cases
extern std::string g_case_dir;  // of the case that runs; made on first use
extern std::string g_self_exe;

}  // namespace st
