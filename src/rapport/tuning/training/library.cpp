// What librapport_tuning.so offers to the program that opens it.
#include "rapport/tuning/training/lora_trainer.h"
#include "rapport/tuning/tuning_library.h"

extern "C" {
extern const rapport::tuning::TuningLibrary rapport_tuning_library;
const rapport::tuning::TuningLibrary rapport_tuning_library{
    .build = rapport::tuning::kTuningBuild,
    .train = &rapport::tuning::train_with_libtorch,
    .answer_logits = &rapport::tuning::answer_logits_with_libtorch};
}
