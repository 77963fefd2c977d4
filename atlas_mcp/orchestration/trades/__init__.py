"""What workers of each kind are asked, and what their answers become: one file a kind of work."""
