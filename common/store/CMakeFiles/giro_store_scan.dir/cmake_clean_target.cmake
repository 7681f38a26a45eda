file(REMOVE_RECURSE
  "libgiro_store_scan.a"
)
