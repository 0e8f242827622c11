#include "rapport/cli/terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

namespace rapport::cli {

Result<std::string> ask_secret(std::string_view question) {
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  termios shown = {};
  if (terminal < 0 || ::tcgetattr(terminal, &shown) != 0) {
    if (terminal >= 0) ::close(terminal);
    return fail(ErrorCode::kIo, "there is no terminal to ask on");
  }
  termios hidden = shown;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(terminal, TCSAFLUSH, &hidden);
  std::string line;
  bool ended = ::write(terminal, question.data(), question.size()) < 0;
  for (char byte = 0; !ended && byte != '\n';) {
    ended = ::read(terminal, &byte, 1) != 1;
    if (!ended && byte != '\n') line += byte;
  }
  ::tcsetattr(terminal, TCSAFLUSH, &shown);
  const ssize_t moved = ::write(terminal, "\n", 1);
  ::close(terminal);
  if (ended || moved < 0) return fail(ErrorCode::kCancelled, "nothing was entered");
  return line;
}

}  // namespace rapport::cli
