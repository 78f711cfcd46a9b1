"""TOKENS -> LOGITS."""
