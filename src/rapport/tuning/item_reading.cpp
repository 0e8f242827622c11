#include "rapport/tuning/item_reading.h"

#include "rapport/tuning/tuning_library.h"

namespace rapport::tuning {

void ItemReadingOptions::describe(base::OptionSet& set) {
  lora.describe_learning(set);
  set.add("dropout", dropout, "share of what is read, and of the last states, that is dropped", 0,
          0.99);
}

Result<void> ItemReadingOptions::check() const {
  if (lora.layers != 0)
    return fail(
        ErrorCode::kInvalidArgument,
        "layers: what the lowest layer reads is learnt, so that all are trained: leave it 0",
        "layers");
  return lora.check();
}

Json ItemReadingOptions::to_json() const {
  Json json = lora.to_json();
  json.erase("layers");
  json.erase("cache_mib");
  json["dropout"] = dropout;
  return json;
}

Result<TunedItemReader> tune_item_reader(const std::filesystem::path& model,
                                         const ItemSequences& learnt,
                                         const ItemReadingOptions& options,
                                         const TuneContext& context) {
  TRY_VOID(options.check());
  TRY(const TuningLibrary* const library, tuning_library());
  return library->tune_item_reader(model, learnt, options, context);
}

Result<std::vector<float>> next_item_logits(const std::filesystem::path& model,
                                            const TunedItemReader& tuned,
                                            std::span<const float> vectors,
                                            std::span<const std::int32_t> sequence) {
  TRY(const TuningLibrary* const library, tuning_library());
  return library->next_item_logits(model, tuned, vectors, sequence);
}

}  // namespace rapport::tuning
