#include "sentry/kernel/seccomp/bpf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace sentry {
namespace {

using namespace abi;  // NOLINT: the instruction set

SockFilter Op(uint16_t code, uint32_t k = 0) { return {code, 0, 0, k}; }
SockFilter Jump(uint16_t operation, uint32_t k, uint8_t jt, uint8_t jf) {
  return {static_cast<uint16_t>(kBpfJmp | operation), jt, jf, k};
}
SockFilter Load(uint32_t offset) { return Op(kBpfLd | kBpfW | kBpfAbs, offset); }
SockFilter Ret(uint32_t k) { return Op(kBpfRet | kBpfK, k); }
const SockFilter kRetA = Op(kBpfRet | kBpfA);

bool IsValid(std::vector<SockFilter> code) { return BpfProgram::Create(std::move(code)).ok(); }

uint32_t Answer(std::vector<SockFilter> code, const SeccompData& data = {}) {
  Result<BpfProgram> program = BpfProgram::Create(std::move(code));
  EXPECT_TRUE(program.ok());
  return program.ok() ? program->Run(data) : 0xdead;
}

// a OP b, with b as operand and in the register.
uint32_t Alu(uint16_t operation, uint32_t a, uint32_t b) {
  const auto code = static_cast<uint16_t>(kBpfAlu | operation);
  const uint32_t by_x =
      Answer({Op(kBpfLd | kBpfImm, a), Op(kBpfLdx | kBpfImm, b), Op(static_cast<uint16_t>(code | kBpfX)), kRetA});
  EXPECT_EQ(by_x, Answer({Op(kBpfLd | kBpfImm, a), Op(code, b), kRetA}));
  return by_x;
}

TEST(BpfCheck, LengthAndEnd) {
  EXPECT_FALSE(IsValid({}));
  EXPECT_TRUE(IsValid({Ret(0)}));
  EXPECT_TRUE(IsValid({kRetA}));
  EXPECT_FALSE(IsValid({Op(kBpfLd | kBpfImm, 1)}));
  EXPECT_TRUE(IsValid(std::vector<SockFilter>(kBpfMaxInstructions, Ret(0))));
  EXPECT_FALSE(IsValid(std::vector<SockFilter>(kBpfMaxInstructions + 1, Ret(0))));
}

TEST(BpfCheck, OnlyWhatSeccompTakes) {
  for (const uint16_t code :
       {0x28, 0x30, 0x48, 0x50, 0x40, 0xb1, 0x94, 0x9c, 0x8c, 0x07 | 0x40, 0x0e, 0x1e, 0xf4, 0x100}) {
    EXPECT_FALSE(IsValid({Op(code, 1), Ret(0)})) << std::hex << code;
  }
}

TEST(BpfCheck, LoadsAreAlignedAndInside) {
  EXPECT_TRUE(IsValid({Load(60), Ret(0)}));
  EXPECT_FALSE(IsValid({Load(64), Ret(0)}));
  EXPECT_FALSE(IsValid({Load(2), Ret(0)}));
  EXPECT_FALSE(IsValid({Load(UINT32_MAX - 3), Ret(0)}));
}

TEST(BpfCheck, JumpsStayInside) {
  EXPECT_TRUE(IsValid({Jump(kBpfJa, 0, 0, 0), Ret(0)}));
  EXPECT_FALSE(IsValid({Jump(kBpfJa, 1, 0, 0), Ret(0)}));
  EXPECT_FALSE(IsValid({Jump(kBpfJa, UINT32_MAX, 0, 0), Ret(0)}));
  EXPECT_TRUE(IsValid({Jump(kBpfJeq, 0, 1, 0), Ret(0), Ret(1)}));
  EXPECT_FALSE(IsValid({Jump(kBpfJeq, 0, 2, 0), Ret(0), Ret(1)}));
  EXPECT_FALSE(IsValid({Jump(kBpfJeq, 0, 0, 2), Ret(0), Ret(1)}));
}

TEST(BpfCheck, Operands) {
  EXPECT_FALSE(IsValid({Op(kBpfAlu | kBpfDiv | kBpfK, 0), Ret(0)}));
  EXPECT_TRUE(IsValid({Op(kBpfAlu | kBpfDiv | kBpfX, 0), Ret(0)}));
  EXPECT_TRUE(IsValid({Op(kBpfAlu | kBpfLsh | kBpfK, 31), Ret(0)}));
  EXPECT_FALSE(IsValid({Op(kBpfAlu | kBpfLsh | kBpfK, 32), Ret(0)}));
  EXPECT_FALSE(IsValid({Op(kBpfAlu | kBpfRsh | kBpfK, 32), Ret(0)}));
  EXPECT_FALSE(IsValid({Op(kBpfSt, 16), Ret(0)}));
}

TEST(BpfCheck, MemoryIsWrittenBeforeItIsRead) {
  EXPECT_TRUE(IsValid({Op(kBpfSt, 3), Op(kBpfLd | kBpfMem, 3), Ret(0)}));
  EXPECT_FALSE(IsValid({Op(kBpfSt, 2), Op(kBpfLd | kBpfMem, 3), Ret(0)}));
  EXPECT_FALSE(IsValid({Op(kBpfLdx | kBpfMem, 0), Ret(0)}));
  // One of two ways does not write it.
  EXPECT_FALSE(IsValid({Jump(kBpfJeq, 0, 1, 0), Op(kBpfSt, 3), Op(kBpfLd | kBpfMem, 3), Ret(0)}));
  EXPECT_TRUE(IsValid({Op(kBpfSt, 3), Jump(kBpfJeq, 0, 1, 0), Op(kBpfStx, 4), Op(kBpfLd | kBpfMem, 3), Ret(0)}));
}

TEST(BpfRun, Arithmetic) {
  EXPECT_EQ(Alu(kBpfAdd, UINT32_MAX, 2), 1u);
  EXPECT_EQ(Alu(kBpfSub, 1, 2), UINT32_MAX);
  EXPECT_EQ(Alu(kBpfMul, 0x10000, 0x10000), 0u);
  EXPECT_EQ(Alu(kBpfDiv, UINT32_MAX, 2), 0x7fffffffu);
  EXPECT_EQ(Alu(kBpfOr, 5, 3), 7u);
  EXPECT_EQ(Alu(kBpfAnd, 5, 3), 1u);
  EXPECT_EQ(Alu(kBpfXor, 5, 3), 6u);
  EXPECT_EQ(Alu(kBpfLsh, 1, 31), 0x80000000u);
  EXPECT_EQ(Alu(kBpfRsh, 0x80000000, 31), 1u);
  EXPECT_EQ(Answer({Op(kBpfLd | kBpfImm, 5), Op(kBpfAlu | kBpfNeg), kRetA}), static_cast<uint32_t>(-5));
  const SockFilter shift = Op(kBpfAlu | kBpfLsh | kBpfX);
  EXPECT_EQ(Answer({Op(kBpfLd | kBpfImm, 1), Op(kBpfLdx | kBpfImm, 33), shift, kRetA}), 2u);
}

TEST(BpfRun, DivisionByZeroReturnsZero) {
  EXPECT_EQ(Answer({Op(kBpfLd | kBpfImm, 7), Op(kBpfLdx | kBpfImm, 0), Op(kBpfAlu | kBpfDiv | kBpfX), Ret(9)}), 0u);
}

TEST(BpfRun, DataAndMemory) {
  SeccompData data = {.nr = 7, .arch = 8, .instruction_pointer = 0x900000001, .args = {1, 2, 3, 4, 5, 0xa00000006}};
  EXPECT_EQ(Answer({Load(0), kRetA}, data), 7u);
  EXPECT_EQ(Answer({Load(12), kRetA}, data), 9u);
  EXPECT_EQ(Answer({Load(56), kRetA}, data), 6u);
  EXPECT_EQ(Answer({Load(60), Op(kBpfSt, 15), Ret(1)}, data), 1u);
  EXPECT_EQ(Answer({Load(60), Op(kBpfSt, 15), Op(kBpfLdx | kBpfMem, 15), Op(kBpfMisc | kBpfTxa), kRetA}, data), 0xau);
  EXPECT_EQ(Answer({Op(kBpfLd | kBpfW | kBpfLen), Op(kBpfMisc | kBpfTax), Op(kBpfMisc | kBpfTxa), kRetA}), 64u);
  EXPECT_EQ(Answer({Op(kBpfLdx | kBpfW | kBpfLen), Op(kBpfStx, 0), Op(kBpfLd | kBpfMem, 0), kRetA}), 64u);
}

TEST(BpfRun, Jumps) {
  const auto taken = [](uint16_t operation, uint32_t a, uint32_t k) {
    return Answer({Op(kBpfLd | kBpfImm, a), Jump(operation, k, 0, 1), Ret(1), Ret(0)}) == 1;
  };
  EXPECT_TRUE(taken(kBpfJeq, 4, 4));
  EXPECT_FALSE(taken(kBpfJeq, 4, 5));
  EXPECT_TRUE(taken(kBpfJgt, 0x80000000, 1));  // unsigned
  EXPECT_FALSE(taken(kBpfJgt, 4, 4));
  EXPECT_TRUE(taken(kBpfJge, 4, 4));
  EXPECT_TRUE(taken(kBpfJset, 6, 2));
  EXPECT_FALSE(taken(kBpfJset, 4, 3));
  EXPECT_EQ(Answer({Jump(kBpfJa, 1, 0, 0), Ret(1), Ret(2)}), 2u);
}

TEST(BpfLength, AsLinuxTranslates) {
  const auto length = [](std::vector<SockFilter> code) { return BpfProgram::Create(code)->translated_length(); };
  EXPECT_EQ(length({Ret(0)}), 5u);
  EXPECT_EQ(length({Load(0), kRetA}), 5u);
  EXPECT_EQ(length({Jump(kBpfJeq, 1, 0, 1), Ret(0), Ret(1)}), 8u);
  EXPECT_EQ(length({Jump(kBpfJeq, 1, 1, 1), Ret(0), Ret(1)}), 9u);
  EXPECT_EQ(length({Jump(kBpfJset, 0x80000000, 0, 1), Ret(0), Ret(1)}), 10u);
  EXPECT_EQ(length({Op(kBpfAlu | kBpfDiv | kBpfX), Ret(0)}), 10u);
}

TEST(BpfAlwaysAllows, DependsOnNumberAndArchitectureOnly) {
  const auto program =
      BpfProgram::Create({Load(4), Jump(kBpfJeq, kAuditArchX8664, 1, 0), Ret(0), Load(0), Jump(kBpfJeq, 39, 2, 0),
                          Jump(kBpfJeq, 1, 0, 2), Load(16), Ret(kSeccompRetAllow), Ret(kSeccompRetErrno)});
  ASSERT_TRUE(program.ok());
  EXPECT_TRUE(program->AlwaysAllows(39, kAuditArchX8664));
  EXPECT_FALSE(program->AlwaysAllows(39, 3));
  EXPECT_FALSE(program->AlwaysAllows(1, kAuditArchX8664));  // looks at an argument
  EXPECT_FALSE(program->AlwaysAllows(2, kAuditArchX8664));
}

// Random programs, half of them made of what seccomp takes: those let through run
// safely (the sanitizers see to that) and end, and AlwaysAllows never says too much.
TEST(BpfFuzz, WhatIsLetThroughIsSafe) {
  std::mt19937 random(1);
  constexpr uint16_t kCodes[] = {0x20, 0x80, 0x00, 0x60, 0x81, 0x01, 0x61, 0x02, 0x03, 0x04, 0x0c, 0x14, 0x1c, 0x24,
                                 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0xa4, 0xac,
                                 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87};
  constexpr uint32_t kOperands[] = {0, 1, 2, 3, 4, 8, 12, 15, 16, 31, 32, 60, 64, UINT32_MAX, kSeccompRetAllow};
  int valid = 0, always = 0;
  for (int round = 0; round < 300'000; ++round) {
    std::vector<SockFilter> code(1 + random() % 12);
    for (SockFilter& i : code) {
      i.code = random() % 50 == 0 ? static_cast<uint16_t>(random()) : kCodes[random() % std::size(kCodes)];
      i.jt = random() % 4, i.jf = random() % 4;
      i.k = random() % 50 == 0 ? random() : kOperands[random() % std::size(kOperands)];
    }
    if (random() % 4 != 0) code.back() = Ret(kSeccompRetAllow);
    const Result<BpfProgram> program = BpfProgram::Create(code);
    if (!program.ok()) continue;
    ++valid;
    SeccompData data;
    for (size_t at = 0; at < sizeof data; at += 4) {
      const uint32_t word = random() % 2 == 0 ? random() : kOperands[random() % std::size(kOperands)];
      memcpy(reinterpret_cast<char*>(&data) + at, &word, 4);
    }
    const uint32_t answer = program->Run(data);
    if (!program->AlwaysAllows(data.nr, data.arch)) continue;
    ++always;
    EXPECT_EQ(answer, kSeccompRetAllow);
  }
  EXPECT_GT(valid, 1000);
  EXPECT_GT(always, 100);
}

}  // namespace
}  // namespace sentry
