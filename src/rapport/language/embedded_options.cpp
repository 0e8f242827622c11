#include "rapport/language/embedded_model.h"

namespace rapport::language {

void EmbeddedOptions::describe(base::OptionSet& set) {
  set.add("language.embedded.path", path, "GGUF file, or the name of one in a models folder");
  set.add("language.embedded.adapter", adapter,
          "GGUF file of a LoRA adapter that the model computes with; empty: none");
  set.add("language.embedded.id", id, "name in the API; empty: the file's name");
  set.add("language.embedded.chat_template", chat_template,
          "Jinja file for a model that has no chat template; empty: the model's own");
  set.add("language.embedded.context_tokens", context_tokens,
          "tokens of one conversation, prompt and answer; at most what the model was trained for",
          256, 1 << 20);
  set.add("language.embedded.parallel", parallel, "conversations generated side by side", 1, 64);
  set.add("language.embedded.cache_mib", cache_mib,
          "most memory for their keys and values, MiB; lowers parallel when it does not suffice", 1,
          1 << 20);
  set.add("language.embedded.batch_tokens", batch_tokens, "prompt tokens computed at a time", 64,
          4096);
  set.add("language.embedded.shared_batch_tokens", shared_batch_tokens,
          "the same while other answers stream (they pause for that long)", 64, 4096);
  set.add("language.embedded.threads", threads, "compute threads; 0: one per physical core", 0,
          512);
  set.add("language.embedded.flash_attention", flash_attention,
          "faster prompts; without it the same request gets the same answer in long conversations "
          "too, whatever runs beside it");
  set.add("language.embedded.temperature", temperature,
          "of requests that name none; 0: always the likeliest token", 0, 2);
  set.add("language.embedded.top_p", top_p, "of requests that name none; 1: off", 0.01, 1);
  set.add("language.embedded.min_p", min_p,
          "drops tokens less likely than this share of the likeliest; 0: off", 0, 1);
  set.add("language.embedded.top_k", top_k, "keeps this many of the likeliest tokens; 0: off", 0,
          1 << 20);
  set.add("language.embedded.repeat_penalty", repeat_penalty,
          "divides the weight of the last 64 tokens; 1: off", 0.5, 2);
  set.add("language.embedded.max_tokens", max_tokens, "of an answer whose request sets none", 1,
          1 << 20);
  set.add("language.embedded.max_queued", max_queued, "requests that may wait", 1, 1 << 20);
}

}  // namespace rapport::language
