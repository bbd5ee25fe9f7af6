#include "runsc-cpp/cmd/log_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace runsc {
namespace {

constexpr time_t kTime = 1767366245;  // 2026-01-02 15:04:05 UTC

class LogFileTest : public ::testing::Test {
 protected:
  LogFileTest() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
};

TEST_F(LogFileTest, JsonIsAsLogrusWritesIt) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, LogLevel::kError, kTime, "no \"such\" <file>\n\x01\xff\xc3\xa9"),
            "{\"level\":\"error\",\"msg\":\"no \\\"such\\\" \\u003cfile\\u003e\\n\\u0001\\ufffd\xc3\xa9\","
            "\"time\":\"2026-01-02T15:04:05Z\"}\n");
}

TEST_F(LogFileTest, TextIsAsLogrusWritesIt) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, LogLevel::kWarning, kTime, "a \"b\"\n\x01\xff\xc3\xa9"),
            "time=\"2026-01-02T15:04:05Z\" level=warning msg=\"a \\\"b\\\"\\n\\x01\\xff\xc3\xa9\"\n");
  EXPECT_EQ(FormatLogLine(LogFormat::kText, LogLevel::kInfo, kTime, "one-word"),
            "time=\"2026-01-02T15:04:05Z\" level=info msg=one-word\n");
  EXPECT_EQ(FormatLogLine(LogFormat::kText, LogLevel::kDebug, kTime, ""),
            "time=\"2026-01-02T15:04:05Z\" level=debug\n");
}

TEST_F(LogFileTest, TimeHasTheLocalOffset) {
  setenv("TZ", "EST5", 1);
  tzset();
  EXPECT_EQ(FormatTime3339(kTime), "2026-01-02T10:04:05-05:00");
  setenv("TZ", "IST-5:30", 1);
  tzset();
  EXPECT_EQ(FormatTime3339(kTime), "2026-01-02T20:34:05+05:30");
}

TEST_F(LogFileTest, InvalidUtf8IsReplacedByteByByte) {
  // Too long a form, a surrogate, beyond the last code point, cut short.
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    const std::string line = FormatLogLine(LogFormat::kJson, LogLevel::kError, kTime, bad);
    for (const char c : line) EXPECT_LT(static_cast<unsigned char>(c), 0x80) << line;
  }
}

TEST_F(LogFileTest, FormatsAreNamedAsRuncNamesThem) {
  EXPECT_EQ(*ParseLogFormat("json"), LogFormat::kJson);
  EXPECT_EQ(*ParseLogFormat(""), LogFormat::kText);
  EXPECT_EQ(ParseLogFormat("xml").status().message(), "invalid log-format: xml");
}

TEST_F(LogFileTest, AppendsWhatIsNotBelowTheThreshold) {
  char path[] = "/tmp/log_file_test.XXXXXX";
  const int fd = mkstemp(path);
  (void)!write(fd, "before\n", 7);
  close(fd);
  {
    const auto log = LogFile::Open(path, LogFormat::kJson, LogLevel::kInfo);
    ASSERT_TRUE(log.ok());
    EXPECT_TRUE(log->is_file());
    log->Write(LogLevel::kDebug, "hidden");
    log->Write(LogLevel::kError, "seen");
  }
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  unlink(path);
  EXPECT_EQ(text.str().find("before\n{\"level\":\"error\",\"msg\":\"seen\",\"time\":\""), 0u) << text.str();
  EXPECT_EQ(text.str().find("hidden"), std::string::npos);
}

TEST_F(LogFileTest, AFileThatCannotBeOpenedIsAnError) {
  EXPECT_EQ(LogFile::Open("/nonexistent/log", LogFormat::kText, LogLevel::kInfo).status().message(),
            "open /nonexistent/log: No such file or directory");
}

}  // namespace
}  // namespace runsc
