file(REMOVE_RECURSE
  "libgiro_store.a"
)
