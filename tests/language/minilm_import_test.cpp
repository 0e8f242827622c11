// The importer and the embedder on a BERT of a few kilobytes that the test makes up; what the real
// weights give is in minilm_reference_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <thread>

#include "rapport/base/random.h"
#include "rapport/base/safetensors.h"
#include "rapport/language/bert_import.h"
#include "rapport/language/llama_embedder.h"
#include "testing/temporary_directory.h"

namespace rapport::language {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kHidden = 32;
constexpr std::int64_t kInner = 64;
constexpr std::int64_t kPositions = 16;
constexpr std::int64_t kMaxTokens = 12;

/// A sentence-transformers folder, whose parts a test may change before it is written.
struct Folder {
  std::map<std::string, Json> files;
  std::map<std::string, std::vector<std::int64_t>> tensors;
  std::string prefix;

  Folder() {
    files["config.json"] = {{"model_type", "bert"},
                            {"hidden_act", "gelu"},
                            {"hidden_size", kHidden},
                            {"intermediate_size", kInner},
                            {"num_hidden_layers", 1},
                            {"num_attention_heads", 2},
                            {"max_position_embeddings", kPositions},
                            {"type_vocab_size", 2},
                            {"vocab_size", 12},
                            {"layer_norm_eps", 1e-12}};
    files["modules.json"] = {
        {{"type", "sentence_transformers.models.Transformer"}, {"path", ""}},
        {{"type", "sentence_transformers.models.Pooling"}, {"path", "1_Pooling"}},
        {{"type", "sentence_transformers.models.Normalize"}, {"path", "2_Normalize"}}};
    files["1_Pooling/config.json"] = {{"pooling_mode_mean_tokens", true},
                                      {"pooling_mode_cls_token", false}};
    files["sentence_bert_config.json"] = {{"max_seq_length", kMaxTokens}};
    // Id 10 is a hole: vocabularies have them.
    files["tokenizer.json"] = {
        {"normalizer",
         {{"type", "BertNormalizer"}, {"lowercase", true}, {"strip_accents", nullptr}}},
        {"model",
         {{"type", "WordPiece"},
          {"unk_token", "[UNK]"},
          {"continuing_subword_prefix", "##"},
          {"vocab",
           {{"[PAD]", 0},
            {"[UNK]", 1},
            {"[CLS]", 2},
            {"[SEP]", 3},
            {"play", 4},
            {"##ing", 5},
            {"cafe", 6},
            {"!", 7},
            {"ing", 8},
            {"Play", 9},
            {"##s", 11}}}}}};

    tensors = {{"embeddings.word_embeddings.weight", {12, kHidden}},
               {"embeddings.position_embeddings.weight", {kPositions, kHidden}},
               {"embeddings.token_type_embeddings.weight", {2, kHidden}},
               {"embeddings.LayerNorm.weight", {kHidden}},
               {"embeddings.LayerNorm.bias", {kHidden}},
               {"pooler.dense.weight", {kHidden, kHidden}}};
    const std::string layer = "encoder.layer.0.";
    for (const char* linear : {"attention.self.query", "attention.self.key", "attention.self.value",
                               "attention.output.dense"}) {
      tensors[layer + linear + ".weight"] = {kHidden, kHidden};
      tensors[layer + linear + ".bias"] = {kHidden};
    }
    tensors[layer + "intermediate.dense.weight"] = {kInner, kHidden};
    tensors[layer + "intermediate.dense.bias"] = {kInner};
    tensors[layer + "output.dense.weight"] = {kHidden, kInner};
    tensors[layer + "output.dense.bias"] = {kHidden};
    for (const char* norm : {"attention.output.LayerNorm", "output.LayerNorm"}) {
      tensors[layer + norm + ".weight"] = {kHidden};
      tensors[layer + norm + ".bias"] = {kHidden};
    }
  }

  void write(const std::filesystem::path& path) const {
    std::filesystem::create_directories(path / "1_Pooling");
    for (const auto& [name, json] : files) {
      std::filesystem::remove(path / name);
      if (!json.is_null()) std::ofstream(path / name) << json.dump();
    }
    base::SeededRandom random(1);
    base::SafetensorsWriter file;
    for (const auto& [name, shape] : tensors) {
      std::int64_t count = 1;
      for (const std::int64_t extent : shape) count *= extent;
      std::vector<float> values(static_cast<std::size_t>(count));
      for (float& value : values) value = static_cast<float>(random.uniform() - 0.3);
      file.add(prefix + name, shape, values);
    }
    ASSERT_TRUE(file.write(path / "model.safetensors"));
  }
};

class MiniLmImportTest : public ::testing::Test {
 protected:
  Result<void> import(const Folder& folder, WeightType type = WeightType::kF32) {
    folder.write(folder_.path() / "tiny");
    return import_bert(folder_.path() / "tiny", gguf_, type);
  }

  std::unique_ptr<LlamaEmbedder> load(const Folder& folder, WeightType type = WeightType::kF32) {
    const auto imported = import(folder, type);
    EXPECT_TRUE(imported) << imported.error().message;
    auto embedder = LlamaEmbedder::load({.path = gguf_.string(), .id = "", .threads = 1});
    EXPECT_TRUE(embedder) << embedder.error().message;
    return embedder ? *std::move(embedder) : nullptr;
  }

  rapport::testing::TemporaryDirectory folder_;
  std::filesystem::path gguf_ = folder_.path() / "tiny-f32.gguf";
};

std::vector<float> vector_of(LlamaEmbedder& embedder, const std::string& text) {
  const auto matrix = embedder.embed({text});
  EXPECT_TRUE(matrix) << matrix.error().message;
  return matrix ? matrix->values : std::vector<float>{};
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

TEST_F(MiniLmImportTest, WhatIsImportedIsLoadedAndEmbeds) {
  const auto embedder = load(Folder());
  ASSERT_NE(embedder, nullptr);
  EXPECT_EQ(embedder->id(), "tiny-f32");
  EXPECT_EQ(embedder->dimensions(), kHidden);
  EXPECT_EQ(embedder->max_tokens(), kMaxTokens);
  const auto matrix = embedder->embed({"play", "playing cafe!"});
  ASSERT_TRUE(matrix) << matrix.error().message;
  EXPECT_EQ(matrix->rows, 2);
  EXPECT_EQ(matrix->columns, kHidden);
  EXPECT_EQ(matrix->tokens, 3 + 6);
  ASSERT_EQ(matrix->values.size(), 2u * kHidden);
  for (const auto* row : {matrix->values.data(), matrix->values.data() + kHidden}) {
    EXPECT_NEAR(std::inner_product(row, row + kHidden, row, 0.0), 1, 1e-5);
  }
}

TEST_F(MiniLmImportTest, TokenizesAsWordPieceDoes) {
  const auto embedder = load(Folder());
  ASSERT_NE(embedder, nullptr);
  struct Case {
    const char* behaviour;
    const char* text;
    std::vector<std::int32_t> tokens;
  };
  const Case cases[] = {
      {"marks around nothing", "", {2, 3}},
      {"a continuation is not the same word alone", "playing ing", {2, 4, 5, 8, 3}},
      {"upper case and accents are folded", "PLAY Café", {2, 4, 6, 3}},
      {"punctuation stands alone", "play!plays", {2, 4, 7, 4, 11, 3}},
      {"a word with an unknown part is unknown", "playground", {2, 1, 3}},
      {"a mark's name in a text is text", "[SEP]", {2, 1, 1, 1, 3}},
      {"so is the name of a hole", "[PAD10]", {2, 1, 1, 1, 3}},
  };
  for (const Case& c : cases)
    EXPECT_EQ(embedder->tokenize(c.text).value(), c.tokens) << c.behaviour;
}

TEST_F(MiniLmImportTest, ACasedTokenizerKeepsCaseAndAccents) {
  Folder folder;
  folder.files["tokenizer.json"]["normalizer"]["lowercase"] = false;
  const auto embedder = load(folder);
  ASSERT_NE(embedder, nullptr);
  EXPECT_THAT(embedder->tokenize("Play play café").value(), ElementsAre(2, 9, 4, 1, 3));
}

TEST_F(MiniLmImportTest, SmallerWeightsGiveNearlyTheSameVectors) {
  const auto exact = load(Folder());
  ASSERT_NE(exact, nullptr);
  const std::vector<float> reference = vector_of(*exact, "playing cafe!");
  const auto size = std::filesystem::file_size(gguf_);
  for (const WeightType type : {WeightType::kF16, WeightType::kQ8_0}) {
    const auto smaller = load(Folder(), type);
    ASSERT_NE(smaller, nullptr);
    EXPECT_LT(std::filesystem::file_size(gguf_), size) << name(type);
    EXPECT_GT(cosine(vector_of(*smaller, "playing cafe!"), reference), 0.999) << name(type);
  }
}

TEST_F(MiniLmImportTest, TakesOtherFormsOfTheSameEncoder) {
  const auto plain = load(Folder());
  ASSERT_NE(plain, nullptr);
  const std::vector<float> reference = vector_of(*plain, "playing");

  Folder prefixed;
  prefixed.prefix = "bert.";
  const auto with_prefix = load(prefixed);
  ASSERT_NE(with_prefix, nullptr);
  EXPECT_EQ(vector_of(*with_prefix, "playing"), reference);

  Folder bare;
  for (const char* file : {"modules.json", "1_Pooling/config.json", "sentence_bert_config.json"}) {
    bare.files[file] = nullptr;
  }
  const auto without_modules = load(bare);
  ASSERT_NE(without_modules, nullptr);
  EXPECT_EQ(vector_of(*without_modules, "playing"), reference);
  EXPECT_EQ(without_modules->max_tokens(), kPositions);

  Folder first_token;
  first_token.files["1_Pooling/config.json"] = {{"pooling_mode_cls_token", true}};
  const auto cls = load(first_token);
  ASSERT_NE(cls, nullptr);
  EXPECT_NE(vector_of(*cls, "playing"), reference);
}

TEST_F(MiniLmImportTest, RefusesWhatItDoesNotKnowAndWritesNothing) {
  struct Case {
    const char* said;
    ErrorCode code;
    std::function<void(Folder&)> change;
  };
  const auto config = [](const char* key, Json value) {
    return [key, value](Folder& folder) { folder.files["config.json"][key] = value; };
  };
  const Case cases[] = {
      {"model_type is \"roberta\"", ErrorCode::kUnsupported, config("model_type", "roberta")},
      {"hidden_act is \"relu\"", ErrorCode::kUnsupported, config("hidden_act", "relu")},
      {"position_embedding_type", ErrorCode::kUnsupported,
       config("position_embedding_type", "relative_key")},
      {"\"hidden_size\" must be", ErrorCode::kCorrupt, config("hidden_size", -1)},
      {"\"num_hidden_layers\" must be", ErrorCode::kCorrupt, config("num_hidden_layers", 1e9)},
      {"no multiple of num_attention_heads", ErrorCode::kCorrupt, config("num_attention_heads", 5)},
      {"is not below vocab_size 11", ErrorCode::kCorrupt, config("vocab_size", 11)},
      {"has shape [12, 32], expected [13, 32]", ErrorCode::kCorrupt, config("vocab_size", 13)},
      {"no tensor \"encoder.layer.1.", ErrorCode::kCorrupt, config("num_hidden_layers", 2)},
      {"unknown tensor \"encoder.layer.0.adapter\"", ErrorCode::kUnsupported,
       [](Folder& folder) { folder.tensors["encoder.layer.0.adapter"] = {4}; }},
      {"not WordPiece", ErrorCode::kUnsupported,
       [](Folder& folder) { folder.files["tokenizer.json"]["model"]["type"] = "BPE"; }},
      {"not BertNormalizer", ErrorCode::kUnsupported,
       [](Folder& folder) { folder.files["tokenizer.json"]["normalizer"] = nullptr; }},
      {"has no token [SEP]", ErrorCode::kUnsupported,
       [](Folder& folder) { folder.files["tokenizer.json"]["model"]["vocab"].erase("[SEP]"); }},
      {"has another pooling", ErrorCode::kUnsupported,
       [](Folder& folder) {
         folder.files["1_Pooling/config.json"] = {{"pooling_mode_max_tokens", true}};
       }},
      {"has a layer \"sentence_transformers.models.Dense\"", ErrorCode::kUnsupported,
       [](Folder& folder) {
         folder.files["modules.json"].push_back({{"type", "sentence_transformers.models.Dense"}});
       }},
      {"config.json", ErrorCode::kNotFound,
       [](Folder& folder) { folder.files["config.json"] = nullptr; }},
  };
  for (const Case& c : cases) {
    Folder folder;
    c.change(folder);
    const auto imported = import(folder);
    ASSERT_FALSE(imported) << c.said;
    EXPECT_EQ(imported.error().code, c.code) << imported.error().message;
    EXPECT_THAT(imported.error().message,
                AllOf(HasSubstr((folder_.path() / "tiny").string()), HasSubstr(c.said)));
    EXPECT_FALSE(std::filesystem::exists(gguf_)) << c.said;
  }
  // Nor is a temporary file left beside it.
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path().filename(), "tiny");
  }
}

TEST_F(MiniLmImportTest, AnUnwritableOutputIsNamed) {
  Folder().write(folder_.path() / "tiny");
  const auto imported =
      import_bert(folder_.path() / "tiny", folder_.path() / "no/such/x.gguf", WeightType::kF32);
  ASSERT_FALSE(imported);
  EXPECT_EQ(imported.error().code, ErrorCode::kIo);
  EXPECT_THAT(imported.error().message, HasSubstr("no/such/x.gguf"));
}

TEST_F(MiniLmImportTest, ATextLongerThanTheModelReadsIsAnErrorThatCounts) {
  const auto embedder = load(Folder());
  ASSERT_NE(embedder, nullptr);
  const std::string fits = "play play play play play play play play play play";
  EXPECT_TRUE(embedder->embed({fits}));
  const auto refused = embedder->embed({"play", fits + " play"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().param, "input[1]");
  EXPECT_EQ(refused.error().reason, "context_length_exceeded");
  EXPECT_THAT(refused.error().message,
              HasSubstr("input[1] has 13 tokens; tiny-f32 reads at most 12"));

  const auto huge = embedder->embed({std::string(100'000, ' ')});
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().param, "input[0]");
  EXPECT_THAT(huge.error().message, HasSubstr("100000 bytes"));

  const auto ill_formed = embedder->embed({"play \xff"});
  ASSERT_FALSE(ill_formed);
  EXPECT_EQ(ill_formed.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(ill_formed.error().param, "input[0]");
}

TEST_F(MiniLmImportTest, ABatchGivesWhatItsTextsGiveAlone) {
  const auto embedder = load(Folder());
  ASSERT_NE(embedder, nullptr);
  std::vector<std::string> texts;
  std::string text;
  for (int i = 0; i < 150; ++i) {  // more than go into one pass
    text = i % 10 == 0 ? "" : text + " play";
    texts.push_back(i % 3 == 0 ? text + "!" : text);
  }
  const auto together = embedder->embed(texts);
  ASSERT_TRUE(together) << together.error().message;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto begin = together->values.begin() + static_cast<std::ptrdiff_t>(i) * kHidden;
    EXPECT_GT(cosine(vector_of(*embedder, texts[i]), {begin, begin + kHidden}), 0.9999) << i;
  }
  EXPECT_EQ(embedder->embed({}).value().rows, 0);
}

TEST_F(MiniLmImportTest, ThreadsDoNotDisturbEachOther) {
  const auto embedder = load(Folder());
  ASSERT_NE(embedder, nullptr);
  const std::vector<std::string> texts = {"play", "playing cafe", "cafe!", "ing"};
  std::vector<std::vector<float>> expected;
  for (const std::string& text : texts) expected.push_back(vector_of(*embedder, text));
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (std::size_t t = 0; t < texts.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 20; ++round) {
        const auto matrix = embedder->embed({texts[t]});
        if (!matrix || cosine(matrix->values, expected[t]) < 0.99999) ++wrong;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_F(MiniLmImportTest, AFileThatIsNoEncoderIsNamed) {
  const auto missing = LlamaEmbedder::load({.path = gguf_.string()});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);

  std::ofstream(gguf_) << "not a model";
  const auto nonsense = LlamaEmbedder::load({.path = gguf_.string()});
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(nonsense.error().message, HasSubstr("tiny-f32.gguf"));
}

}  // namespace
}  // namespace rapport::language
