#include <gtest/gtest.h>

#include "engine_fixture.h"
#include "rapport/engine/steps.h"

namespace rapport::engine {
namespace {

using Identify = EngineTest;

TEST_F(Identify, TakesTheStrongestName) {
  struct Case {
    Caller caller;
    const char* name;
    const char* source;
  };
  const Case cases[] = {
      {{"default", "k", "h", "b", "m", "s"}, "k", "key"},
      {{"default", "", "h", "b", "m", "s"}, "h", "header"},
      {{"default", "", "", "b", "m", "s"}, "b", "user"},
      {{"default", "", "", "", "m", "s"}, "m", "metadata.user_id"},
      {{"default", "", "", "", "", "s"}, "s", "safety_identifier"},
      {{"default", "", "", "", "", ""}, "", "anonymous"},
  };
  for (const Case& c : cases) {
    const auto who = identify(c.caller, *keys_);
    ASSERT_TRUE(who) << who.error().message;
    EXPECT_EQ(who->name, c.name);
    EXPECT_EQ(who->source, c.source);
    EXPECT_EQ(who->user.empty(), *c.name == 0);
  }
}

TEST_F(Identify, AUserOfAnotherApplicationIsAnotherUser) {
  const Caller one{"one", "", "", "sam", "", ""}, two{"two", "", "", "sam", "", ""};
  EXPECT_NE(identify(one, *keys_)->user, identify(two, *keys_)->user);
}

TEST_F(Identify, RefusesNamesThatAreNoNames) {
  for (const std::string& name : {std::string(513, 'x'), std::string("\xff")}) {
    const auto refused = identify({"default", "", name, "", "", ""}, *keys_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().param, "X-Rapport-User");
  }
}

}  // namespace
}  // namespace rapport::engine
