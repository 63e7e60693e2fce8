// SPDX-License-Identifier: Apache-2.0
// Colours and cursor movement go to terminals only; nothing from outside drives one.
#include "millrace/host/console.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <optional>

#include "gmock/gmock.h"
#include "tests/unit/host/support.h"

namespace millrace::host {
namespace {

// Sets a variable for the length of a test; none = unsets it.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  }
  ~Variable() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

// The program's side of a terminal of its own.
class Terminal {
 public:
  explicit Terminal(unsigned short columns) : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_EQ(grantpt(master_), 0);
    EXPECT_EQ(unlockpt(master_), 0);
    // Not as the terminal that controls this session: its end would hang up on every test beside this one.
    const int slave = open(ptsname(master_), O_RDWR | O_NOCTTY);
    EXPECT_GE(slave, 0);
    file_ = fdopen(slave, "r+");
    EXPECT_NE(file_, nullptr);
    const winsize size{24, columns, 0, 0};
    EXPECT_EQ(ioctl(fileno(file_), TIOCSWINSZ, &size), 0);
  }
  ~Terminal() {
    std::fclose(file_);
    close(master_);
  }
  std::FILE* file() { return file_; }

 private:
  int master_;
  std::FILE* file_ = nullptr;
};

TEST(ConsoleTest, A40_AFileIsNoTerminal) {
  const Variable term("TERM", "xterm");
  const Variable no_colour("NO_COLOR", nullptr);
  Paper paper;
  const Console console = Console::Of(paper.file());
  EXPECT_FALSE(console.colour);
  EXPECT_FALSE(console.live);
  EXPECT_EQ(console.columns, 80);
  EXPECT_EQ(console.Paint(Colour::kRed, "text"), "text");
}

TEST(ConsoleTest, A40_ATerminalHasColoursAndItsWidth) {
  const Variable term("TERM", "xterm");
  const Variable no_colour("NO_COLOR", nullptr);
  Terminal terminal(132);
  const Console console = Console::Of(terminal.file());
  EXPECT_TRUE(console.colour);
  EXPECT_TRUE(console.live);
  EXPECT_EQ(console.columns, 132);
  EXPECT_EQ(console.Paint(Colour::kRed, "text"), "\x1b[31mtext\x1b[0m");
  EXPECT_EQ(console.Paint(Colour::kPlain, "text"), "text");
}

TEST(ConsoleTest, NoColorTakesTheColoursAndADumbTerminalTheRest) {
  Terminal terminal(0);  // one that does not say how wide it is
  {
    const Variable term("TERM", "xterm");
    const Variable no_colour("NO_COLOR", "1");
    EXPECT_FALSE(Console::Of(terminal.file()).colour);
    EXPECT_TRUE(Console::Of(terminal.file()).live);
    EXPECT_EQ(Console::Of(terminal.file()).columns, 80);
  }
  const Variable no_colour("NO_COLOR", "");  // empty counts as unset: https://no-color.org
  {
    const Variable term("TERM", "xterm");
    EXPECT_TRUE(Console::Of(terminal.file()).colour);
  }
  {
    const Variable term("TERM", "dumb");
    EXPECT_FALSE(Console::Of(terminal.file()).colour);
    EXPECT_FALSE(Console::Of(terminal.file()).live);
  }
  const Variable term("TERM", nullptr);
  EXPECT_FALSE(Console::Of(terminal.file()).live);
}

TEST(ConsoleTest, WidthsAreCharactersNotBytes) {
  EXPECT_EQ(Width(""), 0u);
  EXPECT_EQ(Width("abc"), 3u);
  EXPECT_EQ(Width("d\xc3\xbc\xe2\x82\xac"), 3u);
  EXPECT_EQ(Pad("d\xc3\xbc", 4), "d\xc3\xbc  ");
  EXPECT_EQ(Pad("long enough", 4), "long enough");
}

TEST(ConsoleTest, WhatIsCutIsMarkedAndNeverHalfACharacter) {
  EXPECT_EQ(Clip("abcdef", 6), "abcdef");
  EXPECT_EQ(Clip("abcdef", 5), "abc..");
  EXPECT_EQ(Clip("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 3), "\xc3\xbc..");
  EXPECT_EQ(Clip("abcdef", 2), "..");
  EXPECT_EQ(Clip("abcdef", 0), "");
}

TEST(ConsoleTest, NothingFromOutsideDrivesTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[2Jb\x07\x7f\r"), "a?[2Jb???");
  EXPECT_EQ(Printable(std::string("nul\0!", 5)), "nul?!");
  EXPECT_EQ(Printable("kept:\ttab\nline \xc3\xbc \xe2\x82\xac"), "kept:\ttab\nline \xc3\xbc \xe2\x82\xac");
  // The same commands as single characters: CSI, OSC and the like are U+0080 to U+009F.
  EXPECT_EQ(Printable("a\xc2\x9b"
                      "2J\xc2\x80\xc2\x9f\xc2\xa0"),
            "a?2J??\xc2\xa0");
  EXPECT_EQ(Printable("\xc2"), "\xc2");
}

}  // namespace
}  // namespace millrace::host
