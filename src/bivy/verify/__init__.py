"""What an image must pass before anyone is asked to trust it: checks that are data, and what came of them."""
