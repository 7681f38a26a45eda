
# Consider dependencies only in project.
set(CMAKE_DEPENDS_IN_PROJECT_ONLY OFF)

# The set of languages for which implicit dependencies are needed:
set(CMAKE_DEPENDS_LANGUAGES
  )

# The set of dependency files which are needed:
set(CMAKE_DEPENDS_DEPENDENCY_FILES
  "/tmp/sp/common/store/scan.c" "common/store/CMakeFiles/giro_store_scan.dir/scan.c.o" "gcc" "common/store/CMakeFiles/giro_store_scan.dir/scan.c.o.d"
  )

# Targets to which this target links.
set(CMAKE_TARGET_LINKED_INFO_FILES
  "/tmp/sp/common/store/CMakeFiles/giro_store.dir/DependInfo.cmake"
  "/tmp/sp/common/wire/CMakeFiles/giro_wire.dir/DependInfo.cmake"
  "/tmp/sp/common/crypto/CMakeFiles/giro_crypto.dir/DependInfo.cmake"
  "/tmp/sp/common/base/CMakeFiles/giro_base.dir/DependInfo.cmake"
  )

# Fortran module output directory.
set(CMAKE_Fortran_TARGET_MODULE_DIR "")
