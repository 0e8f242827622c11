
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "rapport/cli/model_pull.h"
#include "rapport/retrieval/model_directory.h"
#include "run_command.h"
#include "testing/films.h"
#include "testing/temporary_directory.h"

namespace rapport::cli {
namespace {

using ::testing::HasSubstr;

// The commands that need no model, each run as main.cpp runs it, on a home of the test's own.
class Commands : public ::testing::Test {
 protected:
  Ran run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--home", home_.file("home")});
    return run_command(
        {add_config, add_models, add_recommend, add_users, add_facts, add_keys, add_backup},
        std::move(words));
  }
  Json json(const std::vector<std::string>& words) {
    std::vector<std::string> with_flag = words;
    with_flag.emplace_back("--json");
    const Ran ran = run(with_flag);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return Json::parse(ran.out, nullptr, false);
  }

  testing::TemporaryDirectory home_;
};

TEST_F(Commands, WrongUsageIsTwoAndAFailureIsOneWithOneLine) {
  EXPECT_EQ(run({}).status, 2);
  EXPECT_EQ(run({"fcts"}).status, 2);
  EXPECT_EQ(run({"facts", "list"}).status, 2);
  EXPECT_EQ(run({"facts", "list", "--help"}).status, 0);
  EXPECT_THAT(run({"facts", "add", "--help"}).out, HasSubstr("Example:"));
  const Ran failed = run({"users", "show", "nobody"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_EQ(failed.out, "");
  EXPECT_THAT(failed.err, HasSubstr("\"nobody\""));
  EXPECT_EQ(std::count(failed.err.begin(), failed.err.end(), '\n'), 1);
}

TEST_F(Commands, FactsAreAddedListedAndForgotten) {
  const Json fact = json({"facts", "add", "sam", "I'm vegetarian"});
  EXPECT_EQ(fact["attribute"], "diet");
  EXPECT_EQ(json({"facts", "list", "sam"})["facts"].size(), 1u);
  EXPECT_EQ(json({"facts", "list", "kim"})["facts"].size(), 0u);
  EXPECT_EQ(run({"facts", "forget", "sam", fact["id"]}).status, 0);
  EXPECT_EQ(json({"facts", "list", "sam"})["facts"].size(), 0u);
  EXPECT_EQ(run({"facts", "forget", "sam", "fact_none"}).status, 1);
  EXPECT_EQ(json({"users", "list"})["users"].size(), 1u);
}

TEST_F(Commands, AKeysSecretIsShownOnceAndItsRoleIsChecked) {
  const Ran created = run({"keys", "create", "--label", "test", "--role", "admin"});
  ASSERT_EQ(created.status, 0) << created.err;
  EXPECT_EQ(created.out.find("rk_"), 0u);
  const std::string listed = run({"keys", "list"}).out;
  EXPECT_THAT(listed, HasSubstr("test"));
  EXPECT_THAT(listed, ::testing::Not(HasSubstr("rk_")));
  EXPECT_EQ(run({"keys", "create", "--label", "x", "--role", "king"}).status, 1);
  EXPECT_EQ(run({"keys", "create", "--label", "x", "--role", "user"}).status, 1);
}

TEST_F(Commands, TheConfigurationSaysWhereAValueComesFromAndRefusesWhatItDoesNotKnow) {
  const Json shown = json({"config", "show", "--set", "engine.default_degree=2"});
  EXPECT_EQ(shown["options"]["engine.default_degree"]["value"], 2);
  EXPECT_EQ(shown["options"]["engine.default_degree"]["origin"], "--set");
  EXPECT_EQ(shown["options"]["server.listen"]["origin"], "default");
  EXPECT_EQ(run({"config", "check"}).status, 0);
  EXPECT_THAT(run({"config", "check", "--set", "engine.default_degre=2"}).err,
              HasSubstr("engine.default_degree"));
  for (const char* wrong :
       {"language.backend=cloud", "language.backend=remote", "server.listen=foo",
        "server.cors_origins=*", "store.synchronous=perhaps", "recommend.model=sasrek",
        "recommend.domain=shoes"}) {
    const Ran ran = run({"config", "check", "--set", wrong});
    EXPECT_EQ(ran.status, 1) << wrong << ": the server would not start with it";
  }

  const std::string file = home_.file("bad.toml");
  std::ofstream(file) << "[server]\nlisten = 8080\n";
  const Ran refused = run({"config", "check", "--config", file});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("bad.toml:2"));
}

TEST_F(Commands, ABackupBringsEverythingBack) {
  json({"facts", "add", "sam", "I'm vegetarian"});
  const std::string copy = home_.file("copy.db");
  ASSERT_EQ(run({"backup", copy}).status, 0);
  json({"facts", "add", "sam", "I live in Oslo"});
  EXPECT_EQ(run({"backup", copy}).status, 1) << "an existing file is not overwritten";
  ASSERT_EQ(run({"restore", copy}).status, 0);
  EXPECT_EQ(json({"facts", "list", "sam"})["facts"].size(), 1u);
  EXPECT_EQ(run({"restore", home_.file("missing.db")}).status, 1);
  EXPECT_EQ(json({"facts", "list", "sam"})["facts"].size(), 1u);
}

TEST_F(Commands, RecommendsToAUserOfADataSetOrForAHistory) {
  const auto films = testing::film_dataset();
  const std::string data = home_.file("films"), model = home_.file("popularity");
  ASSERT_TRUE(films->save(data));
  const base::SystemClock clock;
  const auto fit = retrieval::fit_retriever("popularity", *films, {}, {.clock = clock});
  ASSERT_TRUE(fit) << fit.error().message;
  ASSERT_TRUE(retrieval::save_model(*fit, *films, model));
  const std::vector<std::string> words = {"recommend", "--data", data, "--model", model};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = words;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const Json list = json(with({"--user", "1", "--top", "2", "--explain"}));
  EXPECT_EQ(list["user"], "1");
  ASSERT_EQ(list["items"].size(), 2u);
  EXPECT_TRUE(films->catalogue().find(list["items"][0]["item"].get<std::string>()));
  EXPECT_FALSE(list["items"][0]["reasons"].empty());
  EXPECT_EQ(json(with({"--history", "1,4"}))["items"].size(), 10u);
  EXPECT_THAT(run(with({"--history", "1,4", "--top", "1"})).out, HasSubstr("1. "));

  const std::pair<std::vector<std::string>, const char*> refused[] = {
      {{"--user", "13x"}, "\"13x\""},
      {{"--history", "1,Fargo"}, "did you mean \"9\" (Fargo)?"},
      {{}, "--history"},
      {{"--user", "1", "--history", "1"}, "--history"}};
  for (const auto& [more, says] : refused) {
    const Ran ran = run(with(more));
    EXPECT_EQ(ran.status, 1);
    EXPECT_THAT(ran.err, HasSubstr(says));
  }
  EXPECT_EQ(run({"recommend", "--data", data, "--model", home_.file("none"), "--user", "1"}).status,
            1);
}

TEST_F(Commands, AModelThatIsNoneIsRefused) {
  const std::string file = home_.file("model.gguf");
  std::ofstream(file) << "not a model";
  const Ran refused = run({"models", "import", file});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("model.gguf"));
  EXPECT_FALSE(std::filesystem::exists(home_.file("home/models/model.gguf")));
}

// The real scripts of this source tree; what they would fetch is there already.
TEST_F(Commands, AModelIsPulledByTheScriptsOfTheSourceTree) {
  const Json pulled = json({"models", "pull", "all-minilm-l6-v2"});
  EXPECT_EQ(pulled["name"], "all-minilm-l6-v2-f32");
  EXPECT_TRUE(std::filesystem::exists(pulled["path"].get<std::string>()));
}

TEST_F(Commands, AWrongNameOfAModelToPullIsAnsweredWithAllNames) {
  const Ran wrong = run({"models", "pull", "gemma-3-27b"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("smollm2-135m-instruct, all-minilm-l6-v2, gemma-3-270m"));
  EXPECT_THAT(wrong.err, HasSubstr("did you mean \"gemma-3-270m\"?"));
}

TEST(SourceTree, IsTheNearestFolderAboveTheProgramThatHasTheScripts) {
  const testing::TemporaryDirectory root;
  const std::filesystem::path tree = root.path() / "tree";
  std::filesystem::create_directories(tree / "src" / "rapport");
  std::filesystem::create_directories(tree / "scripts");
  std::ofstream(tree / "scripts" / "setup") << "";
  const auto found = source_tree(tree / "build" / "release" / "rapport");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, tree);

  const auto installed = source_tree(root.path() / "bin" / "rapport");
  ASSERT_FALSE(installed);
  EXPECT_EQ(installed.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(installed.error().message, HasSubstr("rapport models import PATH"));
}

}  // namespace
}  // namespace rapport::cli
