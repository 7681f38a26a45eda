# Empty compiler generated dependencies file for giro_store_scan.
# This may be replaced when dependencies are built.
