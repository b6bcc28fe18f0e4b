"""From clips to a film: conform, seams, splice, mux."""
