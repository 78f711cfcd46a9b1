"""Circuit size against pretraining loss over a grid of models, sparse ones and dense ones of equal depth."""
