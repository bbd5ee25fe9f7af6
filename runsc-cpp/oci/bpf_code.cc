#include "runsc-cpp/oci/bpf_code.h"

#include <linux/seccomp.h>

#include <cstddef>

namespace runsc::oci {
namespace {

constexpr uint8_t kMaxJump = 255;  // of a conditional jump

// Where a jump of an argument's test goes: the next test, or past the rule.
// They become offsets once the length is known.
constexpr uint8_t kNextTest = 254, kFail = 255;

constexpr sock_filter Statement(uint16_t code, uint32_t k) { return {code, 0, 0, k}; }
constexpr sock_filter Jump(uint16_t op, uint32_t k, uint8_t when_true, uint8_t when_false) {
  return {static_cast<uint16_t>(BPF_JMP | op | BPF_K), when_true, when_false, k};
}
constexpr sock_filter Load(size_t offset) { return Statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }

BpfCode Branch(uint16_t op, uint32_t value, const BpfCode& then, const BpfCode& otherwise) {
  BpfCode code;
  if (then.size() <= kMaxJump) {
    code = {Jump(op, value, 0, static_cast<uint8_t>(then.size()))};
  } else {
    code = {Jump(op, value, 1, 0), Statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(then.size()))};
  }
  code.insert(code.end(), then.begin(), then.end());
  code.insert(code.end(), otherwise.begin(), otherwise.end());
  return code;
}

// One 64-bit test by its two halves, the high one first.
BpfCode Test(const ArgTest& test) {
  const uint32_t low = static_cast<uint32_t>(test.value), high = static_cast<uint32_t>(test.value >> 32);
  const size_t at = offsetof(seccomp_data, args) + 8 * test.index;
  const sock_filter load_low = Load(at), load_high = Load(at + 4);
  switch (test.op) {
    case ArgOp::kEq:
      return {load_high, Jump(BPF_JEQ, high, 0, kFail), load_low, Jump(BPF_JEQ, low, 0, kFail)};
    case ArgOp::kNe:
      return {load_high, Jump(BPF_JEQ, high, 0, kNextTest), load_low, Jump(BPF_JEQ, low, kFail, 0)};
    case ArgOp::kGt:
    case ArgOp::kGe:
      return {load_high, Jump(BPF_JGT, high, kNextTest, 0), Jump(BPF_JEQ, high, 0, kFail), load_low,
              Jump(test.op == ArgOp::kGt ? BPF_JGT : BPF_JGE, low, 0, kFail)};
    case ArgOp::kLt:
    case ArgOp::kLe:
      return {load_high, Jump(BPF_JGT, high, kFail, 0), Jump(BPF_JEQ, high, 0, kNextTest), load_low,
              Jump(test.op == ArgOp::kLt ? BPF_JGE : BPF_JGT, low, kFail, 0)};
    case ArgOp::kMaskedEq: {
      const uint64_t wanted = test.value & test.value_two;
      return {load_high,
              Statement(BPF_ALU | BPF_AND | BPF_K, high),
              Jump(BPF_JEQ, static_cast<uint32_t>(wanted >> 32), 0, kFail),
              load_low,
              Statement(BPF_ALU | BPF_AND | BPF_K, low),
              Jump(BPF_JEQ, static_cast<uint32_t>(wanted), 0, kFail)};
    }
  }
  return {};
}

bool IsConditional(const sock_filter& i) { return BPF_CLASS(i.code) == BPF_JMP && BPF_OP(i.code) != BPF_JA; }

uint8_t Offset(uint8_t mark, size_t from, size_t next_test, size_t fail) {
  if (mark == kNextTest) return static_cast<uint8_t>(next_test - from - 1);
  if (mark == kFail) return static_cast<uint8_t>(fail - from - 1);
  return mark;
}

}  // namespace

BpfCode Return(uint32_t action) { return {Statement(BPF_RET | BPF_K, action)}; }
BpfCode LoadArch() { return {Load(offsetof(seccomp_data, arch))}; }
BpfCode LoadNumber() { return {Load(offsetof(seccomp_data, nr))}; }

BpfCode IfEqual(uint32_t value, const BpfCode& then, const BpfCode& otherwise) {
  return Branch(BPF_JEQ, value, then, otherwise);
}

BpfCode IfAtLeast(uint32_t value, const BpfCode& then, const BpfCode& otherwise) {
  return Branch(BPF_JGE, value, then, otherwise);
}

// Six tests of six instructions at most, so every jump is short.
BpfCode ReturnIf(const std::vector<ArgTest>& tests, uint32_t action) {
  BpfCode code;
  std::vector<size_t> ends;  // where each test ends
  for (const ArgTest& test : tests) {
    const BpfCode piece = Test(test);
    code.insert(code.end(), piece.begin(), piece.end());
    ends.push_back(code.size());
  }
  code.push_back(Statement(BPF_RET | BPF_K, action));
  size_t i = 0;
  for (const size_t end : ends) {
    for (; i < end; ++i) {
      if (!IsConditional(code[i])) continue;
      code[i].jt = Offset(code[i].jt, i, end, code.size());
      code[i].jf = Offset(code[i].jf, i, end, code.size());
    }
  }
  return code;
}

}  // namespace runsc::oci
