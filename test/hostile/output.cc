#include "test/hostile/output.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test/hostile/layout.h"

namespace hostile {
namespace {

constexpr uint64_t kPageFaultTrap = 14;
constexpr uint64_t kVsyscall = 0xffff'ffff'ff60'0000;
constexpr uint64_t kPresent = 1;  // of its error code

std::string VFormat(const char* format, va_list args) {
  char line[2048];
  const int n = vsnprintf(line, sizeof(line), format, args);
  return std::string(line, n < static_cast<int>(sizeof(line)) ? n : sizeof(line) - 1);
}

void Write(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n <= 0) _exit(97);
    text.remove_prefix(n);
  }
}

// The processor's part of the frame. Linux keeps trap number and error code of the last
// exception for signals that are none, and cr2 of the last page fault: both say nothing.
std::string DescribeTrap(const Caught& caught, unsigned hide) {
  const bool exception = caught.signo == SIGSEGV || caught.signo == SIGBUS || caught.signo == SIGILL ||
                         caught.signo == SIGFPE || caught.signo == SIGTRAP;
  const bool forced = caught.regs.rip >= kVsyscall && caught.code == SI_KERNEL;  // by the emulation of that page
  if (!exception || caught.code <= 0 || forced) return "";
  std::string text = Format(" trap=%lu", caught.regs.trapno);
  uint64_t error = caught.regs.err;
  // Whether the page was present is the kernel's own affair.
  if (caught.regs.trapno == kPageFaultTrap) error &= ~kPresent;
  if ((hide & kHideError) == 0) text += Format(" err=%#lx", error);
  if (caught.regs.trapno == kPageFaultTrap) text += Format(" cr2=%#lx", caught.regs.cr2);
  return text;
}

}  // namespace

void Say(const char* format, ...) {
  va_list args;
  va_start(args, format);
  const std::string line = VFormat(format, args) + "\n";
  va_end(args);
  Write(1, line);
}

void Die(const char* format, ...) {
  va_list args;
  va_start(args, format);
  const std::string line = "hostile: " + VFormat(format, args) + "\n";
  va_end(args);
  Write(2, line);
  _exit(98);
}

std::string Format(const char* format, ...) {
  va_list args;
  va_start(args, format);
  std::string text = VFormat(format, args);
  va_end(args);
  return text;
}

std::string Describe(const State& before, const Caught& caught, unsigned hide) {
  if (caught.signo == SIGALRM) return "hang";
  if (caught.signo == kLost) return "lost";
  std::string text = Format("sig=%d code=%#x", caught.signo, caught.code);
  if (caught.addr != 0 && caught.code > 0) {
    const bool at_rip = caught.addr == caught.regs.rip;
    text += at_rip ? std::string(" addr=rip") : Format(" addr=%#lx", caught.addr);
  }
  text += DescribeTrap(caught, hide);
  const uint64_t moved = caught.regs.rip - before.regs.rip;
  text += moved < kPage ? Format(" rip=+%lu", moved) : Format(" rip=%#lx", caught.regs.rip);
  if ((hide & kHideFlags) == 0) text += Format(" fl=%#lx", caught.regs.eflags);
  if (caught.regs.cs != 0x33 || caught.regs.ss != 0x2b)
    text += Format(" cs=%#x ss=%#x", caught.regs.cs, caught.regs.ss);
  for (size_t i = 0; i < kGprs; i++) {
    const uint64_t value = Gpr(caught.regs, i);
    if (value != Gpr(before.regs, i) && (hide & kHideRegisters) == 0) text += Format(" %s=%#lx", kGprNames[i], value);
  }
  const Selectors& s = caught.selectors;
  if (s.ds != 0 || s.es != 0 || s.fs != 0 || s.gs != 0) text += Format(" sel=%x,%x,%x,%x", s.ds, s.es, s.fs, s.gs);
  if (caught.fs_base != 0) text += Format(" fsb=%#lx", caught.fs_base);
  if (caught.gs_base != 0) text += Format(" gsb=%#lx", caught.gs_base);
  // Of the handler: AC and NT stay what they were, TF, DF and RF go.
  const uint64_t expected = (caught.regs.eflags & ~uint64_t{0x10500});
  if (caught.handler_flags != expected) text += Format(" hfl=%#lx", caught.handler_flags);
  return text;
}

void Report(const std::string& name, const State& before, const Caught& caught, unsigned hide) {
  Say("%s: %s", name.c_str(), Describe(before, caught, hide).c_str());
}

void Ranges::Add(uint64_t number, std::string result) {
  if (any_ && result == result_ && number == last_ + 1) {
    last_ = number;
    return;
  }
  Flush();
  result_ = std::move(result);
  first_ = last_ = number;
  any_ = true;
}

void Ranges::Flush() {
  if (!any_) return;
  if (first_ == last_) {
    Say("%s %#lx: %s", name_.c_str(), first_, result_.c_str());
  } else {
    Say("%s %#lx-%#lx: %s", name_.c_str(), first_, last_, result_.c_str());
  }
  any_ = false;
}

uint64_t Hash(const void* data, size_t size, uint64_t seed) {
  uint64_t hash = seed ^ 0x9e3779b97f4a7c15;
  const auto* bytes = static_cast<const char*>(data);
  for (size_t i = 0; i < size; i += 8) {
    uint64_t word = 0;
    memcpy(&word, bytes + i, size - i < 8 ? size - i : 8);
    hash = (hash ^ word) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

uint64_t HashPages(uint64_t address, size_t pages, uint64_t seed) {
  return Hash(reinterpret_cast<const void*>(address), pages * kPage, seed);
}

}  // namespace hostile
