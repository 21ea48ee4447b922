"""Networks that came trained: their weights, found and loaded, for those who embed and those who fine-tune."""
