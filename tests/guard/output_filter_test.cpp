#include "rapport/guard/output_filter.h"

#include <gtest/gtest.h>

#include "rapport/base/random.h"

namespace rapport::guard {
namespace {

const std::vector<std::string> kMarks = {"<user_facts>", "</user_facts>"};
const std::string kKey = "rk_" + std::string(52, 'a');

std::string filtered(const std::vector<std::string>& pieces, OutputFilter& filter) {
  std::string out;
  for (const std::string& piece : pieces) out += filter.push(piece);
  return out + filter.finish();
}

TEST(OutputFilter, RemovesFencesAndKeysAndNothingElse) {
  struct Case {
    std::string said, sent;
    std::vector<std::string> rules;
  };
  const Case cases[] = {
      {"Hello, Sam!", "Hello, Sam!", {}},
      {"a <b> c </b>", "a <b> c </b>", {}},
      {"<user_facts>\n- I'm vegan\n</user_facts>", "\n- I'm vegan\n", {"fence"}},
      {"your key is " + kKey + ".", "your key is [redacted].", {"api_key"}},
      {"rk_short and rk_", "rk_short and rk_", {}},
      {"<user_fac", "<user_fac", {}},
      {"<user_facts><user_facts>" + kKey, "[redacted]", {"fence", "api_key"}},
  };
  for (const Case& c : cases) {
    OutputFilter filter(kMarks);
    EXPECT_EQ(filtered({c.said}, filter), c.sent);
    EXPECT_EQ(filter.rules(), c.rules) << c.said;
  }
}

TEST(OutputFilter, SendsTheSameHoweverTheTextIsCut) {
  const std::string said = "ab <user_facts> rk_x " + kKey + "\u00e9 </user_facts> <user_ rk";
  OutputFilter whole(kMarks);
  const std::string sent = filtered({said}, whole);
  base::SeededRandom random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < said.size();) {
      const std::size_t size = 1 + random.next() % 9;
      pieces.push_back(said.substr(at, size));
      at += size;
    }
    OutputFilter filter(kMarks);
    ASSERT_EQ(filtered(pieces, filter), sent);
    ASSERT_EQ(filter.redactions(), whole.redactions());
  }
}

TEST(OutputFilter, HoldsBackNoMoreThanCouldBecomeAMark) {
  OutputFilter filter(kMarks);
  EXPECT_EQ(filter.push("plain text goes on at once "), "plain text goes on at once ");
  EXPECT_EQ(filter.push("a < b"), "a < b");
  EXPECT_EQ(filter.push("<user"), "");
  EXPECT_EQ(filter.push(" b"), "<user b");
}

}  // namespace
}  // namespace rapport::guard
