file(REMOVE_RECURSE
  "CMakeFiles/giro_store.dir/log.c.o"
  "CMakeFiles/giro_store.dir/log.c.o.d"
  "CMakeFiles/giro_store.dir/record.c.o"
  "CMakeFiles/giro_store.dir/record.c.o.d"
  "CMakeFiles/giro_store.dir/walk.c.o"
  "CMakeFiles/giro_store.dir/walk.c.o.d"
  "libgiro_store.a"
  "libgiro_store.pdb"
)

# Per-language clean rules from dependency scanning.
foreach(lang C)
  include(CMakeFiles/giro_store.dir/cmake_clean_${lang}.cmake OPTIONAL)
endforeach()
