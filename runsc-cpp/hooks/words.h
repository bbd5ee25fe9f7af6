// Errors as Go, and so runc, spells them: "no such file or directory".
#ifndef RUNSC_CPP_HOOKS_WORDS_H_
#define RUNSC_CPP_HOOKS_WORDS_H_

#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace runsc {

inline std::string LowerFirst(std::string text) {
  if (!text.empty()) text[0] = absl::ascii_tolower(text[0]);
  return text;
}

inline absl::Status HookError(absl::string_view what, int error) {
  return absl::Status(absl::ErrnoToStatusCode(error), absl::StrCat(what, ": ", LowerFirst(strerror(error))));
}

}  // namespace runsc

#endif  // RUNSC_CPP_HOOKS_WORDS_H_
