"""Fair comparison: everybody on the same rows, under one budget, and how sure one can be of the differences."""
