#include "test/hostile/states.h"

#include <string.h>
#include <sys/mman.h>

#include "test/hostile/layout.h"
#include "test/hostile/output.h"
#include "test/hostile/snippets.h"

namespace hostile {
namespace {

constexpr size_t kSnippetPages = 2;
constexpr uint64_t kHole = 0x0000'8000'0000'0000, kKernel = 0xffff'8000'0000'0000;
constexpr uint64_t kTrapFlag = 0x100, kAlignFlag = 0x40000;

uint64_t Pointer(Random& random) {
  constexpr uint64_t kPages[] = {kData, kData,    kData,     kStack,    kShared,      kReadOnly,
                                 kNone, kPastEnd, kSnippets, kUnmapped, kData + kPage};
  const uint64_t page = random.Of(kPages);
  switch (random.Below(4)) {
    case 0:
      return page + random.Below(kPage);
    case 1:
      return page + kPage - random.Below(16);
    case 2:
      return page + random.Below(kPage) / 64 * 64;
    default:
      return page + random.Below(kPage) / 8 * 8;
  }
}

uint64_t Edge(Random& random) {
  constexpr uint64_t kEdges[] = {
      0,
      1,
      0x7f,
      0x80,
      0xff,
      0xffff,
      0x7fff'ffff,
      0x8000'0000,
      ~0ull,
      ~1ull,
      kHole,
      kHole + 8,
      kKernel,
      kKernel - 1,
      0x7fff'ffff'ffff'ffff,
      1ull << 63,
      kHole - 0x1000,
      kPage,
      8,
      0xffff'ffff'ff60'0008,
      0xffff'ffff'8000'0000,
      0xffff'ffff'ffff'f000,
      0xffff'ffff,
      64,
      0x1'0000'0000,
  };
  return random.Of(kEdges);
}

uint64_t Value(Random& random) {
  switch (random.Below(8)) {
    case 0:
      return random.Next();
    case 1:
      return Edge(random);
    case 2:
      return random.Below(64);
    default:
      return Pointer(random);
  }
}

uint64_t Rip(Random& random, bool& noise) {
  const size_t which = random.Below(Snippets().size());
  const uint64_t start = kSnippets + which * kSnippetSize;
  noise = Snippets()[which].writes_noise;
  constexpr uint64_t kOdd[] = {kData,      kReadOnly, kNone,       kUnmapped,     kPastEnd, kHole,
                               kHole + 16, kKernel,   kKernel - 1, ~uint64_t{15}, 0,        0xffff'ffff'ff60'0010};
  switch (random.Below(12)) {
    case 0:
      return start + random.Below(Snippets()[which].code.size());
    case 1:
      return random.Of(kOdd);
    case 2:
      return kSnippets + kSnippetPages * kPage - random.Below(3);
    default:
      return start;
  }
}

uint64_t Rsp(Random& random) {
  switch (random.Below(8)) {
    case 0:
      return Value(random);
    case 1:
      return Pointer(random);
    case 2:
      return kStackTop - random.Below(64);
    default:
      return kStackTop - random.Below(kPage) / 8 * 8;
  }
}

uint64_t Flags(Random& random) {
  constexpr uint64_t kArithmetic = 0x8d5;
  uint64_t flags = 0x202 | (random.Next() & kArithmetic);
  if (random.OneIn(4)) flags |= random.Next();
  // Few things happen under these.
  if (!random.OneIn(10)) flags &= ~kTrapFlag;
  if (!random.OneIn(4)) flags &= ~kAlignFlag;
  return flags;
}

// Of data segments, such as can be loaded: others fault before the entry (selectors.cc).
uint16_t DataSelector(Random& random) {
  constexpr uint16_t kSelectors[] = {0, 0, 0, 1, 3, 0x28, 0x2a, 0x2b, 0x2b, 0x30, 0x33};
  return random.Of(kSelectors);
}

void FillFpu(Random& random, FpuImage& fpu) {
  fpu.fcw = random.OneIn(3) ? 0x40 | (random.Next() & 0x0f3f) : 0x37f;
  fpu.fsw = random.OneIn(3) ? random.Next() & 0x7f7f : 0;
  fpu.ftw = random.Next() & 0xff;
  fpu.mxcsr = random.OneIn(3) ? random.Next() & 0xffbf : 0x1f80;
  for (auto& st : fpu.st) {
    const uint64_t words[2] = {random.Next(), random.Next() & 0xffff};
    memcpy(st, words, sizeof(words));
  }
  for (auto& xmm : fpu.xmm) {
    const uint64_t words[2] = {random.Next(), random.OneIn(2) ? 0x3ff0'0000'0000'0000 : random.Next()};
    memcpy(xmm, words, sizeof(words));
  }
}

}  // namespace

void WriteSnippets() {
  void* const at = reinterpret_cast<void*>(kSnippets);
  if (mmap(at, kSnippetPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at) {
    Die("no place for snippets");
  }
  memset(at, 0xcc, kSnippetPages * kPage);
  char* to = static_cast<char*>(at);
  if (Snippets().size() * kSnippetSize > kSnippetPages * kPage - kSnippetSize) Die("too many snippets");
  for (const Snippet& snippet : Snippets()) {
    if (snippet.code.size() > kSnippetSize - 2) Die("a snippet is too long");
    memcpy(to, snippet.code.data(), snippet.code.size());
    to += kSnippetSize;
  }
  // The last instruction of the page runs on into the next, which is not there.
  const char last[] = {'\x48', '\x8b'};
  memcpy(static_cast<char*>(at) + kSnippetPages * kPage - sizeof(last), last, sizeof(last));
  mprotect(at, kSnippetPages * kPage, PROT_READ | PROT_EXEC);
}

void FillPages(Random& random) {
  for (const uint64_t at :
       {kData, kData + kPage, kStack, kStack + kPage, kStack + 2 * kPage, kStack + 3 * kPage, kShared}) {
    auto* words = reinterpret_cast<uint64_t*>(at);
    for (size_t i = 0; i < kPage / 8; i++) words[i] = at + i;
    // Some that look like something.
    for (int i = 0; i < 24; i++) words[random.Below(kPage / 8)] = Value(random);
  }
  // What ret, popf and iret find.
  auto* top = reinterpret_cast<uint64_t*>(kStackTop);
  for (int i = -64; i < 64; i += 1 + static_cast<int>(random.Below(3))) {
    top[i] = random.OneIn(2) ? kSnippets + random.Below(Snippets().size()) * kSnippetSize : Flags(random);
  }
}

State RandomState(Random& random, unsigned features, bool& noise) {
  State state = PlainState();
  uint64_t words[kGprs];
  for (uint64_t& word : words) word = Value(random);
  memcpy(&state.regs, words, sizeof(words));
  // Whatever is run in whatever order: no system call has this number.
  if (static_cast<uint32_t>(state.regs.rax) < 0x2000) state.regs.rax |= 0x4000;
  // (Repetitions end at a page, but loop does not.)
  if (random.OneIn(2)) state.regs.rcx &= 0xff;
  state.regs.rsp = Rsp(random);
  state.regs.rip = Rip(random, noise);
  state.regs.eflags = Flags(random);
  state.set_fpu = random.OneIn(2);
  FillFpu(random, state.fpu);
  state.set_ymm = random.OneIn(2);
  for (auto& high : state.ymm.high) {
    const uint64_t words[2] = {random.Next(), random.Next()};
    memcpy(high, words, sizeof(words));
  }
  if ((features & kWithSelectors) != 0) {
    state.load_selectors = true;
    // (A load of fs or gs would lose the base: selectors.cc.)
    state.selectors = {DataSelector(random), DataSelector(random), 0, 0};
    constexpr uint16_t kCs[] = {0x33, 0x33, 0x33, 0x30, 0x10, 0, 0x2b, 0x43, 0x87};
    constexpr uint16_t kSs[] = {0x2b, 0x2b, 0x2b, 0x28, 0, 3, 0x18, 0x33, 0x7b, 0x87};
    state.regs.cs = random.Of(kCs);
    state.regs.ss = random.Of(kSs);
  }
  // (This program's own is somewhere else each time.)
  state.set_fs_base = true;
  state.fs_base = kData + 0x800;
  if ((features & kWithBases) != 0) {
    state.fs_base = Pointer(random);
    state.set_gs_base = random.OneIn(2);
    state.gs_base = Pointer(random);
  }
  return state;
}

}  // namespace hostile
