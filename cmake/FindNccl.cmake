# NCCL as the imported target Nccl::nccl: the wheel's, which fits LibTorch, if `scripts/setup.sh --reference` brought it, else
# the toolkit's. Fails with what it looked for.
find_package(CUDAToolkit REQUIRED)
file(GLOB _nccl_wheels "${CMAKE_SOURCE_DIR}/.deps/*/lib/python3*/site-packages/nvidia/nccl")
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${_nccl_wheels} ${CUDAToolkit_LIBRARY_ROOT} PATH_SUFFIXES include)
find_library(NCCL_LIBRARY NAMES libnccl.so.2 HINTS ${_nccl_wheels} ${CUDAToolkit_LIBRARY_ROOT} PATH_SUFFIXES lib)
if(NOT NCCL_INCLUDE_DIR OR NOT NCCL_LIBRARY)
  message(FATAL_ERROR "NCCL: found no nccl.h or libnccl.so.2 under '${_nccl_wheels}' or '${CUDAToolkit_LIBRARY_ROOT}', "
                      "expected the CUDA toolkit's or the one that scripts/setup.sh --reference installs")
endif()

add_library(Nccl::nccl INTERFACE IMPORTED)
target_include_directories(Nccl::nccl SYSTEM INTERFACE "${NCCL_INCLUDE_DIR}" ${CUDAToolkit_INCLUDE_DIRS})
target_link_libraries(Nccl::nccl INTERFACE "${NCCL_LIBRARY}" CUDA::cudart)
