"""A Random Forest on binned values, by itself; it knows nothing of faces, ants or subsets."""
