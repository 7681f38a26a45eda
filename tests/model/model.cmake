# The rules by themselves: no code of Giro in it.
add_executable(giro-model model/main.c model/rules.c model/explore.c)
giro_test_suite(model giro-model)
target_include_directories(giro-model PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(giro-model PRIVATE giro_warnings)
add_test(NAME model/three_rounds COMMAND giro-model --rounds 3)
set_tests_properties(model/three_rounds PROPERTIES LABELS model TIMEOUT 120)
