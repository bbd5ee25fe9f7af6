#include "base/check.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/log.h"

namespace base {

void CheckFailed(const char* file, int line, const char* what) {
  LogRaw(LogLevel::kFatal, file, line, what);
  abort();
}

}  // namespace base
