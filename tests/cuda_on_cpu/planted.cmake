# Planted faults: each copies the kernels, changes one line as a programmer might by mistake, and must be caught by the tests.
#
# px_planted(NAME n VARIANT plain|address|thread FILE f OLD code NEW code SOURCE k GROUP g SAYS regex)
#   FILE is changed, SOURCE.cu is compiled anew, the tests of GROUP run under VARIANT, and what they say must match SAYS. The copy is made
#   while building (plant.cmake); OLD is code without its comments, in any white space, and must be there exactly once, else the test fails
#   and says that the fault is stale. VARIANT address: in a build with PERPLEX_SANITIZE=address,...; the others: in one without.
file(GLOB px_planted_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/*.h)
function(px_planted)
  cmake_parse_arguments(PARSE_ARGV 0 P "" "NAME;VARIANT;FILE;OLD;NEW;SOURCE;GROUP;SAYS" "")
  set(suffix "")
  set(sanitizer ${px_sanitizer_${P_VARIANT}})
  if(P_VARIANT STREQUAL address)
    set(sanitizer ${PERPLEX_SANITIZE})
  elseif(P_VARIANT STREQUAL thread)
    set(suffix _thread)
  elseif(NOT P_VARIANT STREQUAL plain)
    message(FATAL_ERROR "px_planted: ${P_NAME}: no variant ${P_VARIANT}")
  endif()
  if(NOT P_VARIANT IN_LIST px_planted_variants)
    return()
  endif()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/planted/${P_NAME})
  set(kernels ${CMAKE_SOURCE_DIR}/kernels)
  string(CONFIGURE "set(NAME [==[@P_NAME@]==])
set(KERNELS [==[@kernels@]==])
set(FOLDER [==[@folder@]==])
set(FILE [==[@P_FILE@]==])
set(SOURCE [==[@P_SOURCE@]==])
set(OLD [==[@P_OLD@]==])
set(NEW [==[@P_NEW@]==])
" fault @ONLY)
  file(WRITE ${folder}.cmake.in "${fault}") # file(CONFIGURE) of CMake 3.18 takes no text with semicolons
  configure_file(${folder}.cmake.in ${folder}.cmake COPYONLY)
  add_custom_command(OUTPUT ${folder}/planted.cpp
    COMMAND ${CMAKE_COMMAND} -D FAULT=${folder}.cmake -P ${CMAKE_CURRENT_SOURCE_DIR}/plant.cmake
    DEPENDS ${folder}.cmake ${CMAKE_CURRENT_SOURCE_DIR}/plant.cmake ${kernels}/${P_SOURCE}.cu ${kernels}/${P_FILE} ${px_planted_headers}
    COMMENT "Planting ${P_NAME}" VERBATIM)
  set(flags -O0 -w) # compiled once, run for a second
  if(sanitizer)
    list(APPEND flags -g1 -fsanitize=${sanitizer} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  endif()
  set(target planted_${P_NAME})
  add_executable(${target} ${folder}/planted.cpp)
  target_compile_options(${target} PRIVATE ${flags})
  target_include_directories(${target} BEFORE PRIVATE ${folder})
  # its own object comes first, so the archive's sound one is not taken
  target_link_libraries(${target} PRIVATE px_kernel_tests${suffix} px_kernels_sim${suffix})
  px_sanitized_program(${target} "${sanitizer}")
  add_test(NAME cuda_planted_${P_NAME} COMMAND ${target} ${P_GROUP})
  set_tests_properties(cuda_planted_${P_NAME} PROPERTIES TIMEOUT ${PX_TEST_TIMEOUT} PASS_REGULAR_EXPRESSION "${P_SAYS}"
    ENVIRONMENT "${px_asan_options};${px_tsan_options}")
endfunction()

# Barriers: the result is wrong in some order, and the thread sanitizer sees the race in any.
px_planted(NAME barrier_after_writing VARIANT plain FILE device.h SOURCE head GROUP head
  OLD "if (lane == 0) scratch[warp] = v; __syncthreads();" NEW "if (lane == 0) scratch[warp] = v;" SAYS "got .* want")
px_planted(NAME barrier_after_writing_race VARIANT thread FILE device.h SOURCE update GROUP update
  OLD "if (lane == 0) scratch[warp] = v; __syncthreads();" NEW "if (lane == 0) scratch[warp] = v;" SAYS "data race")
px_planted(NAME barrier_before_reuse VARIANT thread FILE device.h SOURCE head GROUP head
  OLD "__syncthreads(); if (lane == 0) scratch[warp] = v;" NEW "if (lane == 0) scratch[warp] = v;" SAYS "data race")
px_planted(NAME barrier_in_transpose VARIANT plain FILE layout.cu SOURCE layout GROUP layout
  OLD "__syncthreads();" NEW "" SAYS "transpose.*got .* want")
px_planted(NAME barrier_in_column_sum VARIANT plain FILE recurrence.cu SOURCE recurrence GROUP recurrence
  OLD "sums[threadIdx.x] = sum; __syncthreads();" NEW "sums[threadIdx.x] = sum;"
  SAYS "column sums.*got .* want")
px_planted(NAME barrier_between_slices VARIANT plain FILE recurrence_fused.cu SOURCE recurrence_fused GROUP recurrence_fused
  OLD "sums[threadIdx.x] = mine; __syncthreads();" NEW "sums[threadIdx.x] = mine;" SAYS "got .* want")
px_planted(NAME barrier_that_some_skip VARIANT plain FILE recurrence.cu SOURCE recurrence GROUP recurrence
  OLD "sums[threadIdx.x] = sum;" NEW "if (count <= 0) return; sums[threadIdx.x] = sum;" SAYS "returned")

# What comes before the wait for the stream, where the launch overlaps the one before it.
px_planted(NAME wait_left_out VARIANT plain FILE layout.cu SOURCE layout GROUP layout
  OLD "wait_for_stream(); PX_SHARED(float, tile, [TILE][TILE + 1]);" NEW "PX_SHARED(float, tile, [TILE][TILE + 1]);"
  SAYS "returned without wait_for_stream")
px_planted(NAME wait_after_reading VARIANT plain FILE draw.cu SOURCE draw GROUP draw
  OLD "draw_kernel(const px_draw_args a) { wait_for_stream();"
  NEW "draw_kernel(px_draw_args a) { px_draw early = *a.draw; wait_for_stream(); a.draw = &early;"
  SAYS "tokens.*got .* want")
px_planted(NAME wait_of_some_blocks VARIANT plain FILE embed.cu SOURCE embed GROUP embed
  OLD "wait_for_stream(); const int rows = a.T * a.n, chunk = static_cast<int>(row_of_thread());
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (chunk * PX_EMBED_CHUNK >= rows || count <= 0) return;"
  NEW "const int rows = a.T * a.n, chunk = static_cast<int>(row_of_thread());
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (chunk * PX_EMBED_CHUNK >= rows || count <= 0) return; wait_for_stream();"
  SAYS "returned without wait_for_stream")

# Warps.
px_planted(NAME shuffle_without_all_lanes VARIANT plain FILE head_loss.cu SOURCE head_loss GROUP head
  OLD "float o[K], max = -INFINITY, o_target = 0;" NEW "if (lane >= a.V) return; float o[K], max = -INFINITY, o_target = 0;"
  SAYS "takes no part")
px_planted(NAME shuffle_under_divergence VARIANT plain FILE head_loss.cu SOURCE head_loss GROUP head
  OLD "max = warp_reduce<op_max>(max);" NEW "if (lane < a.V) max = warp_reduce<op_max>(max);" SAYS "warp function")

# Indices and alignment.
px_planted(NAME index_one_too_far VARIANT address FILE embed.cu SOURCE embed GROUP embed
  OLD "|| count <= 0) return;
    const int token = a.tokens[row];" NEW "|| count < 0) return;
    const int token = a.tokens[row];" SAYS "heap-buffer-overflow")
px_planted(NAME index_one_too_far_unsanitized VARIANT plain FILE layout.cu SOURCE layout GROUP layout
  OLD "if (at >= count) return;" NEW "if (at > count) return;" SAYS "written outside an array")
px_planted(NAME shared_array_too_small VARIANT address FILE recurrence.cu SOURCE recurrence GROUP recurrence
  OLD "PX_SHARED(float4, sums, [END_THREADS]);" NEW "PX_SHARED(float4, sums, [END_THREADS - 1]);" SAYS "heap-buffer-overflow|out of bounds")
px_planted(NAME quads_that_are_not_aligned VARIANT address FILE device.h SOURCE update GROUP update
  OLD "return ld % 4 == 0 && reinterpret_cast<uintptr_t>(base) % (4 * element_bytes) == 0;" NEW "return ld % 4 == 0;"
  SAYS "misaligned address")

# Sums with two writers, lost parts, values that nobody wrote.
px_planted(NAME two_writers_of_a_row VARIANT thread FILE embed.cu SOURCE embed GROUP embed
  OLD "if (leading || trailing) {" NEW "if (false) {" SAYS "data race|dtable.*got .* want")
px_planted(NAME last_part_of_a_run_lost VARIANT plain FILE embed.cu SOURCE embed GROUP embed
  OLD "c <= low; c++" NEW "c < low; c++" SAYS "dtable.*got .* want")
px_planted(NAME rows_of_the_places_before VARIANT plain FILE embed.cu SOURCE embed GROUP embed
  OLD "p = later;" NEW "" SAYS "dtable.*got .* want")
px_planted(NAME slice_lost VARIANT plain FILE recurrence_fused.cu SOURCE recurrence_fused GROUP recurrence_fused
  OLD "warp < WARPS; warp++" NEW "warp < WARPS - 1; warp++" SAYS "got .* want")
px_planted(NAME target_never_written VARIANT plain FILE head_loss.cu SOURCE head_loss GROUP head
  OLD "if (holds(j, target)) *o_target = pick(v[q], target - j);" NEW "" SAYS "got -?nan")
px_planted(NAME rows_that_share_an_exchange VARIANT plain FILE head_loss.cu SOURCE head_loss GROUP head
  OLD "turn = 1 - turn;" NEW "" SAYS "got .* want")
px_planted(NAME unscored_row_takes_a_turn VARIANT plain FILE head_loss.cu SOURCE head_loss GROUP head
  OLD "clear_row<ELEMENT, ALIGNED>(logits, ld); continue; } const float max"
  NEW "clear_row<ELEMENT, ALIGNED>(logits, ld); turn = 1 - turn; continue; } const float max" SAYS "got .* want")
px_planted(NAME padding_of_the_head_stays VARIANT plain FILE head_loss.cu SOURCE head_loss GROUP head
  OLD "if (j < ld) store_quad<ALIGNED>(logits + j, d, ld - j);" NEW "if (j < ld - 4) store_quad<ALIGNED>(logits + j, d, ld - j);"
  SAYS "gradient.*got .* want")
px_planted(NAME segment_of_the_bias_gradient_lost VARIANT plain FILE head.cu SOURCE head GROUP head
  OLD "k += SUM_LANES" NEW "k += 2 * SUM_LANES" SAYS "d_bias.*got .* want")
px_planted(NAME sums_of_a_warp_lost VARIANT plain FILE head_loss.cu SOURCE head_loss GROUP head
  OLD "+ sums[3][j]" NEW "" SAYS "d_bias.*got .* want")

# Drawing: what all threads have made, one of them adds up or orders.
px_planted(NAME weights_read_before_they_are_there VARIANT plain FILE draw.cu SOURCE draw GROUP draw
  OLD "weights[i] = px_draw_weight(row.p[from + i], &scale); __syncthreads();"
  NEW "weights[i] = px_draw_weight(row.p[from + i], &scale);" SAYS "tokens.*got .* want")
px_planted(NAME candidates_read_before_they_are_there VARIANT plain FILE draw.cu SOURCE draw GROUP draw
  OLD "} __syncthreads(); if (threadIdx.x != 0) return -1;" NEW "} if (threadIdx.x != 0) return -1;" SAYS "tokens.*got .* want")

# Meaning.
px_planted(NAME reset_ignored VARIANT plain FILE step.h SOURCE recurrence GROUP recurrence
  OLD "if (!(a.reset && a.reset[row])) z = z + recurrent;" NEW "z = z + recurrent;" SAYS "got -?nan")
px_planted(NAME penalty_across_a_reset VARIANT plain FILE penalties.cu SOURCE penalties GROUP penalties
  OLD "&& !a.reset[row]" NEW "" SAYS "gradient.*got .* want")
px_planted(NAME mask_of_another_lane VARIANT plain FILE dropout.h SOURCE recurrence GROUP recurrence
  OLD "v.y = shift == 1 ? a.z" NEW "v.y = shift == 1 ? a.y" SAYS "got .* want")
px_planted(NAME kept_gradient_cleared VARIANT plain FILE update.cu SOURCE update GROUP update
  OLD "if ((at < a.kept_begin || at >= a.kept_end) && !is_zero(g))" NEW "if (!is_zero(g))" SAYS "gradients, cleared.*got .* want")
px_planted(NAME norm_that_does_not_wait_for_the_last VARIANT plain FILE update.cu SOURCE update GROUP update
  OLD "ended[0] + 1 < gridDim.x" NEW "ended[0] + 2 < gridDim.x" SAYS "updates == 1")
px_planted(NAME skip_ignored VARIANT plain FILE update.cu SOURCE update GROUP update
  OLD "if (a.metrics->skip) return;" NEW "" SAYS "got .* want the same bits")
px_planted(NAME bias_correction_forgotten VARIANT plain FILE update.cu SOURCE update GROUP update
  OLD "sqrtf(v) / (s)->root_bias2" NEW "sqrtf(v)" SAYS "weights.*got .* want")

# Clusters: what one block may do only after another (recurrence_persistent).
function(px_planted_window)
  cmake_parse_arguments(PARSE_ARGV 0 W "" "NAME;FILE;OLD;NEW;SAYS" "")
  px_planted(NAME "${W_NAME}" VARIANT plain FILE "${W_FILE}" SOURCE recurrence_persistent_bf16 GROUP recurrence_persistent_bf16
    OLD "${W_OLD}" NEW "${W_NEW}" SAYS "${W_SAYS}")
endfunction()
px_planted_window(NAME window_without_its_wait FILE persistent_kernel.h OLD "if (s > 0) steps.wait(s);" NEW "" SAYS "got .* want")
px_planted_window(NAME window_state_reused_a_step_early FILE persistent_exchange.h
  OLD "return s % 2 * P::BUFFER_WORDS;" NEW "return 0;" SAYS "got .* want")
px_planted_window(NAME window_block_that_leaves_early FILE persistent_kernel.h OLD "if (s > 0) steps.wait(s);"
  NEW "if (s > 0 && s + 1 == steps.a.T && steps.rank == 1) return; if (s > 0) steps.wait(s);" SAYS "has ended")
px_planted_window(NAME window_expects_a_stream_too_much FILE persistent_exchange.h
  OLD "static_cast<unsigned>(count * P::STATE_WORDS * 4)" NEW "static_cast<unsigned>((count + 1) * P::STATE_WORDS * 4)"
  SAYS "deadlock: .* waits in mbarrier_wait .* lacks 0 arrivals and")
px_planted_window(NAME window_expects_a_stream_too_little FILE persistent_exchange.h
  OLD "static_cast<unsigned>(count * P::STATE_WORDS * 4)" NEW "static_cast<unsigned>((count - 1) * P::STATE_WORDS * 4)" SAYS "got .* want|has ended")
px_planted_window(NAME window_begins_before_the_others FILE persistent_step.h
  OLD "fetch(0); base::meet();" NEW "fetch(0); __syncthreads();"
  SAYS "no initialised mbarrier|got .* want")
px_planted_window(NAME window_partial_sums_read_too_early FILE persistent_kernel.h OLD "__syncthreads(); steps.finish(s);"
  NEW "steps.finish(s);" SAYS "got .* want")
px_planted_window(NAME window_row_of_another_fragment FILE persistent_product.h OLD "row + r % 2 * 8" NEW "row + r / 2 * 8"
  SAYS "got .* want")
px_planted_window(NAME window_column_of_another_fragment FILE matrix.h OLD "return lane % 4 * 2 + r % 2;"
  NEW "return lane % 4 * 2 + r / 2;" SAYS "got .* want")
px_planted_window(NAME window_slice_lost FILE persistent_block.h OLD "slice < P::SLICES; slice++" NEW "slice < P::SLICES - 1; slice++"
  SAYS "got .* want")
px_planted_window(NAME window_reset_ignored FILE persistent_step.h OLD "if (!drop[j] && " NEW "if (" SAYS "got .* want")
px_planted(NAME window_padding_that_is_not_zero VARIANT plain FILE persistent_step.h SOURCE recurrence_persistent_fp32
  GROUP recurrence_persistent_fp32 OLD "if (both(j)) out.y" NEW "out.y" SAYS "h.* is -?nan")

# Warpgroups: what is asynchronous, and where it reads (recurrence_wide).
function(px_planted_wide)
  cmake_parse_arguments(PARSE_ARGV 0 W "" "NAME;FILE;OLD;NEW;SAYS" "")
  px_planted(NAME "${W_NAME}" VARIANT plain FILE "${W_FILE}" SOURCE recurrence_wide_bf16 GROUP recurrence_wide_bf16
    OLD "${W_OLD}" NEW "${W_NEW}" SAYS "${W_SAYS}")
endfunction()
px_planted_wide(NAME wide_without_its_wait FILE wide.h OLD "warpgroup_wait(c);" NEW "" SAYS "products are under way|another C is under way")
px_planted_wide(NAME wide_stride_of_another_layout FILE wide.h OLD "QUAD_BYTES, 128);" NEW "QUAD_BYTES - 16, 128);" SAYS "got .* want")
px_planted_wide(NAME wide_sums_read_too_early FILE wide.h OLD "warpgroup_wait(c);" NEW "float early[N / 2];
    for (int r = 0; r < N / 2; r++) early[r] = c[r];
    warpgroup_wait(c);
    for (int r = 0; r < N / 2; r++) c[r] = early[r];" SAYS "is -?nan|got .* want")
px_planted_wide(NAME wide_state_not_fenced FILE wide.h OLD "shared_writes_fence();" NEW "" SAYS "without shared_writes_fence")

# Blocks of a grid: what one may do only after all of its group (recurrence_grid).
function(px_planted_grid)
  cmake_parse_arguments(PARSE_ARGV 0 W "" "NAME;FILE;OLD;NEW;SAYS" "")
  px_planted(NAME "${W_NAME}" VARIANT plain FILE "${W_FILE}" SOURCE recurrence_grid_bf16 GROUP recurrence_grid_bf16
    OLD "${W_OLD}" NEW "${W_NEW}" SAYS "${W_SAYS}")
endfunction()
px_planted_grid(NAME grid_without_its_wait FILE grid_exchange.h OLD "if (thread == 0) wait_for_group(s);" NEW "" SAYS "got .* want")
px_planted_grid(NAME grid_arrives_before_its_block FILE grid_exchange.h OLD "__syncthreads(); if (thread == 0) wait_for_group(s);"
  NEW "if (thread == 0) wait_for_group(s);" SAYS "got .* want")
px_planted_grid(NAME grid_state_read_before_it_is_whole FILE grid_exchange.h OLD "p % QUADS); __syncthreads();" NEW "p % QUADS);"
  SAYS "got .* want")
px_planted_grid(NAME grid_waits_for_a_block_too_much FILE grid_exchange.h OLD "P::BLOCKS * (passed + static_cast<unsigned>(s))"
  NEW "P::BLOCKS * (passed + static_cast<unsigned>(s)) + 1" SAYS "has waited in vain")
px_planted_grid(NAME grid_waits_for_a_block_too_little FILE grid_exchange.h OLD "P::BLOCKS * (passed + static_cast<unsigned>(s))"
  NEW "P::BLOCKS * (passed + static_cast<unsigned>(s)) - 1" SAYS "got .* want")
px_planted_grid(NAME grid_place_reused_a_step_early FILE grid_exchange.h OLD "static_cast<size_t>(s % 2) * a.n" NEW "static_cast<size_t>(0) * a.n"
  SAYS "got .* want")
px_planted_grid(NAME grid_turns_that_forget_the_barriers_passed FILE grid.h OLD "passed += static_cast<unsigned>(w.a.T - 1);" NEW ""
  SAYS "got .* want")
px_planted_grid(NAME grid_turn_left_out FILE grid.h OLD "first < w.a.n;" NEW "first < w.streams * w.groups;" SAYS "got .* want")

# And of cells that keep gates.
function(px_planted_gates)
  cmake_parse_arguments(PARSE_ARGV 0 W "" "NAME;FILE;OLD;NEW;SAYS" "")
  px_planted(NAME "${W_NAME}" VARIANT plain FILE "${W_FILE}" SOURCE gates_persistent_bf16 GROUP gates_persistent_bf16
    OLD "${W_OLD}" NEW "${W_NEW}" SAYS "${W_SAYS}")
endfunction()
px_planted_gates(NAME gates_window_row_of_another_gate FILE persistent_product.h OLD "along / every" NEW "along / every % 2"
  SAYS "got .* want")
px_planted_gates(NAME gates_window_segment_of_another_gate FILE persistent_exchange.h OLD "(g * P::WIDTH + unit(j))" NEW "unit(j)"
  SAYS "got .* want")
px_planted_gates(NAME gates_window_sum_of_another_gate FILE persistent_block.h OLD "g * P::UNITS + local(j)" NEW "local(j)"
  SAYS "got .* want")
px_planted_gates(NAME gates_window_expects_one_segment FILE persistent_exchange.h
  OLD "static_cast<unsigned>(count * P::STATE_WORDS * 4)" NEW "static_cast<unsigned>(count * (P::WIDTH / P::PER_WORD) * 4)"
  SAYS "got .* want|has ended|deadlock")
px_planted_gates(NAME gates_window_state_kept_over_a_reset FILE persistent_gates_step.h
  OLD "drop[j] ? 0.0f : half_of(states[j][k], which)" NEW "half_of(states[j][k], which)" SAYS "got .* want")
px_planted_gates(NAME gates_window_returned_over_a_reset FILE persistent_gates_step.h OLD "s > 0 && !drop_next[j]" NEW "s > 0"
  SAYS "got .* want")
px_planted_gates(NAME gates_window_mark_of_another_step FILE persistent_gates_step.h OLD "drop_next[j] = drop[j]; drop[j] = base::mark(t, j);"
  NEW "drop[j] = base::mark(t, j); drop_next[j] = drop[j];" SAYS "got .* want")
px_planted_gates(NAME gates_window_lone_gate_forgotten FILE persistent_gates_step.h OLD "return g == cell::lone ? u[j] : z[j][g];"
  NEW "return z[j][g];" SAYS "got .* want")
px_planted_gates(NAME gates_window_state_of_a_step_later FILE persistent_gates_step.h OLD "now[j][k] = before[j][k];" NEW "" SAYS "got .* want")
