// What librapport_tuning.so offers to the program that opens it.
#include "rapport/tuning/training/library_functions.h"
#include "rapport/tuning/tuning_library.h"

extern "C" {
extern const rapport::tuning::TuningLibrary rapport_tuning_library;
const rapport::tuning::TuningLibrary rapport_tuning_library{
    .build = rapport::tuning::kTuningBuild,
    .train_lora = &rapport::tuning::train_lora_with_libtorch,
    .answer_logits = &rapport::tuning::answer_logits_with_libtorch,
    .tune_item_reader = &rapport::tuning::tune_item_reader_with_libtorch,
    .next_item_logits = &rapport::tuning::next_item_logits_with_libtorch};
}
