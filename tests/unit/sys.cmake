giro_test(NAME sys SUITE unit
  SOURCES unit/sys_support.c unit/sys_faulty.c unit/sys_uring.c unit/sys_files.c unit/sys_config.c unit/sys_cpus.c
  LINK giro_sys)
