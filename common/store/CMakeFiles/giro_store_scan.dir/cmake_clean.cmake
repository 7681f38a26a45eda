file(REMOVE_RECURSE
  "CMakeFiles/giro_store_scan.dir/scan.c.o"
  "CMakeFiles/giro_store_scan.dir/scan.c.o.d"
  "libgiro_store_scan.a"
  "libgiro_store_scan.pdb"
)

# Per-language clean rules from dependency scanning.
foreach(lang C)
  include(CMakeFiles/giro_store_scan.dir/cmake_clean_${lang}.cmake OPTIONAL)
endforeach()
