giro_test(NAME recon_window SUITE unit
  SOURCES unit/recon_window_support.c unit/recon_window.c unit/recon_journal.c unit/recon_journal_forged.c
          unit/recon_window_proof.c
  LINK giro_recon_window)
