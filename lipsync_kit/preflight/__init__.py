"""Everything that is checked and fixed before anything is submitted."""
