"""What is measured before anything is released."""
