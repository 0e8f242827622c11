# Every third-party library, found once. Modules link the imported targets.

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
find_package(PkgConfig REQUIRED)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(zip REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus)
# Not by its CMake package: Debian's demands a program that Debian leaves out.
pkg_check_modules(xgboost REQUIRED IMPORTED_TARGET xgboost)

# libtorch, for training only: Debian's, or your own through -DTorch_DIR=DIR/share/cmake/Torch or CMAKE_PREFIX_PATH=DIR. Not
# through its CMake package: that of a libtorch with CUDA demands a CUDA compiler, and nothing here is compiled for a GPU.
# Nothing of it is cached, so that another Torch_DIR counts in a tree that is configured already.
if(RAPPORT_TRAINING)
  set(hints)
  if(Torch_DIR AND NOT EXISTS "${Torch_DIR}/TorchConfig.cmake")
    message(FATAL_ERROR "there is no libtorch in Torch_DIR, ${Torch_DIR}: pass DIR/share/cmake/Torch of an unpacked one")
  elseif(Torch_DIR)
    get_filename_component(hints "${Torch_DIR}/../../.." ABSOLUTE)
  endif()
  find_path(torch_include torch/csrc/api/include/torch/torch.h HINTS ${hints} PATH_SUFFIXES include NO_CACHE)
  find_library(torch_library torch HINTS ${hints} PATH_SUFFIXES lib NO_CACHE)
  if(NOT torch_include OR NOT torch_library)
    message(FATAL_ERROR "libtorch is not found: apt-get install libtorch-dev, or pass -DTorch_DIR=…, or build without "
                        "training: -DRAPPORT_TRAINING=OFF")
  endif()
  if(hints)
    string(FIND "${torch_include}" "${hints}/" own_headers)
    string(FIND "${torch_library}" "${hints}/" own_library)
    if(own_headers EQUAL 0 AND NOT own_library EQUAL 0)
      message(FATAL_ERROR "${hints} has libtorch's headers, but no lib/libtorch.so: unpack it whole, or pass another Torch_DIR")
    endif()
  endif()
  get_filename_component(torch_libraries "${torch_library}" DIRECTORY)
  # Those of CUDA are registered when they are loaded, which they are although nothing of ours names what is in them.
  set(loaded "${torch_library}")
  foreach(name torch_cpu c10 torch_cuda c10_cuda)
    find_library(library_${name} ${name} PATHS "${torch_libraries}" NO_DEFAULT_PATH NO_CACHE)
    if(library_${name})
      list(APPEND loaded "${library_${name}}")
    endif()
  endforeach()
  message(STATUS "libtorch: ${loaded}")
  add_library(libtorch INTERFACE)
  target_include_directories(libtorch SYSTEM INTERFACE "${torch_include}" "${torch_include}/torch/csrc/api/include")
  target_link_libraries(libtorch INTERFACE -Wl,--push-state,--no-as-needed ${loaded} -Wl,--pop-state)
endif()

# faiss, for catalogues too large to score whole.
if(RAPPORT_ITEM_INDEX)
  find_path(FAISS_INCLUDE_DIR faiss/IndexIVF.h)
  find_library(FAISS_LIBRARY faiss)
  find_package(OpenMP)
  find_package(BLAS)
  find_package(LAPACK)
  if(NOT FAISS_LIBRARY OR NOT FAISS_INCLUDE_DIR OR NOT OpenMP_CXX_FOUND OR NOT LAPACK_FOUND)
    message(FATAL_ERROR "faiss is not found, or BLAS, LAPACK and OpenMP that it needs: apt-get install libfaiss-dev, or "
                        "build without an index of large catalogues: -DRAPPORT_ITEM_INDEX=OFF")
  endif()
  add_library(faiss INTERFACE)
  target_include_directories(faiss SYSTEM INTERFACE ${FAISS_INCLUDE_DIR})
  target_link_libraries(faiss INTERFACE ${FAISS_LIBRARY} LAPACK::LAPACK BLAS::BLAS OpenMP::OpenMP_CXX)
endif()

# llama.cpp: prebuilt (scripts/setup) or the user's own, through LLAMA_DIR.
if(NOT EXISTS "${LLAMA_DIR}/include/llama.h")
  message(FATAL_ERROR "llama.cpp is not in ${LLAMA_DIR}: run scripts/setup, or pass -DLLAMA_DIR=DIR with lib/ and include/")
endif()
file(GLOB llama_libraries
     "${LLAMA_DIR}/lib/libllama.so" "${LLAMA_DIR}/lib/libllama.v*.so"
     "${LLAMA_DIR}/lib/libggml.so" "${LLAMA_DIR}/lib/libggml.v*.so"
     "${LLAMA_DIR}/lib/libggml-base.so" "${LLAMA_DIR}/lib/libllama-common.so")
add_library(llama INTERFACE)
# Not include/vendor: its nlohmann/json is another version than the system's, with another ABI; common/ hides its own.
target_include_directories(llama SYSTEM INTERFACE "${LLAMA_DIR}/include" "${LLAMA_DIR}/include/common")
target_link_libraries(llama INTERFACE ${llama_libraries})
target_link_options(llama INTERFACE "-Wl,-rpath-link,${LLAMA_DIR}/lib")
target_compile_definitions(llama INTERFACE "RAPPORT_LLAMA_LIBRARY_DIR=\"${LLAMA_DIR}/lib\"")
