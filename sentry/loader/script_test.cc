#include "sentry/loader/script.h"

#include <gtest/gtest.h>

namespace sentry {
namespace {

using base::Errno;

TEST(ParseScriptLine, NameAlone) {
  const auto line = ParseScriptLine("#!/bin/sh\necho hi\n");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->interpreter, "/bin/sh");
  EXPECT_FALSE(line->argument.has_value());
}

TEST(ParseScriptLine, BlanksAroundAreDropped) {
  const auto line = ParseScriptLine("#! \t/bin/sh \t \n");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->interpreter, "/bin/sh");
  EXPECT_FALSE(line->argument.has_value());
}

TEST(ParseScriptLine, TheRestIsOneArgument) {
  const auto line = ParseScriptLine("#!/usr/bin/env -S a  b \n");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->interpreter, "/usr/bin/env");
  EXPECT_EQ(line->argument, "-S a  b");
}

TEST(ParseScriptLine, ShortFileNeedsNoNewline) {
  const auto line = ParseScriptLine("#!/bin/sh");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->interpreter, "/bin/sh");
}

TEST(ParseScriptLine, CutNameIsRefused) {
  const std::string head = "#!/" + std::string(kScriptHeadSize - 3, 'x');
  EXPECT_TRUE(ParseScriptLine(head).Is(Errno::kENOEXEC));
}

TEST(ParseScriptLine, CutArgumentIsKept) {
  std::string head = "#!/bin/sh ";
  head.resize(kScriptHeadSize, 'x');
  const auto line = ParseScriptLine(head);
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->interpreter, "/bin/sh");
}

TEST(ParseScriptLine, NothingBehindTheMarkIsRefused) {
  EXPECT_TRUE(ParseScriptLine("#!\n/bin/sh").Is(Errno::kENOEXEC));
  EXPECT_TRUE(ParseScriptLine("#!   \n").Is(Errno::kENOEXEC));
  EXPECT_TRUE(ParseScriptLine("/bin/sh\n").Is(Errno::kENOEXEC));
  EXPECT_TRUE(ParseScriptLine("").Is(Errno::kENOEXEC));
}

}  // namespace
}  // namespace sentry
