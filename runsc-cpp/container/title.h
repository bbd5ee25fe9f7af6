// How this process looks to ps(1).
#ifndef RUNSC_CPP_CONTAINER_TITLE_H_
#define RUNSC_CPP_CONTAINER_TITLE_H_

#include <string_view>

namespace runsc {

// Name and command line (each word ended by a NUL) of /proc/self, cut to 15 and kMaxCommandLine bytes. One thread only.
// A host without prctl(PR_SET_MM_MAP) keeps the old command line.
void SetTitle(std::string_view name, std::string_view command_line);
inline constexpr size_t kMaxCommandLine = 4095;

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_TITLE_H_
