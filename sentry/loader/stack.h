// The first page of a program's life: strings, vectors and auxv on its stack
// (System V ABI for x86-64, "Process Initialization").
#ifndef SENTRY_LOADER_STACK_H_
#define SENTRY_LOADER_STACK_H_

#include <string>
#include <utility>
#include <vector>

#include "sentry/loader/random.h"
#include "sentry/mm/memory_manager.h"

namespace sentry {

struct StackRequest {
  const std::vector<std::string>* argv;
  const std::vector<std::string>* envp;
  std::string exec_name;                            // AT_EXECFN
  std::vector<std::pair<uint64_t, uint64_t>> auxv;  // without the pointers made here and AT_NULL
  uint64_t stack_limit;                             // RLIMIT_STACK
  bool executable = false;
  LayoutRandomness randomness = {};
};

struct BuiltStack {
  UserAddr pointer;  // rsp at entry: argc lies here
  UserAddr top;
  UserRange args, env;
  std::vector<std::byte> auxv;
};

// E2BIG when strings pass a quarter of the limit (at least 128 KiB, at most
// 6 MiB) or one passes 128 KiB.
Result<void> CheckArgumentSize(const StackRequest& request);
// Where the stack lies and how much of its top the image may take.
struct ReservedStack {
  uint64_t top;
  uint64_t capacity;
};
// Maps the stack and sets mm's mmap top below it. auxv may still be empty.
Result<ReservedStack> ReserveStack(MemoryManager& mm, const StackRequest& request);
// Writes the image that the program starts with.
Result<BuiltStack> FillStack(MemoryManager& mm, const StackRequest& request, const ReservedStack& reserved);

}  // namespace sentry

#endif  // SENTRY_LOADER_STACK_H_
