#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "sentry/arch/amd64/registers.h"
#include "sentry/arch/amd64/signal_frame.h"

namespace sentry::arch {
namespace {

template <typename T>
T At(const std::byte* p, size_t offset) {
  T v;
  memcpy(&v, p + offset, sizeof(v));
  return v;
}

// Loads the image for real: a #GP would kill the test.
void LoadForReal(const FpState& state) {
  alignas(64) static std::byte image[16384];
  alignas(64) static std::byte saved[16384];
  memset(image, 0, sizeof(image));
  memcpy(image, state.data(), state.size());
  asm volatile("xsave64 %0" : "+m"(saved) : "a"(-1), "d"(-1));
  asm volatile("xrstor64 %0" : : "m"(image), "a"(-1), "d"(-1));
  asm volatile("xrstor64 %0" : : "m"(saved), "a"(-1), "d"(-1));
}

TEST(FpState, InitialStateIsThatOfExec) {
  FpState state;
  EXPECT_GE(state.size(), 576u);
  EXPECT_EQ(At<uint16_t>(state.data(), 0), 0x37f);
  EXPECT_EQ(At<uint32_t>(state.data(), 24), 0x1f80u);
  LoadForReal(state);
}

TEST(FpState, SanitizeMakesGarbageLoadable) {
  FpState state;
  memset(state.data(), 0xff, state.size());
  state.Sanitize();
  EXPECT_EQ(At<uint64_t>(state.data(), 512) & ~FpStateFeatures(), 0u);
  EXPECT_EQ(At<uint64_t>(state.data(), 520), 0u);
  LoadForReal(state);
}

TEST(SignalFrame, RoundTripKeepsTheState) {
  FpState state;
  for (size_t i = 160; i < 416; i++) state.data()[i] = static_cast<std::byte>(i);
  std::vector<std::byte> frame(FpFrameSize());
  BuildFpFrame(state, frame);
  EXPECT_EQ(FpFrameBytesToRead(std::span(frame).first(kFpLegacySize)), FpFrameSize());
  FpState back;
  ParseFpFrame(frame, back);
  EXPECT_EQ(memcmp(state.data(), back.data(), state.size()), 0);
}

TEST(SignalFrame, BadMagicFallsBackToLegacy) {
  FpState state;
  std::vector<std::byte> frame(FpFrameSize());
  BuildFpFrame(state, frame);
  frame[200] = std::byte{7};
  memset(frame.data() + 576, 0x5a, frame.size() - 576);  // magic 2 included
  FpState back;
  ParseFpFrame(frame, back);
  EXPECT_EQ(back.data()[200], std::byte{7});
  EXPECT_EQ(At<uint64_t>(back.data(), 512), 3u);
}

TEST(SignalFrame, HostileFramesAreLoadable) {
  for (int fill : {0x00, 0x53, 0xff}) {
    std::vector<std::byte> frame(FpFrameSize(), static_cast<std::byte>(fill));
    FpState back;
    ParseFpFrame(frame, back);
    LoadForReal(back);
    BuildFpFrame(FpState(), frame);
    memset(frame.data() + 24, fill, 8);
    memset(frame.data() + 512, fill, 64);
    ParseFpFrame(frame, back);
    LoadForReal(back);
  }
}

TEST(SignalFrame, WhatTheProcessorRefusesIsTold) {
  std::vector<std::byte> frame(FpFrameSize());
  BuildFpFrame(FpState(), frame);
  EXPECT_TRUE(FpFrameLoads(frame, 0x1000));
  EXPECT_FALSE(FpFrameLoads(frame, 0x1010));
  // MXCSR, XSTATE_BV, XCOMP_BV, reserved.
  for (const size_t offset : {27, 519, 520, 535}) {
    frame[offset] ^= std::byte{0x80};
    EXPECT_FALSE(FpFrameLoads(frame, 0x1000)) << offset;
    frame[offset] ^= std::byte{0x80};
  }
  // An old frame has no header.
  frame[464] ^= std::byte{1};
  frame[520] ^= std::byte{1};
  EXPECT_TRUE(FpFrameLoads(frame, 0x1010));
  EXPECT_FALSE(FpFrameLoads(frame, 0x1008));
}

TEST(SignalFrame, SizesInTheFrameAreNotBelieved) {
  std::vector<std::byte> frame(FpFrameSize());
  BuildFpFrame(FpState(), frame);
  const uint32_t huge = 0xfffffff0;
  memcpy(frame.data() + 464 + 16, &huge, 4);
  memcpy(frame.data() + 464 + 4, &huge, 4);
  EXPECT_EQ(FpFrameBytesToRead(std::span(frame).first(kFpLegacySize)), kFpLegacySize);
}

}  // namespace
}  // namespace sentry::arch
