// What librapport_training.so offers to the program that opens it.
#include "rapport/retrieval/training_library.h"

#include "rapport/retrieval/training/train_sasrec.h"

extern "C" {
extern const rapport::retrieval::TrainingLibrary rapport_training_library;
const rapport::retrieval::TrainingLibrary rapport_training_library{
    .build = rapport::retrieval::kTrainingBuild, .fit_sasrec = &rapport::retrieval::train_sasrec};
}
