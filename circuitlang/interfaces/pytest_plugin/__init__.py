"""Every claim of a .cir file is a test."""
