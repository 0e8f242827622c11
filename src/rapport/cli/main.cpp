#include <csignal>
#include <iostream>

#include "rapport/base/opened_library.h"
#include "rapport/cli/command_line.h"

int main(int argc, char** argv) {
  // A client that hangs up must not end the server.
  std::signal(SIGPIPE, SIG_IGN);
  rapport::base::choose_blas_kernels();
  using namespace rapport::cli;
  CommandLine line;
  add_serve(line);
  add_chat(line);
  add_config(line);
  add_models(line);
  add_evaluate(line);
  add_recommend(line);
  add_users(line);
  add_import(line);
  add_facts(line);
  add_keys(line);
  add_backup(line);
  add_data(line);
  add_train(line);
  add_palr(line);
  Context context{std::cin, std::cout, std::cerr, {}, {}, false, false, {}, {}, {}, 0, 1};
  return line.main(argc, argv, context);
}
