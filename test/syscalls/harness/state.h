// What the files of the harness share; cases see test.h only.
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

struct Case;

struct RunOptions {
  bool here = false, json = false;
  int jobs = 1;
  int timeout_seconds = 20;
};

struct Result {
  enum class Verdict { kPass, kFail, kSkip } verdict = Verdict::kFail;
  int ms = 0;
  std::string reason;  // why it failed or was skipped
  std::string output;  // what the case printed, which is where its failed expectations are
};

void ReportStart(const RunOptions& o, const Case& c);
void ReportResult(const RunOptions& o, const Case& c, const Result& r);

struct Counts {
  int passed = 0, failed = 0, skipped = 0;
};
// Runs the cases in up to o.jobs processes at once.
Counts RunCases(const Case* const* cases, size_t count, const RunOptions& o);
void RemoveTree(const std::string& path);

}  // namespace st
