// Where the memory of all cases lies: the same natively and in a sandbox, so that output is too.
#ifndef TEST_HOSTILE_LAYOUT_H_
#define TEST_HOSTILE_LAYOUT_H_

#include <cstddef>
#include <cstdint>

namespace hostile {

inline constexpr size_t kPage = 4096;
inline constexpr uint64_t kBase = 0x10'0000'0000;
inline constexpr uint64_t kScratchCode = kBase;              // rwx, two pages, behind them nothing
inline constexpr uint64_t kData = kBase + 0x10000;           // rw, two pages, nothing around
inline constexpr uint64_t kReadOnly = kBase + 0x20000;       // r, one page
inline constexpr uint64_t kNone = kBase + 0x30000;           // PROT_NONE, one page
inline constexpr uint64_t kShared = kBase + 0x40000;         // rw, shared, one page
inline constexpr uint64_t kPastEnd = kBase + 0x50000;        // of an empty file: SIGBUS
inline constexpr uint64_t kSnippets = kBase + 0x60000;       // rx, two pages, behind them nothing
inline constexpr uint64_t kStack = kBase + 0x70000;          // rw, four pages, nothing around
inline constexpr uint64_t kStackTop = kStack + 3 * kPage;    // some room above, too
inline constexpr uint64_t kUnmapped = kBase + 0x80000;       // nothing
inline constexpr uint64_t kSignalStack = kBase + 0x1000000;  // 64 KiB
inline constexpr uint64_t kFrame = kBase + 0x2000000;        // 64 KiB: frames to return from
inline constexpr size_t kSignalStackSize = 0x10000;
inline constexpr size_t kFrameSize = 0x10000;

}  // namespace hostile

#endif  // TEST_HOSTILE_LAYOUT_H_
