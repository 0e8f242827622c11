// E4SRec: a language model that reads items in place of words. Each item is a vector that a trained
// model has of it, mapped into the language model's input space (a soft token); the state behind
// the last item, mapped back, is scored against all items' vectors.
//
//   TRY(const Fit fit, fit_retriever("e4srec", dataset, {{"items", "models/sasrec"}}, context));
//
// Source: Li et al. 2023, "E4SRec: An Elegant Effective Efficient Extensible Solution of Large
// Language Models for Sequential Recommendation". As there, the language model stays as it is but
// for a LoRA, and items enter and are scored by what another model learned. Other than there, every
// position of a sequence is learnt from, no instruction is put in front, and items are scored by
// the same vectors that are read. That the first layers may do is after Xu et al. 2024, "SLMRec:
// Distilling Large Language Models into Small for Sequential Recommendation".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rapport/language/vector_reader.h"
#include "rapport/retrieval/item_panels.h"
#include "rapport/retrieval/registry.h"
#include "rapport/tuning/item_reading.h"

namespace rapport::retrieval {

struct E4srecOptions {
  std::vector<std::string> items;  // directories whose item vectors are read
  std::string language_model = "smollm2-135m-instruct-q8_0";  // a name, or a GGUF file's path
  std::int64_t first_layers = 0;  // of it, that are read through; 0: all
  std::int64_t max_length = 50;   // newest items that are read
  std::int64_t windows = 1;  // of a user's sequence, the newest first, each of max_length; 0: all
  double fraction = 1;       // of the users, drawn evenly by how much they took
  tuning::ItemReadingOptions reading;

  void describe(base::OptionSet& set);
  /// Errors: kInvalidArgument, naming the option.
  Result<E4srecOptions> resolved(const data::Dataset& dataset) const;
  Json to_json() const;
};

/// What a model directory keeps of it. d is the language model's dimension.
struct E4srecParts {
  std::int64_t items = 0, width = 0, max_length = 0;
  std::string language_model;     // as E4srecOptions has it
  std::int64_t first_layers = 0;  // as E4srecOptions has it
  std::vector<float> vectors;     // [items × width]
  std::vector<float> inputs;      // [(items + 1) × d]: of each item, and of the start
  std::vector<float> output;      // [width × d]
  std::string adapter;            // the bytes of its GGUF file
};

class E4srec final : public Retriever {
 public:
  /// Opens the language model. Errors: those of find_model and VectorReader::load; kCorrupt for
  /// parts that do not fit each other or it.
  static Result<std::unique_ptr<E4srec>> create(E4srecParts parts);
  /// For the registry. Errors: as create; kCorrupt.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

  std::string_view kind() const override { return "e4srec"; }

 private:
  E4srec(E4srecParts parts, std::unique_ptr<language::VectorReader> reader);
  Result<void> do_score(std::span<const Query> queries, std::span<float> scores) const override;
  Result<void> states(std::span<const Query> queries, std::span<float> states) const;
  Json do_options() const override;
  void do_save(base::SafetensorsWriter& writer) const override;

  E4srecParts parts_;
  std::unique_ptr<language::VectorReader> reader_;
  ItemPanels panels_;  // of the vectors
};

/// For the registry.
Result<Fit> fit_e4srec(std::string_view kind, const data::Dataset& dataset,
                       const Assignments& assignments, const FitContext& context);

}  // namespace rapport::retrieval
