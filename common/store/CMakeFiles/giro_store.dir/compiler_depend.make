# Empty compiler generated dependencies file for giro_store.
# This may be replaced when dependencies are built.
