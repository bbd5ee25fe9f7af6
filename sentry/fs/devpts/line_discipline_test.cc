#include "sentry/fs/devpts/line_discipline.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "sentry/abi/tty.h"

namespace sentry {
namespace {

class LineDisciplineTest : public testing::Test {
 protected:
  size_t Type(std::string_view text) {
    return line_.Receive({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
  size_t Print(std::string_view text) {
    return line_.Transmit({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
  std::string Screen() {
    std::string out(64 << 10, '\0');
    out.resize(line_.TakeOutput({reinterpret_cast<uint8_t*>(out.data()), out.size()}));
    return out;
  }
  std::string Read(size_t max = 4096) {
    std::string out(max, '\0');
    out.resize(line_.ReadInput({reinterpret_cast<uint8_t*>(out.data()), out.size()}));
    return out;
  }
  void Change(uint32_t abi::Termios2::*field, uint32_t clear, uint32_t set) {
    abi::Termios2 t = line_.termios();
    t.*field = (t.*field & ~clear) | set;
    line_.SetTermios(t);
  }
  LineDiscipline line_;
};

TEST_F(LineDisciplineTest, ALineIsReadyAtItsEnd) {
  Type("hel");
  EXPECT_FALSE(line_.InputReady(1));
  EXPECT_EQ(line_.InputBytes(), 0u);
  Type("lo\rnext\n");
  EXPECT_TRUE(line_.InputReady(1));
  EXPECT_EQ(Screen(), "hello\r\nnext\r\n");
  EXPECT_EQ(Read(), "hello\n");
  EXPECT_EQ(Read(2), "ne");
  EXPECT_EQ(Read(), "xt\n");
  EXPECT_FALSE(line_.InputReady(1));
}

TEST_F(LineDisciplineTest, EofEndsALineOrTheFile) {
  Type("ab\x04");
  EXPECT_EQ(Read(), "ab");
  EXPECT_FALSE(line_.InputReady(1));
  Type("\x04");
  EXPECT_TRUE(line_.InputReady(1));
  EXPECT_EQ(Read(), "");
  EXPECT_FALSE(line_.InputReady(1));
}

TEST_F(LineDisciplineTest, EofBehindAFullBufferBelongsToTheRead) {
  Type("ab\x04");
  EXPECT_EQ(Read(2), "ab");
  EXPECT_FALSE(line_.InputReady(1));
}

TEST_F(LineDisciplineTest, EraseWordAndKill) {
  Type("ab\x7f");
  EXPECT_EQ(Screen(), "ab\b \b");
  Type("c one two\x17");
  EXPECT_EQ(Screen(), "c one two\b \b\b \b\b \b");
  Type("\n");
  EXPECT_EQ(Read(), "ac one \n");
  Screen();
  Type("xyz\x15");
  EXPECT_EQ(Screen(), "xyz\b \b\b \b\b \b");
  Type("\x7f\n");
  EXPECT_EQ(Read(), "\n");
}

TEST_F(LineDisciplineTest, KillWithoutEchoKe) {
  Change(&abi::Termios2::lflag, abi::kEchoKe, 0);
  Type("xyz\x15");
  EXPECT_EQ(Screen(), "xyz^U\r\n");
}

TEST_F(LineDisciplineTest, EraseTakesAWholeUtf8Character) {
  Change(&abi::Termios2::iflag, 0, abi::kIUtf8);
  Type("a\xc3\xa4\x7f\n");
  EXPECT_EQ(Read(), "a\n");
  EXPECT_EQ(Screen(), "a\xc3\xa4\b \b\r\n");
}

TEST_F(LineDisciplineTest, EraseOfATabGoesBackToTheText) {
  Print("$ ");
  Type("a\t\x7f");
  EXPECT_EQ(Screen(), "$ a\t\b\b\b\b\b");
}

TEST_F(LineDisciplineTest, ControlCharactersAreEchoedWithACaret) {
  Type("\x16\x03\n");
  EXPECT_EQ(Screen(), "^\b^C\r\n");
  EXPECT_EQ(Read(), "\x03\n");
  EXPECT_TRUE(line_.TakeEffects().signals.empty());
}

TEST_F(LineDisciplineTest, EraseOfAControlCharacterTakesTwoColumns) {
  Type("\x16\x01\x7f");
  EXPECT_EQ(Screen(), "^\b^A\b \b\b \b");
}

TEST_F(LineDisciplineTest, Reprint) {
  Type("abc\x12");
  EXPECT_EQ(Screen(), "abc^R\r\nabc");
}

TEST_F(LineDisciplineTest, SignalsFlushAndAreEchoed) {
  Type("gone\nalso\x03kept\n");
  EXPECT_EQ(line_.TakeEffects().signals, std::vector<int>{2});
  EXPECT_EQ(Screen(), "^Ckept\r\n");
  EXPECT_EQ(Read(), "kept\n");
  EXPECT_FALSE(line_.InputReady(1));
  Type("\x1c\x1a");
  EXPECT_EQ(line_.TakeEffects().signals, (std::vector<int>{3, 20}));
}

TEST_F(LineDisciplineTest, NoFlshKeepsInput) {
  Change(&abi::Termios2::lflag, 0, abi::kNoFlsh);
  Type("kept\x03\n");
  EXPECT_EQ(Read(), "kept\n");
}

TEST_F(LineDisciplineTest, WithoutIsigTheKeysAreText) {
  Change(&abi::Termios2::lflag, abi::kISig | abi::kICanon, 0);
  Type("\x03");
  EXPECT_TRUE(line_.TakeEffects().signals.empty());
  EXPECT_EQ(Read(), "\x03");
}

TEST_F(LineDisciplineTest, FlowControl) {
  Type("\x13");
  EXPECT_EQ(Print("x"), 0u);
  EXPECT_FALSE(line_.CanTransmit());
  EXPECT_EQ(line_.TakeEffects().packet, abi::kPktStop);
  Type("\x11");
  EXPECT_EQ(line_.TakeEffects().packet, abi::kPktStart);
  EXPECT_EQ(Print("x"), 1u);
  Type("\x13");
  Change(&abi::Termios2::iflag, 0, abi::kIXAny);
  Type("a");
  EXPECT_TRUE(line_.CanTransmit());
}

TEST_F(LineDisciplineTest, AStoppedTerminalEchoesWhenItGoesOn) {
  Type(
      "\x13"
      "ab");
  EXPECT_EQ(Screen(), "");
  Type("\x11");
  EXPECT_EQ(Screen(), "ab");
}

TEST_F(LineDisciplineTest, NewlineThatIsTextIsEchoedAsControl) {
  Type("\x16\n\n");
  EXPECT_EQ(Screen(), "^\b^J\r\n");
  EXPECT_EQ(Read(), "\n\n");
}

TEST_F(LineDisciplineTest, InputMapping) {
  Change(&abi::Termios2::iflag, abi::kICrNl, abi::kIgnCr | abi::kINlCr | abi::kIStrip);
  Change(&abi::Termios2::lflag, abi::kICanon | abi::kEcho, 0);
  Type("a\rb\n\xe1");
  EXPECT_EQ(Read(), "ab\ra");
}

TEST_F(LineDisciplineTest, OutputProcessing) {
  Print("a\tb\n");
  EXPECT_EQ(Screen(), "a\tb\r\n");
  Change(&abi::Termios2::oflag, 0, abi::kXTabs);
  Print("ab\tc\b\td\n");
  EXPECT_EQ(Screen(), "ab      c\b        d\r\n");
  Change(&abi::Termios2::oflag, abi::kONlCr, abi::kOCrNl | abi::kONoCr);
  Print("\rx\r\n");
  EXPECT_EQ(Screen(), "x\n\n");
  Change(&abi::Termios2::oflag, abi::kOPost, 0);
  Print("\t\r\n");
  EXPECT_EQ(Screen(), "\t\r\n");
}

TEST_F(LineDisciplineTest, EchoOff) {
  Change(&abi::Termios2::lflag, abi::kEcho, abi::kEchoNl);
  Type("secret\n");
  EXPECT_EQ(Screen(), "\r\n");
  EXPECT_EQ(Read(), "secret\n");
}

TEST_F(LineDisciplineTest, ALongLineLosesItsTail) {
  EXPECT_EQ(Type(std::string(5000, 'x')), 5000u);
  EXPECT_FALSE(line_.InputReady(1));
  Type("\n");
  const std::string line = Read(8192);
  EXPECT_EQ(line.size(), 4096u);
  EXPECT_EQ(line.back(), '\n');
}

TEST_F(LineDisciplineTest, UnreadInputHoldsTheMasterBack) {
  std::string lines;
  for (int i = 0; i < 10000; ++i) lines += "abc\n";
  Change(&abi::Termios2::lflag, abi::kEcho, 0);
  const size_t taken = Type(lines);
  EXPECT_LT(taken, lines.size());
  EXPECT_GE(taken, LineDiscipline::kPendingMax);
  EXPECT_FALSE(line_.CanReceive());
  size_t read = 0;
  while (line_.InputReady(1)) read += Read().size();
  EXPECT_EQ(read, taken / 4 * 4);  // whole lines
}

TEST_F(LineDisciplineTest, OutputIsBounded) {
  const size_t taken = Print(std::string(1 << 20, 'y'));
  EXPECT_LE(taken, LineDiscipline::kOutputMax);
  EXPECT_FALSE(line_.CanTransmit());
  Screen();
  EXPECT_TRUE(line_.CanTransmit());
}

TEST_F(LineDisciplineTest, LeavingCanonicalModeGivesTheEditLine) {
  Type("one\ntw");
  Change(&abi::Termios2::lflag, abi::kICanon, 0);
  EXPECT_TRUE(line_.InputReady(6));
  EXPECT_EQ(Read(3), "one");
  Change(&abi::Termios2::lflag, 0, abi::kICanon);
  EXPECT_TRUE(line_.InputReady(1));
  EXPECT_EQ(Read(), "\ntw");
  EXPECT_FALSE(line_.InputReady(1));
}

TEST_F(LineDisciplineTest, DisabledKeysMatchNothing) {
  abi::Termios2 t = line_.termios();
  t.cc[abi::kVIntr] = 0;
  line_.SetTermios(t);
  Type(std::string_view("\0\n", 2));
  EXPECT_TRUE(line_.TakeEffects().signals.empty());
  EXPECT_EQ(Read(), std::string("\0\n", 2));
}

TEST_F(LineDisciplineTest, ChangedKeysOfFlowControlAreToldInPacketMode) {
  Change(&abi::Termios2::iflag, abi::kIXOn, 0);
  EXPECT_EQ(line_.TakeEffects().packet, abi::kPktNoStop);
  Change(&abi::Termios2::iflag, 0, abi::kIXOn);
  EXPECT_EQ(line_.TakeEffects().packet, abi::kPktDoStop);
}

}  // namespace
}  // namespace sentry
