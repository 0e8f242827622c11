#include "rapport/retrieval/text_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

void TextOptions::describe(base::OptionSet& set) {
  set.add("text", text, "read titles, brands and categories too");
  set.add("text_items", text_items, "with text: newest items that candidates are compared with", 1,
          1000);
  set.add("neighbours", neighbours, "with text: items that are compared with each, the most alike",
          1, 1'000'000);
  set.add("min_df", features.min_df, "with text: items that a token is in, at least", 1, 1'000'000);
  set.add("max_df", features.max_df, "with text: items that a token is in, at most", 1, 1'000'000);
}

Result<TextOptions> TextOptions::resolved(const data::Dataset& dataset,
                                          const NextItemLossOptions& loss,
                                          std::int64_t max_length) const {
  if (!text) {
    const TextOptions usual;
    TRY_VOID(
        refuse_unread({{"text_items", text_items != usual.text_items},
                       {"neighbours", neighbours != usual.neighbours},
                       {"min_df", features.min_df != usual.features.min_df},
                       {"max_df", features.max_df != usual.features.max_df}},
                      "text is false, so that none is read; set text=true too, or leave it out"));
    return usual;
  }
  if (loss.sampled())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("text is read with loss=ce only, not with {}: leave one of them out",
                            loss.loss),
                "text");
  if (!has_text(dataset.catalogue()))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("text is true, but {} has no titles, brands or categories: prepare it "
                            "with its items, or leave text at false",
                            dataset.name()),
                "text");
  TextOptions options = *this;
  // What is not read in training has no weight that was learnt.
  options.text_items = std::min(text_items, max_length);
  return options;
}

void TextOptions::add_to(Json& json) const {
  json["text"] = text;
  if (!text) return;
  json["text_items"] = text_items;
  json["neighbours"] = neighbours;
  json["min_df"] = features.min_df;
  json["max_df"] = features.max_df;
}

}  // namespace rapport::retrieval
