"""The rig of the benchmarks: load, contestants, measuring, proofs and the printed table; no benchmark by itself."""
