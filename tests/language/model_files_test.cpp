#include "rapport/language/model_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "rapport/base/files.h"
#include "shared_model.h"
#include "testing/temporary_directory.h"

namespace rapport::language {
namespace {

namespace fs = std::filesystem;

/// A folder with links to the real model under several names.
class ModelFilesTest : public ::testing::Test {
 protected:
  rapport::testing::TemporaryDirectory home;

  fs::path folder() { return home.path() / "models"; }
  void link(const std::string& name) {
    fs::create_directories(folder());
    fs::create_symlink(fs::absolute(testing::smollm2_path()), folder() / name);
  }
  void write(const std::string& name, const std::string& bytes) {
    fs::create_directories(folder());
    ASSERT_TRUE(base::write_file_atomically(folder() / name, bytes));
  }
};

TEST_F(ModelFilesTest, ReadsWhatAModelSaysOfItself) {
  const auto file = read_model_file(testing::smollm2_path());
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->name, "smollm2-135m-instruct-q8_0");
  EXPECT_EQ(file->architecture, "llama");
  EXPECT_EQ(file->quantization, "Q8_0");
  EXPECT_EQ(file->parameters, 134'515'008);
  EXPECT_EQ(file->context_tokens, 8192);
  EXPECT_EQ(file->bytes, static_cast<std::int64_t>(fs::file_size(testing::smollm2_path())));
  EXPECT_TRUE(file->has_chat_template);
  EXPECT_FALSE(file->is_encoder);
  EXPECT_TRUE(check_chat_model(*file));

  const auto embedder = read_model_file(testing::model_file("all-minilm-l6-v2-f32.gguf"));
  ASSERT_TRUE(embedder) << embedder.error().message;
  EXPECT_TRUE(embedder->is_encoder);
  EXPECT_EQ(check_chat_model(*embedder).error().code, ErrorCode::kUnsupported);
}

TEST_F(ModelFilesTest, RefusesWhatIsNoWholeModel) {
  write("empty.gguf", "");
  write("text.gguf", "This is a text, not a model, however it is called.");
  write("header.gguf", std::string("GGUF\x03\0\0\0", 8));
  std::ifstream whole(testing::smollm2_path(), std::ios::binary);
  std::string beginning(3'000'000, '\0');
  whole.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  write("cut.gguf", beginning);

  for (const char* name : {"empty.gguf", "text.gguf", "header.gguf"}) {
    const auto file = read_model_file(folder() / name);
    ASSERT_FALSE(file) << name;
    EXPECT_EQ(file.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(file.error().message.find(name), std::string::npos) << file.error().message;
    EXPECT_NE(file.error().message.find("is not a GGUF model"), std::string::npos);
  }
  const auto cut = read_model_file(folder() / "cut.gguf");
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(cut.error().message.find("3000000 of"), std::string::npos) << cut.error().message;
  EXPECT_EQ(read_model_file(folder() / "none.gguf").error().code, ErrorCode::kNotFound);
}

TEST_F(ModelFilesTest, FindsByNamePathAndUniqueBeginning) {
  link("Alpha-1b-q8_0.gguf");
  link("Alpha-1b-q4_0.gguf");
  link("beta.gguf");
  const std::vector<fs::path> folders = model_folders(home.path());
  EXPECT_EQ(folders.front(), folder());
  for (const char* name : {"beta", "beta.gguf", "BETA", "be"})
    EXPECT_EQ(find_model(name, folders)->path, folder() / "beta.gguf") << name;
  EXPECT_EQ(find_model("alpha-1b-q8_0", folders)->name, "Alpha-1b-q8_0");
  EXPECT_EQ(find_model((folder() / "beta.gguf").string(), {})->name, "beta");

  const auto several = find_model("alpha", folders);
  EXPECT_EQ(several.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(several.error().message.find("Alpha-1b-q4_0, Alpha-1b-q8_0"), std::string::npos);
  const auto misspelt = find_model("betta", folders);
  EXPECT_EQ(misspelt.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(misspelt.error().reason, "model_not_found");
  EXPECT_NE(misspelt.error().message.find("did you mean \"beta\"?"), std::string::npos);
  EXPECT_EQ(find_model("", folders).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(find_model("x", {home.path() / "nowhere"}).error().code, ErrorCode::kNotFound);
}

TEST_F(ModelFilesTest, ListsEachNameOnceAndSaysWhatItRefused) {
  link("b.gguf");
  link("a.gguf");
  write("broken.gguf", "no");
  write("notes.txt", "not a model, not refused");
  fs::create_directories(home.path() / "second");
  fs::create_symlink(fs::absolute(testing::smollm2_path()), home.path() / "second" / "a.gguf");
  const ModelListing listing =
      list_models({folder(), home.path() / "second", home.path() / "third"});
  ASSERT_EQ(listing.models.size(), 2u);
  EXPECT_EQ(listing.models[0].path, folder() / "a.gguf") << "the first folder wins";
  EXPECT_EQ(listing.models[1].name, "b");
  ASSERT_EQ(listing.refused.size(), 1u);
  EXPECT_NE(listing.refused[0].message.find("broken.gguf"), std::string::npos);
}

TEST(CheckChatModel, RefusesEncodersAndModelsWithoutATemplate) {
  ModelFile bert;
  bert.architecture = "bert";
  EXPECT_EQ(check_chat_model(bert).error().code, ErrorCode::kUnsupported);
  ModelFile plain;
  plain.architecture = "llama";
  const auto refused = check_chat_model(plain);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("no chat template"), std::string::npos);
}

}  // namespace
}  // namespace rapport::language
