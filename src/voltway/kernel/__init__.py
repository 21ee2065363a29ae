"""Words that all slices share; standard library only."""
