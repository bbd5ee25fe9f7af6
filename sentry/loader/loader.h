// Makes a fresh address space into a program: ELF and #! files, interpreter,
// vDSO, stack with arguments, environment and auxv (man 2 execve, man 5 elf).
// Analogous to Linux's fs/exec.c and fs/binfmt_elf.c.
#ifndef SENTRY_LOADER_LOADER_H_
#define SENTRY_LOADER_LOADER_H_

#include <string>
#include <vector>

#include "sentry/arch/amd64/registers.h"
#include "sentry/mm/memory_manager.h"
#include "sentry/vfs/operations.h"

namespace sentry {

struct LoadRequest {
  Path start;  // for a relative path (execveat)
  std::string path;
  WalkFlags flags;
  std::vector<std::string> argv, envp;
  uint64_t stack_limit = 8 << 20;
  uint32_t personality = 0;
  RefPtr<Mappable> vdso;  // null: none is mapped
  uint64_t vdso_size = 0;
};

struct LoadedProgram {
  arch::Registers registers = {};  // entry point, stack pointer, the rest as Linux starts a program
  std::string name;                // comm: the file's last component, 15 bytes at most
  RefPtr<FileDescription> executable;
  uint32_t personality = 0;         // what is left of the request's
  RefPtr<Credentials> credentials;  // after set-id bits and capability rules; never null
  // AT_SECURE: the caller resets dumpable and parent-death signal.
  bool secure = false;
};

// Loads into `mm`, which nothing runs in yet. On an error `mm` is thrown away.
// E2BIG, ENOEXEC, ELOOP (nested #!), EACCES, ENOENT (also of the interpreter),
// EINVAL, ENOMEM as execve(2).
Result<LoadedProgram> LoadProgram(const VfsContext& ctx, MemoryManager& mm, const LoadRequest& request);

}  // namespace sentry

#endif  // SENTRY_LOADER_LOADER_H_
