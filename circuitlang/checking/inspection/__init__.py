"""MODEL + CIRCUIT -> WHAT A PAGE SHOWS OF THEM. Decides nothing, and sees no prompt of `test`."""
