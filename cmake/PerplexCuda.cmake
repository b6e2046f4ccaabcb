# The CUDA engine: finds the toolkit, or builds without it, and says which.
#
#   PERPLEX_CUDA=AUTO   (default) with a toolkit and a GPU on this machine the module is part of the default build; with a
#                       toolkit alone it is a target of its own (`cmake --build build --target perplex_cuda`), since nvcc
#                       takes minutes for all architectures; without a toolkit it is left out.
#   PERPLEX_CUDA=ON     part of the default build; no toolkit is an error.
#   PERPLEX_CUDA=OFF    left out, and the tests of the engine's host code with it.
#   PERPLEX_CUDA_NATIVE=ON   only for the GPU at hand, instead of all architectures.
#
# Sets PERPLEX_CUDA_TOOLKIT (TRUE where the toolkit's headers are there: the simulated engine of the tests needs no more) and
# PERPLEX_CUDA_BUILD (OFF, TARGET or ALL), and gives px_cuda_module(), which host/engine/cuda calls.
set(PERPLEX_CUDA AUTO CACHE STRING "The CUDA engine: AUTO, ON or OFF")
set_property(CACHE PERPLEX_CUDA PROPERTY STRINGS AUTO ON OFF)
option(PERPLEX_CUDA_NATIVE "Build the CUDA engine only for the GPU of this machine" OFF)

set(PERPLEX_CUDA_TOOLKIT FALSE)
set(PERPLEX_CUDA_BUILD OFF)
set(PERPLEX_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90a-real 100-real 120)

# TRUE where the driver shows a GPU: asked without running anything of CUDA.
function(px_find_gpu result)
  file(GLOB gpus /dev/nvidia[0-9]* /proc/driver/nvidia/gpus/*)
  set(${result} FALSE PARENT_SCOPE)
  if(gpus)
    set(${result} TRUE PARENT_SCOPE)
  endif()
endfunction()

string(TOUPPER "${PERPLEX_CUDA}" px_cuda_wish)
if(px_cuda_wish STREQUAL "OFF" OR px_cuda_wish STREQUAL "0" OR px_cuda_wish STREQUAL "NO" OR px_cuda_wish STREQUAL "FALSE")
  message(STATUS "CUDA engine: left out (PERPLEX_CUDA=${PERPLEX_CUDA})")
else()
  find_package(CUDAToolkit 12.0 QUIET)
  if(CUDAToolkit_FOUND)
    set(PERPLEX_CUDA_TOOLKIT TRUE)
    px_find_gpu(px_gpu)
    if(px_cuda_wish STREQUAL "AUTO" AND NOT px_gpu)
      set(PERPLEX_CUDA_BUILD TARGET)
      message(STATUS "CUDA engine: toolkit ${CUDAToolkit_VERSION}, no GPU here; built on request: --target perplex_cuda, or PERPLEX_CUDA=ON")
    else()
      set(PERPLEX_CUDA_BUILD ALL)
      message(STATUS "CUDA engine: built with toolkit ${CUDAToolkit_VERSION}")
    endif()
    set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}")
    # CUDA 12 does not know 100 and 120; CUDA 13 no longer knows what is older than 75
    if(CUDAToolkit_VERSION VERSION_LESS 12.8)
      set(PERPLEX_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90a)
    endif()
  elseif(px_cuda_wish STREQUAL "AUTO")
    message(STATUS "CUDA engine: left out (no CUDA toolkit was found; put nvcc into PATH or set CUDAToolkit_ROOT)")
  else()
    message(FATAL_ERROR "PERPLEX_CUDA=${PERPLEX_CUDA}, but no CUDA toolkit (12.0 or newer) was found; put nvcc into PATH or set CUDAToolkit_ROOT")
  endif()
endif()

# A toolkit whose nvcc does not work here (an unsupported host compiler, say) must not end a build that did not ask for it.
if(PERPLEX_CUDA_BUILD AND NOT PERPLEX_SANITIZE)
  if(px_cuda_wish STREQUAL "AUTO")
    include(CheckLanguage)
    check_language(CUDA)
    if(NOT CMAKE_CUDA_COMPILER)
      message(STATUS "CUDA engine: left out (${CUDAToolkit_NVCC_EXECUTABLE} does not work; its output is in CMakeFiles/CMakeError.log)")
      set(PERPLEX_CUDA_BUILD OFF)
    endif()
  endif()
endif()

# What nvcc compiles for: everything, or the GPU at hand. CMAKE_CUDA_ARCHITECTURES, where given, has the last word.
if(PERPLEX_CUDA_BUILD AND NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  if(PERPLEX_CUDA_NATIVE)
    # CMake's "native" (from 3.24 on) asks the GPU too, but means 90 where 90a is, which alone has warpgroups
    execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i 0 OUTPUT_VARIABLE px_capability
                    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(px_capability STREQUAL "9.0")
      set(CMAKE_CUDA_ARCHITECTURES 90a-real)
    elseif(CMAKE_VERSION VERSION_LESS 3.24)
      string(REPLACE "." "" px_capability "${px_capability}")
      set(CMAKE_CUDA_ARCHITECTURES ${px_capability}-real)
    else()
      set(CMAKE_CUDA_ARCHITECTURES native)
    endif()
  else()
    set(CMAKE_CUDA_ARCHITECTURES ${PERPLEX_CUDA_ARCHITECTURES})
  endif()
endif()

# At the top level, so that every folder below knows the language (kernels here, conformance tests there). Not in a build with
# sanitizers: those test the host code with the simulated kernels.
if(PERPLEX_CUDA_BUILD AND NOT PERPLEX_SANITIZE)
  enable_language(CXX)
  enable_language(CUDA)
endif()
