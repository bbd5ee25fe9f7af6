#include "sentry/loader/stack.h"

#include <elf.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "sentry/loader/random.h"

namespace sentry {
namespace {

constexpr uint64_t kMaxStringLength = 128 << 10;  // MAX_ARG_STRLEN
constexpr uint64_t kMinArgumentSpace = 128 << 10;
constexpr uint64_t kMaxArgumentSpace = 6 << 20;
constexpr uint64_t kInitialStack = 128 << 10;
constexpr uint64_t kMinGap = 128 << 20;
constexpr uint64_t kFixedSpace = 2048;  // auxv, random bytes, alignment
constexpr char kPlatform[] = "x86_64";

// Bytes of strings and of the pointers to them.
uint64_t ArgumentBytes(const std::vector<std::string>& list) {
  uint64_t total = 0;
  for (const std::string& s : list) total += s.size() + 1 + sizeof(uint64_t);
  return total;
}

// Builds the image from the top downwards in a kernel buffer.
class ImageBuilder {
 public:
  ImageBuilder(uint64_t top, size_t capacity) : top_(top), buffer_(capacity), at_(capacity) {}

  uint64_t Push(const void* data, size_t size) {
    at_ -= size;
    std::memcpy(buffer_.data() + at_, data, size);
    return address();
  }
  uint64_t PushString(const std::string& s) { return Push(s.c_str(), s.size() + 1); }
  void AlignDown(uint64_t alignment) { at_ -= address() & (alignment - 1); }
  uint64_t address() const { return top_ - (buffer_.size() - at_); }
  std::span<const std::byte> image() const { return std::span(buffer_).subspan(at_); }

 private:
  const uint64_t top_;
  std::vector<std::byte> buffer_;
  size_t at_;
};

std::vector<uint64_t> PushStrings(ImageBuilder& image, const std::vector<std::string>& list) {
  std::vector<uint64_t> addresses(list.size());
  for (size_t i = list.size(); i-- > 0;) addresses[i] = image.PushString(list[i]);
  return addresses;
}

}  // namespace

Result<void> CheckArgumentSize(const StackRequest& request) {
  for (const auto* list : {request.argv, request.envp}) {
    for (const std::string& s : *list) {
      if (s.size() >= kMaxStringLength) return Errno::kE2BIG;
    }
  }
  const uint64_t space = std::clamp(request.stack_limit / 4, kMinArgumentSpace, kMaxArgumentSpace);
  if (ArgumentBytes(*request.argv) + ArgumentBytes(*request.envp) > space) return Errno::kE2BIG;
  return Ok();
}

Result<ReservedStack> ReserveStack(MemoryManager& mm, const StackRequest& request) {
  TRY(CheckArgumentSize(request));
  const uint64_t top = kMaxUserAddr.value - kPageSize - request.randomness.Pages(1 << 18) * kPageSize;
  const uint64_t capacity =
      PageRoundUp(ArgumentBytes(*request.argv) + ArgumentBytes(*request.envp) + request.exec_name.size() + kFixedSpace);
  MmapRequest map;
  map.length = capacity + kInitialStack;
  map.addr = UserAddr(top - map.length);
  map.placement = MmapRequest::Placement::kFixedNoReplace;
  map.prot = {.read = true, .write = true, .execute = request.executable};
  map.grows_down = true;
  map.stack = true;
  map.label = "[stack]";
  TRY(mm.Mmap(map));
  const uint64_t gap = std::clamp<uint64_t>(request.stack_limit, kMinGap, kMaxUserAddr.value / 6 * 5);
  mm.SetMmapTop(UserAddr(PageRoundDown(top - gap - kPageSize - request.randomness.Pages(1 << 16) * kPageSize)));
  return ReservedStack{.top = top, .capacity = capacity};
}

Result<BuiltStack> FillStack(MemoryManager& mm, const StackRequest& request, const ReservedStack& reserved) {
  ImageBuilder image(reserved.top, reserved.capacity);
  const uint64_t zero = 0;
  image.Push(&zero, sizeof zero);
  const uint64_t exec_name = image.PushString(request.exec_name);
  BuiltStack built;
  built.env.end = UserAddr(exec_name);
  const std::vector<uint64_t> env = PushStrings(image, *request.envp);
  built.env.start = built.args.end = UserAddr(image.address());
  const std::vector<uint64_t> args = PushStrings(image, *request.argv);
  built.args.start = UserAddr(image.address());
  const uint64_t platform = image.Push(kPlatform, sizeof kPlatform);
  std::byte random[16];
  FillRandom(random);
  const uint64_t random_at = image.Push(random, sizeof random);
  image.AlignDown(16);

  std::vector<uint64_t> words;
  words.push_back(args.size());
  words.insert(words.end(), args.begin(), args.end());
  words.push_back(0);
  words.insert(words.end(), env.begin(), env.end());
  words.push_back(0);
  const size_t auxv_at = words.size();
  for (const auto& [type, value] : request.auxv) words.insert(words.end(), {type, value});
  words.insert(words.end(), {AT_RANDOM, random_at, AT_EXECFN, exec_name, AT_PLATFORM, platform, AT_NULL, 0});
  if (words.size() % 2 != 0) image.Push(&zero, sizeof zero);  // argc must be 16-aligned
  built.pointer = UserAddr(image.Push(words.data(), words.size() * sizeof(uint64_t)));
  built.top = UserAddr(reserved.top);
  const auto auxv_bytes = std::as_bytes(std::span(words).subspan(auxv_at));
  built.auxv.assign(auxv_bytes.begin(), auxv_bytes.end());

  TRY(CopyOutFull(mm, built.pointer, image.image()));
  return built;
}

}  // namespace sentry
