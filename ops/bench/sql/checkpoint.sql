-- Nothing is left to be written of what came before.
CHECKPOINT;
