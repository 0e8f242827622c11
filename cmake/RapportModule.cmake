# One precompiled header for all modules, in a target of its own: gcc takes it only where every macro it was made with is
# defined too, and a module's private libraries (spdlog, utf8proc) define some.
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/rapport_pch.cpp" CONTENT "")
add_library(rapport_pch OBJECT "${CMAKE_BINARY_DIR}/rapport_pch.cpp")
target_link_libraries(rapport_pch PRIVATE rapport_flags nlohmann_json::nlohmann_json fmt::fmt)
target_precompile_headers(rapport_pch PRIVATE "${CMAKE_SOURCE_DIR}/src/rapport/pch.h")

# rapport_module(NAME [DEPENDS rapport modules...] [PRIVATE libraries...])
#
# One folder is one static library: every *.cpp beside the calling CMakeLists.txt. DEPENDS names lower layers (public);
# PRIVATE names the heavy dependency that stays inside the .cpp files.
function(rapport_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  add_library(rapport_${name} STATIC ${sources})
  target_link_libraries(rapport_${name} PUBLIC rapport_flags PRIVATE ${ARG_PRIVATE})
  foreach(lower IN LISTS ARG_DEPENDS)
    target_link_libraries(rapport_${name} PUBLIC rapport_${lower})
  endforeach()
  target_precompile_headers(rapport_${name} REUSE_FROM rapport_pch)
endfunction()

# rapport_embed_files(MODULE HEADER NAMESPACE kName=path...): files beside the calling CMakeLists.txt become constants of the
# module, which HEADER declares in NAMESPACE.
function(rapport_embed_files module header namespace)
  cmake_path(GET header STEM stem)
  set(output "${CMAKE_CURRENT_BINARY_DIR}/${stem}.cpp")
  list(TRANSFORM ARGN REPLACE "^[^=]+=" "${CMAKE_CURRENT_SOURCE_DIR}/" OUTPUT_VARIABLE files)
  add_custom_command(
    OUTPUT "${output}"
    COMMAND ${CMAKE_COMMAND} "-DOUTPUT=${output}" "-DHEADER=rapport/${module}/${header}" "-DNAMESPACE=${namespace}"
            "-DFOLDER=${CMAKE_CURRENT_SOURCE_DIR}" "-DFILES=${ARGN}" -P "${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake"
    DEPENDS ${files} "${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake"
    COMMENT "Embedding files of ${module}" VERBATIM)
  target_sources(rapport_${module} PRIVATE "${output}")
endfunction()

# rapport_opens_libraries(TARGET folders...): a program that may open the libraries of those folders, retrieval or tuning,
# which find in it what they use of our folders: all of their symbols are in the program then, and visible.
function(rapport_opens_libraries target)
  set_target_properties(${target} PROPERTIES ENABLE_EXPORTS ON)
  set(modules base)
  set(libraries)
  if("retrieval" IN_LIST ARGN)
    list(APPEND modules data evaluation retrieval)
    list(APPEND libraries rapport_training rapport_item_index)
  endif()
  if("tuning" IN_LIST ARGN)
    list(APPEND modules language tuning)
    list(APPEND libraries rapport_tuning_training)
  endif()
  set(archives)
  foreach(module IN LISTS modules)
    list(APPEND archives $<TARGET_FILE:rapport_${module}>)
  endforeach()
  target_link_options(${target} PRIVATE -Wl,--whole-archive ${archives} -Wl,--no-whole-archive)
  foreach(library IN LISTS libraries)
    if(TARGET ${library})
      add_dependencies(${target} ${library})
    endif()
  endforeach()
endfunction()

# rapport_tests(NAME [MODULE folder] [LIBRARIES ...] [SHARED ...]) in tests/NAME: *_test.cpp become
# NAME_tests (label fast), *_slow_test.cpp become NAME_slow_tests (label slow), other *.cpp and SHARED are in both. They
# test the module of that name, or MODULE.
function(rapport_tests name)
  cmake_parse_arguments(ARG "" "MODULE" "LIBRARIES;SHARED" ${ARGN})
  if(NOT ARG_MODULE)
    set(ARG_MODULE ${name})
  endif()
  file(GLOB all CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  set(slow ${all})
  list(FILTER slow INCLUDE REGEX "_slow_test\\.cpp$")
  set(fast ${all})
  list(FILTER fast INCLUDE REGEX "_test\\.cpp$")
  list(FILTER fast EXCLUDE REGEX "_slow_test\\.cpp$")
  set(shared ${all})
  list(FILTER shared EXCLUDE REGEX "_test\\.cpp$")
  foreach(tier fast slow)
    if(${tier})
      set(target ${name}_tests)
      set(timeout 60)
      if(tier STREQUAL "slow")
        set(target ${name}_slow_tests)
        set(timeout 900)
      endif()
      if(RAPPORT_SANITIZE)
        math(EXPR timeout "10 * ${timeout}")
      endif()
      add_executable(${target} ${${tier}} ${shared} ${ARG_SHARED})
      target_link_libraries(${target} PRIVATE rapport_${ARG_MODULE} rapport_testing ${ARG_LIBRARIES} GTest::gmock GTest::gtest_main)
      target_precompile_headers(${target} REUSE_FROM rapport_testing)
      # One ctest entry per binary and tier: starting a process (and loading a model) per test case costs more than the
      # tests do.
      add_test(NAME ${target} COMMAND ${target} --gtest_brief=1)
      set_tests_properties(${target} PROPERTIES LABELS ${tier} TIMEOUT ${timeout} ENVIRONMENT "${RAPPORT_TEST_ENVIRONMENT}")
      if(tier STREQUAL "slow")
        # They use every core and some measure; beside another test they would measure that.
        set_tests_properties(${target} PROPERTIES RUN_SERIAL TRUE)
      endif()
    endif()
  endforeach()
endfunction()

# rapport_python_test(NAME SCRIPT fast|slow): a test in Python, run by the python3 that scripts/setup used. One that
# drives the program finds it as RAPPORT_PROGRAM, and the official OpenAI clients on PYTHONPATH and NODE_PATH.
find_program(PYTHON3 python3)
function(rapport_python_test name script tier)
  add_test(NAME ${name} COMMAND "${PYTHON3}" "${CMAKE_CURRENT_SOURCE_DIR}/${script}")
  set(clients "${CMAKE_SOURCE_DIR}/build/deps/clients")
  set(timeout 60)
  if(tier STREQUAL "slow")
    set(timeout 900)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
  if(RAPPORT_SANITIZE)
    math(EXPR timeout "10 * ${timeout}")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS ${tier} TIMEOUT ${timeout} ENVIRONMENT
    "${RAPPORT_TEST_ENVIRONMENT};RAPPORT_PROGRAM=${CMAKE_BINARY_DIR}/rapport;PYTHONDONTWRITEBYTECODE=1;PYTHONPATH=${clients}/python;NODE_PATH=${clients}/node/node_modules")
endfunction()

# rapport_link_included(TARGET SOURCE): links the modules that the source includes, so that a benchmark or a fuzz target
# needs no line of its own in CMake and builds no more than it uses.
function(rapport_link_included target source)
  target_link_libraries(${target} PRIVATE rapport_flags)
  file(STRINGS "${source}" includes REGEX "#include [<\"](rapport|testing)/")
  foreach(line IN LISTS includes)
    if(line MATCHES "rapport/([a-z_]+)/")
      target_link_libraries(${target} PRIVATE rapport_${CMAKE_MATCH_1})
    elseif(TARGET rapport_testing)
      target_link_libraries(${target} PRIVATE rapport_testing)
    endif()
  endforeach()
  file(STRINGS "${source}" trains REGEX "#include \"rapport/retrieval/registry.h\"")
  file(STRINGS "${source}" tunes REGEX "#include \"rapport/tuning/lora_training.h\"")
  if(trains)  # an e4srec among them, which is tuned
    rapport_opens_libraries(${target} retrieval tuning)
  elseif(tunes)
    rapport_opens_libraries(${target} tuning)
  endif()
  file(STRINGS "${source}" llama REGEX "#include <llama\\.h>")
  if(llama)
    target_link_libraries(${target} PRIVATE llama)
  endif()
endfunction()
