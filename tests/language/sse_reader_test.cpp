#include "rapport/language/sse_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/base/random.h"

namespace rapport::language {

void PrintTo(const SseEvent& event, std::ostream* out) {
  *out << '{' << ::testing::PrintToString(event.type) << ", "
       << ::testing::PrintToString(event.data) << '}';
}

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Reading {
  std::vector<SseEvent> events;
  bool failed = false;
  bool operator==(const Reading&) const = default;
};

void PrintTo(const Reading& reading, std::ostream* out) {
  *out << ::testing::PrintToString(reading.events) << (reading.failed ? " then failed" : "");
}

Reading read(const std::vector<std::string_view>& pieces, SseLimits limits = {}) {
  Reading reading;
  const auto keep = [&](const SseEvent& event) { reading.events.push_back(event); };
  SseReader reader(limits);
  for (const std::string_view piece : pieces) {
    if (!reader.feed(piece, keep)) reading.failed = true;
  }
  if (!reader.finish(keep)) reading.failed = true;
  return reading;
}

std::vector<SseEvent> events(std::string_view bytes) {
  const Reading reading = read({bytes});
  EXPECT_FALSE(reading.failed) << bytes;
  return reading.events;
}

TEST(SseReader, FollowsTheStandard) {
  struct Case {
    const char* behaviour;
    std::string_view bytes;
    std::vector<SseEvent> events;
  };
  const Case cases[] = {
      {"an empty line ends an event", "data: one\n\ndata: two\n\n", {{"", "one"}, {"", "two"}}},
      {"data lines are joined by a newline", "data: a\ndata: b\n\n", {{"", "a\nb"}}},
      {"an empty data line counts", "data\ndata:\n\n", {{"", "\n"}}},
      {"one empty data line is an event", "data:\n\n", {{"", ""}}},
      {"one space after the colon is not data", "data:  x\n\n", {{"", " x"}}},
      {"no space after the colon is needed", "data:{\"a\":1}\n\n", {{"", "{\"a\":1}"}}},
      {"the type is the last event field", "event: a\nevent: b\ndata: x\n\n", {{"b", "x"}}},
      {"an event without data is none", "event: ping\n\ndata: x\n\n", {{"", "x"}}},
      {"comments keep the connection alive", ": hello\n\ndata: x\n:data: y\n\n", {{"", "x"}}},
      {"id, retry and unknown fields are read over",
       "id: 1\nretry: 5\nfoo: b\ndata: x\n\n",
       {{"", "x"}}},
      {"a field's name is matched whole", "Data: x\n data: x\ndatax: x\n\n", {}},
      {"carriage returns end lines", "data: a\rdata: b\r\rdata: c\r\r", {{"", "a\nb"}, {"", "c"}}},
      {"CRLF is one line end", "data: a\r\ndata: b\r\n\r\n", {{"", "a\nb"}}},
      {"line ends may be mixed", "data: a\n\rdata: b\r\n\n", {{"", "a"}, {"", "b"}}},
      {"a byte order mark is read over",
       "\xef\xbb\xbf"
       "data: x\n\n",
       {{"", "x"}}},
      {"only at the start",
       "data: x\n\n\xef\xbb\xbf"
       "data: y\n\n",
       {{"", "x"}}},
      {"a colon belongs to the value", "data: a: b\n\n", {{"", "a: b"}}},
      {"NUL and any other byte are data",
       std::string_view("data: \0\xff\n\n", 10),
       {{"", std::string("\0\xff", 2)}}},
      {"nothing is no event", "", {}},
  };
  for (const Case& c : cases) EXPECT_EQ(events(c.bytes), c.events) << c.behaviour;
}

TEST(SseReader, GivesAnEventAtTheEndWhoseEmptyLineIsMissing) {
  EXPECT_THAT(events("data: a\n\ndata: [DONE]\n"),
              ElementsAre(SseEvent{"", "a"}, SseEvent{"", "[DONE]"}));
}

TEST(SseReader, DropsHalfALineAtTheEnd) {
  EXPECT_THAT(events("data: {\"cut\":"), IsEmpty());
  EXPECT_THAT(events("data: whole\ndata: cu"), ElementsAre(SseEvent{"", "whole"}));
}

TEST(SseReader, IsAsNewAfterTheEnd) {
  std::vector<SseEvent> seen;
  const auto keep = [&](const SseEvent& event) { seen.push_back(event); };
  SseReader reader;
  ASSERT_TRUE(reader.feed("event: old\ndata: a\ndata: half", keep));
  ASSERT_TRUE(reader.finish(keep));
  ASSERT_TRUE(reader.feed("data: b\n\n", keep));
  EXPECT_THAT(seen, ElementsAre(SseEvent{"old", "a"}, SseEvent{"", "b"}));
}

TEST(SseReader, RefusesALineOrEventPastItsLimitAndStaysRefusing) {
  const SseLimits limits{.max_line_bytes = 10, .max_event_bytes = 8};
  struct Case {
    const char* behaviour;
    std::string_view bytes;
    Reading reading;
  };
  const Case cases[] = {
      {"a line at the limit is read", "data:12345\n\n", {{{"", "12345"}}, false}},
      {"a longer one is not", "data:123456\n\n", {{}, true}},
      {"a comment is bounded too", ":1234567890\n", {{}, true}},
      {"a line without an end is bounded too", "data:1234567", {{}, true}},
      {"an event of many short lines is bounded",
       "data:123\ndata:4567\n\ndata:1234\ndata:5678\n\n",
       {{{"", "123\n4567"}}, true}},
      {"the type counts as well", "event:12\ndata:12345\ndata:1\n\n", {{}, true}},
      {"events before the fault are given", "data:1\n\ndata:1234567\n\n", {{{"", "1"}}, true}},
      {"none after it", "data:1234567\ndata:1\n\n", {{}, true}},
  };
  for (const Case& c : cases) EXPECT_EQ(read({c.bytes}, limits), c.reading) << c.behaviour;

  SseReader reader(limits);
  const auto ignore = [](const SseEvent&) {};
  const auto first = reader.feed("data:1234567", ignore);
  const auto second = reader.feed("data:1\n\n", ignore);
  ASSERT_FALSE(first);
  ASSERT_FALSE(second);
  EXPECT_EQ(first.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(first.error().message, second.error().message);
}

/// Lines of every kind in random order: what streams are made of, and what breaks them.
std::string random_stream(base::Random& random) {
  static constexpr std::string_view kParts[] = {"data: x",
                                                "data:",
                                                "data: é中🙂",
                                                "event: e",
                                                ": note",
                                                "id: 3",
                                                "foo",
                                                "\n",
                                                "\r",
                                                "\r\n",
                                                "\n\n",
                                                "\r\r",
                                                "\r\n\r\n",
                                                ":",
                                                "data: {}",
                                                "\xef\xbb\xbf",
                                                " ",
                                                "\n\r",
                                                "data",
                                                "data: longer than the limit is"};
  std::string stream;
  const std::uint64_t parts = random.next() % 24;
  for (std::uint64_t i = 0; i < parts; ++i) stream += kParts[random.next() % std::size(kParts)];
  return stream;
}

TEST(SseReader, AnySplitGivesTheSameEvents) {
  base::SeededRandom random(7);
  const SseLimits limits{.max_line_bytes = 28, .max_event_bytes = 32};
  for (int round = 0; round < 400; ++round) {
    const std::string stream = random_stream(random);
    const std::string_view bytes = stream;
    const Reading whole = read({bytes}, limits);

    std::vector<std::string_view> single;
    for (std::size_t i = 0; i < bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
    EXPECT_EQ(read(single, limits), whole) << ::testing::PrintToString(stream);
    for (std::size_t at = 0; at <= bytes.size(); ++at) {
      EXPECT_EQ(read({bytes.substr(0, at), bytes.substr(at)}, limits), whole)
          << ::testing::PrintToString(stream) << " at " << at;
    }
  }
}

}  // namespace
}  // namespace rapport::language
