giro_test(NAME recon_window SUITE unit
  SOURCES unit/recon_window_support.c unit/recon_window.c unit/recon_journal.c unit/recon_journal_forged.c
          unit/recon_window_proof.c
  LINK giro_recon_window)
# Files cut from journals, and giro_verify_path.
giro_test(NAME recon_files SUITE unit
  SOURCES unit/recon_window_support.c unit/recon_files_support.c unit/recon_files_replica.c unit/recon_files.c
          unit/recon_files_verify.c unit/recon_details.c
  LINK giro_recon giro_details PkgConfig::XXHASH)
