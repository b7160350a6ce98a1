"""Which packages a world means."""
