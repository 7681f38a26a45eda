giro_test(NAME apps SUITE unit
  SOURCES unit/member_support.c unit/genesis_support.c unit/sys_support.c unit/apps_pending.c unit/apps_files.c unit/apps_details.c unit/apps_disclosure.c
          unit/apps_links.c unit/apps_api.c unit/apps_https.c unit/apps_members.c unit/apps_postmortem.c unit/apps_verify_stage.c ${PROJECT_SOURCE_DIR}/apps/giro/https.c
  LINK giro_hub giro_member PkgConfig::EVENT PkgConfig::JANSSON PkgConfig::SODIUM PkgConfig::XXHASH OpenSSL::SSL)
