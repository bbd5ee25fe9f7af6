// The keeper's own data, which it needs to receive descriptors: spoilt, it may fail, but
// its answers must stay true. An answer that comes before the work is done lets a page be
// given to another process while this one has it still.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

constexpr size_t kPage = 4096;
constexpr uint64_t kDataBegin = STUB_BASE + 0x20000;

// The msghdr in the keeper's data: the one thing there with this shape.
msghdr* FindMessage() {
  for (uint64_t at = kDataBegin; at < kDataBegin + kPage - sizeof(msghdr); at += 8) {
    msghdr* const message = reinterpret_cast<msghdr*>(at);
    const auto in_data = [](void* p) {
      const uint64_t address = reinterpret_cast<uint64_t>(p);
      return address >= kDataBegin && address < STUB_IMAGE_END;
    };
    if (message->msg_iovlen == 1 && in_data(message->msg_iov) && in_data(message->msg_control)) return message;
  }
  return nullptr;
}

struct Spoil {
  const char* name;
  void (*spoil)(msghdr&);
};
alignas(16) std::array<char, 4096> elsewhere;
iovec two_parts[2] = {{elsewhere.data(), 1}, {elsewhere.data() + 64, 64}};
constexpr Spoil kSpoils[] = {
    {"no buffer", [](msghdr& m) { m.msg_iovlen = 0; }},
    {"empty buffer", [](msghdr& m) { m.msg_iov->iov_len = 0; }},
    {"long buffer", [](msghdr& m) { m.msg_iov = two_parts, m.msg_iovlen = 2; }},
    {"buffer in text", [](msghdr& m) { m.msg_iov->iov_base = reinterpret_cast<void*>(STUB_BASE); }},
    {"buffer nowhere", [](msghdr& m) { m.msg_iov = reinterpret_cast<iovec*>(8); }},
    {"request page for a buffer", [](msghdr& m) { m.msg_iov->iov_base = reinterpret_cast<void*>(STUB_REQUEST_PAGE); }},
    {"too many buffers", [](msghdr& m) { m.msg_iovlen = ~size_t{0}; }},
    {"no room for descriptors", [](msghdr& m) { m.msg_control = nullptr; }},
    {"descriptors in text", [](msghdr& m) { m.msg_control = reinterpret_cast<void*>(STUB_BASE); }},
    {"name in text", [](msghdr& m) { m.msg_name = reinterpret_cast<void*>(STUB_BASE), m.msg_namelen = 128; }},
    {"nothing", [](msghdr&) {}},
};

// Has the keeper receive a file, with the message as it is.
void MapFile(int file) {
  void* p = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, file, 0);
  if (p == MAP_FAILED) return;
  Try([=] { (void)*static_cast<volatile char*>(p); });
  munmap(p, kPage);
}

// What munmap and mprotect have answered for is done.
bool AnswersAreTrue() {
  for (int i = 0; i < 20; i++) {
    char* const p =
        static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (p == MAP_FAILED) return true;
    if (Try([=] { *p = 1; }).signo != 0) return true;  // the process is done for, which harms nobody
    mprotect(p, kPage, PROT_READ);
    if (Try([=] { *const_cast<volatile char*>(p) = 2; }).signo == 0) return false;
    munmap(p, kPage);
    if (Try([=] { (void)*const_cast<volatile char*>(p); }).signo == 0) return false;
  }
  return true;
}

void Once(const Spoil& spoil, int file) {
  CatchFaults();
  msghdr* const message = FindMessage();
  if (message == nullptr) _exit(2);
  const msghdr good = *message;
  const iovec good_iov = *good.msg_iov;
  for (int i = 0; i < 3; i++) {
    spoil.spoil(*message);
    MapFile(file);
    *message = good;
    *good.msg_iov = good_iov;
    if (!AnswersAreTrue()) _exit(3);
  }
}

}  // namespace

void AttackKeeper(const Options& options) {
  int survivors = 0;
  for (int round = 0; round < (options.full ? 20 : 2); round++) {
    for (const Spoil& spoil : kSpoils) {
      // A file of the host's; one that is ours would be a page of the memory file.
      const int file = open("/proc/self/exe", O_RDONLY);
      const pid_t pid = Spawn([&] { Once(spoil, file); });
      close(file);
      int status = 0;
      if (!EndsWithin(pid, 3000, &status)) {
        Kill(pid, spoil.name);
        continue;
      }
      if (!WIFEXITED(status)) continue;
      if (WEXITSTATUS(status) == 2) return Fail("no msghdr in the keeper's data: where is it now?");
      if (WEXITSTATUS(status) == 3) Fail("%s: a page is still there after its munmap or mprotect", spoil.name);
      survivors += WEXITSTATUS(status) == 0;
    }
  }
  Note("%d of the processes lived through it", survivors);
  if (survivors == 0) Fail("even an unspoilt keeper fails");
}

}  // namespace stub_attacks
