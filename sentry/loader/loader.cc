#include "sentry/loader/loader.h"

#include <sys/auxv.h>

#include <algorithm>

#include "sentry/abi/personality.h"
#include "sentry/loader/elf.h"
#include "sentry/loader/exec_credentials.h"
#include "sentry/loader/random.h"
#include "sentry/loader/script.h"
#include "sentry/loader/stack.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

constexpr int kMaxScripts = 5;  // nested #!, as Linux
constexpr uint64_t kPieBase = kMaxUserAddr.value / 3 * 2;
constexpr uint64_t kClockTicks = 100;
// Not promised to programs: a platform may use the GS base that they do not.
constexpr uint64_t kHwcap2FsGsBase = 2;

// The program file after all #! lines, and the argv that they made.
struct Program {
  RefPtr<FileDescription> file;
  std::string path;
  std::vector<std::string> argv;
};

Result<std::string> ReadHead(const VfsContext& ctx, FileDescription& file) {
  std::string head(kScriptHeadSize, '\0');
  KernelIoSink sink(std::as_writable_bytes(std::span(head)));
  const size_t n = TRY(file.ReadAt(ctx, sink, 0));
  head.resize(n);
  return head;
}

Result<Program> FindProgram(const VfsContext& ctx, const LoadRequest& request) {
  Program program{.file = TRY(OpenExecutable(ctx, request.start, request.path, request.flags)),
                  .path = request.path,
                  .argv = request.argv};
  if (program.argv.empty()) program.argv.emplace_back();  // as Linux since 5.18
  for (int depth = 0;; ++depth) {
    const std::string head = TRY(ReadHead(ctx, *program.file));
    if (!std::string_view(head).starts_with("#!")) return program;
    if (depth == kMaxScripts) return Errno::kELOOP;
    const ScriptLine script = TRY(ParseScriptLine(head));
    std::vector<std::string> argv = {script.interpreter};
    if (script.argument) argv.push_back(*script.argument);
    argv.push_back(program.path);
    argv.insert(argv.end(), program.argv.begin() + 1, program.argv.end());
    program.argv = std::move(argv);
    program.path = script.interpreter;
    program.file = TRY(OpenExecutable(ctx, ctx.cwd, program.path, {}));
  }
}

Result<uint64_t> ChooseBias(MemoryManager& mm, const ElfImage& image, bool has_interpreter,
                            LayoutRandomness randomness) {
  if (!image.position_independent()) return 0;
  const uint64_t size = image.load_end - image.load_start;
  if (has_interpreter) {
    const uint64_t base = kPieBase + randomness.Pages(1 << 24) * kPageSize;
    return (base & ~(image.alignment - 1)) - image.load_start;
  }
  const UserAddr place = TRY(mm.FindFree(size, image.alignment));
  return place.value - image.load_start;
}

Result<MappedElf> LoadInterpreter(const VfsContext& ctx, MemoryManager& mm, const std::string& path) {
  RefPtr<FileDescription> file = TRY(OpenExecutable(ctx, ctx.cwd, path, {}));
  Result<ElfImage> image = ReadElf(ctx, *file);
  if (!image.ok()) return image.Is(Errno::kENOEXEC) ? Errno::kELIBBAD : image.error();
  const uint64_t bias = TRY(ChooseBias(mm, *image, false, {}));
  return MapElf(mm, file, *image, bias);
}

Result<UserAddr> MapVdso(MemoryManager& mm, const RefPtr<Mappable>& vdso, uint64_t size) {
  if (!vdso) return UserAddr();
  MmapRequest request;
  request.length = size;
  request.prot = {.read = true, .write = false, .execute = true};
  request.max_prot = {.read = true, .write = true, .execute = true};
  request.mappable = vdso;
  request.label = "[vdso]";
  return mm.Mmap(request);
}

// Where the heap starts: behind the program's bss and a random gap; a static PIE
// lies among the mappings, so its heap goes where a program would have been.
UserAddr ChooseBrk(const ElfImage& image, const MappedElf& program, bool has_interpreter, LayoutRandomness randomness) {
  const uint64_t gap = randomness.Pages(1 << 13) * kPageSize;
  if (image.position_independent() && !has_interpreter) return UserAddr(PageRoundUp(kPieBase) + gap);
  return UserAddr(PageRoundUp(program.brk.value) + gap);
}

// 64-bit programs never begin with READ_IMPLIES_EXEC (Linux's set_personality_64bit).
uint32_t PersonalityAfter(uint32_t personality, const ExecCredentials& identity) {
  if (identity.gains_privilege) personality &= ~abi::kPerClearOnSetId;
  return personality & ~abi::kReadImpliesExec;
}

std::string BaseName(std::string_view path) {
  return std::string(path.substr(path.find_last_of('/') + 1).substr(0, 15));
}

std::vector<std::pair<uint64_t, uint64_t>> MakeAuxv(const ElfImage& image, const MappedElf& program,
                                                    UserAddr interpreter, UserAddr vdso,
                                                    const ExecCredentials& identity) {
  const Credentials& c = *identity.credentials;
  std::vector<std::pair<uint64_t, uint64_t>> auxv;
  if (!vdso.is_null()) auxv.emplace_back(AT_SYSINFO_EHDR, vdso.value);
  auxv.insert(auxv.end(), {{AT_HWCAP, getauxval(AT_HWCAP)},
                           {AT_PAGESZ, kPageSize},
                           {AT_CLKTCK, kClockTicks},
                           {AT_PHDR, program.program_headers.value},
                           {AT_PHENT, sizeof(Elf64_Phdr)},
                           {AT_PHNUM, image.segments.size()},
                           {AT_BASE, interpreter.value},
                           {AT_FLAGS, 0},
                           {AT_ENTRY, program.entry.value},
                           {AT_UID, c.uid},
                           {AT_EUID, c.euid},
                           {AT_GID, c.gid},
                           {AT_EGID, c.egid},
                           {AT_SECURE, identity.secure ? 1u : 0u},
                           {AT_HWCAP2, getauxval(AT_HWCAP2) & ~kHwcap2FsGsBase},
                           {AT_MINSIGSTKSZ, getauxval(AT_MINSIGSTKSZ)}});
  return auxv;
}

}  // namespace

Result<LoadedProgram> LoadProgram(const VfsContext& ctx, MemoryManager& mm, const LoadRequest& request) {
  StackRequest stack{.argv = &request.argv,
                     .envp = &request.envp,
                     .exec_name = request.path,
                     .auxv = {},
                     .stack_limit = request.stack_limit};
  TRY(CheckArgumentSize(stack));
  Program program = TRY(FindProgram(ctx, request));
  const ElfImage image = TRY(ReadElf(ctx, *program.file));
  const ExecCredentials identity = TRY(CredentialsForExec(ctx, *program.file));

  // The stack comes first: it decides where everything else is mapped. Its
  // strings are written once auxv is known, so its space is taken now.
  stack.argv = &program.argv;
  stack.executable = image.executable_stack;
  const uint32_t personality = PersonalityAfter(request.personality, identity);
  stack.randomness.on = (personality & abi::kAddrNoRandomize) == 0;
  ReservedStack reserved = TRY(ReserveStack(mm, stack));

  const bool has_interpreter = image.interpreter.has_value();
  const MappedElf mapped =
      TRY(MapElf(mm, program.file, image, TRY(ChooseBias(mm, image, has_interpreter, stack.randomness))));
  UserAddr entry = mapped.entry;
  UserAddr interpreter_base;
  if (has_interpreter) {
    const MappedElf interpreter = TRY(LoadInterpreter(ctx, mm, *image.interpreter));
    entry = interpreter.entry;
    interpreter_base = UserAddr(interpreter.bias);
  }
  mm.SetBrkStart(ChooseBrk(image, mapped, has_interpreter, stack.randomness));
  const UserAddr vdso = TRY(MapVdso(mm, request.vdso, request.vdso_size));
  stack.auxv = MakeAuxv(image, mapped, interpreter_base, vdso, identity);
  const BuiltStack built = TRY(FillStack(mm, stack, reserved));

  mm.SetLayout({.code = mapped.code,
                .data = mapped.data,
                .args = built.args,
                .env = built.env,
                .stack_top = built.pointer,
                .auxv = built.auxv,
                .executable = program.file,
                .vdso = vdso});

  LoadedProgram loaded;
  loaded.registers.rip = entry.value;
  loaded.registers.rsp = built.pointer.value;
  loaded.registers.eflags = 0x200;
  loaded.registers.cs = 0x33;
  loaded.registers.ss = 0x2b;
  loaded.registers.orig_rax = UINT64_MAX;
  loaded.name = BaseName(request.path);
  loaded.executable = program.file;
  loaded.personality = personality;
  loaded.credentials = identity.credentials;
  loaded.secure = identity.secure;
  return loaded;
}

}  // namespace sentry
