"""The engine: forward passes, prediction, the attack, batches and memory, on tensors."""
