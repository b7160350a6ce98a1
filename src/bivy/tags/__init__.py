"""Tags: which image may claim which, what is built of them, and moving them once an image has passed its checks."""
